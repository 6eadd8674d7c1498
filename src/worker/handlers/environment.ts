import { Failure } from '../../jobs/errors.ts';
import { MiB } from '../../jobs/fields/bytes.ts';
import type { Params, Result } from '../../jobs/registry.ts';
import { type EnvironmentVariable, maxEnvironment, maxVariables } from '../../jobs/types/environment.ts';
import { mergeVariables } from '../domain/env-file.ts';
import { isOther, readEnvironment, writeEnvironment } from '../environment/environment-files.ts';
import { gearsUsing, refreshEnvironment } from '../environment/refresh-environment.ts';
import { assertTakesNew } from '../host-state/draining.ts';
import { isOnDisk } from '../host-state/on-disk.ts';
import type { Handler, JobContext } from '../jobs/context.ts';

/** Replaces an environment, or creates it. */
export const replace: Handler<'environment.replace'> = {
  async run(params, context) {
    if (!(await isOnDisk(context.services.paths, 'environment', params.resource)))
      await assertTakesNew(context);
    return change(params, params.env, context);
  },
};

/** Adds variables to an environment and changes existing ones. */
export const merge: Handler<'environment.merge'> = {
  async run(params, context) {
    const before = await readEnvironment(context.services.paths, params.resource);
    const merged = mergeVariables(before, params.env);
    assertBounded(merged, before);
    return change(params, merged, context);
  },
};

/**
 * Throws `invalid_request` when a merge makes an environment larger than it may be. One that an
 * earlier version made larger may get smaller.
 */
function assertBounded(env: EnvironmentVariable[], before: EnvironmentVariable[]): void {
  if (env.length > Math.max(maxVariables, before.length))
    throw new Failure('invalid_request', `an environment has at most ${maxVariables} variables`);
  if (sizeOf(env) > Math.max(maxEnvironment, sizeOf(before)))
    throw new Failure(
      'invalid_request',
      `an environment has at most ${maxEnvironment / MiB} MiB as JSON; PUT environment replaces it`,
    );
}

const sizeOf = (env: EnvironmentVariable[]) => Buffer.byteLength(JSON.stringify(env));

/** Names no image: it may be the one of another tenant's gear. */
const missingImage = 'the image of a gear that uses the environment is no longer on the host';

async function change(
  { resource }: Params<'environment.replace'>,
  env: EnvironmentVariable[],
  { services, job, sees, report, signal, checkpoint }: JobContext,
): Promise<Result<'environment.replace'>> {
  signal.throwIfAborted();
  report({ step: 'environment', message: `writing the environment ${resource}` });
  // A missing environment counts as other.
  const seen = await checkpoint(async () =>
    (await isOther(services.paths, resource, env)) ? 'other' : 'same',
  );
  await writeEnvironment(services.paths, resource, env);
  // Done even if nothing has changed: an interrupted attempt may not have reached this step.
  const gears = await gearsUsing(services, resource);
  let missing: Failure | null = null;
  for (const gear of gears) {
    await services.gearLocks
      .hold(gear, () => refreshEnvironment(services, gear, job))
      .catch((error: unknown) => {
        // The other gears are to see the change all the same.
        if (!(error instanceof Failure && error.code === 'image_not_found')) throw error;
        missing ??= sees(gear) ? error : new Failure('image_not_found', missingImage);
      });
  }
  if (missing !== null) throw missing;
  const seenGears = gears.filter(sees); // Gears of other tenants may use it, too.
  return { environment: resource, variables: env.length, changed: seen !== 'same', gears: seenGears };
}
