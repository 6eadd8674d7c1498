import { Failure } from '../../jobs/errors.ts';
import type { Params, Result } from '../../jobs/registry.ts';
import { type EnvironmentVariable, mostVariables } from '../../jobs/types/environment.ts';
import { mergeVariables } from '../domain/env-file.ts';
import { isOther, readEnvironment, writeEnvironment } from '../environment/environment-files.ts';
import { gearsUsing, refreshEnvironment } from '../environment/refresh-environment.ts';
import { mustTakeNew } from '../host-state/draining.ts';
import { isOnDisk } from '../host-state/on-disk.ts';
import type { Handler, JobContext } from '../jobs/context.ts';

/** Replaces an environment, or makes it. */
export const replace: Handler<'environment.replace'> = {
  async run(params, context) {
    if (!(await isOnDisk(context.room.paths, 'environment', params.resource))) await mustTakeNew(context);
    return change(params, params.env, context);
  },
};

/** Adds to an environment and changes what it has already. */
export const merge: Handler<'environment.merge'> = {
  async run(params, context) {
    const merged = mergeVariables(await readEnvironment(context.room.paths, params.resource), params.env);
    if (merged.length > mostVariables) {
      throw new Failure('invalid_request', `an environment has at most ${mostVariables} variables`);
    }
    return change(params, merged, context);
  },
};

async function change(
  { resource }: Params<'environment.replace'>,
  env: EnvironmentVariable[],
  { room, job, report, signal, checkpoint }: JobContext,
): Promise<Result<'environment.replace'>> {
  signal.throwIfAborted();
  report({ step: 'environment', message: `writing the environment ${resource}` });
  // Where the first run has found none, that is what it remembers.
  const seen = await checkpoint(async () => ((await isOther(room.paths, resource, env)) ? 'other' : 'same'));
  await writeEnvironment(room.paths, resource, env);
  // Also where nothing has changed: an attempt that was cut short may have come no further.
  const gears = await gearsUsing(room, resource);
  for (const gear of gears) await refreshEnvironment(room, gear, job);
  return { environment: resource, variables: env.length, changed: seen !== 'same', gears };
}
