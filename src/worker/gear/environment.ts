import { Failure } from '../../jobs/errors.ts';
import { readIfThere } from '../host/files.ts';
import type { Room } from '../room.ts';

/** Refuses a gear whose environment is not on the host: Docker would only say so when it starts. */
export async function mustHaveEnvironment(
  { paths }: Room,
  environment: string | undefined,
): Promise<void> {
  if (environment === undefined) return;
  if ((await readIfThere(paths.environment(environment))) === null) {
    throw new Failure('environment_not_found', `there is no environment ${environment} on the host`);
  }
}
