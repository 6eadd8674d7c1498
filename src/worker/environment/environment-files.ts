import { stat } from 'node:fs/promises';
import { Failure } from '../../jobs/errors.ts';
import type { EnvironmentVariable } from '../../jobs/types/environment.ts';
import { nullIfAbsent, readIfThere } from '../../lib/files/if-there.ts';
import { parseEnvFile, renderEnvFile } from '../domain/env-file.ts';
import type { HostPaths } from '../domain/paths.ts';
import { writeDurably } from '../host/files.ts';

/** The variables of an environment. Throws `environment_not_found`. */
export async function readEnvironment(paths: HostPaths, name: string): Promise<EnvironmentVariable[]> {
  const text = await readIfThere(paths.environment(name));
  if (text === null)
    throw new Failure('environment_not_found', `there is no environment ${name} on the host`);
  return parseEnvFile(text);
}

/** Whether an environment differs from these variables, or does not exist. */
export async function isOther(paths: HostPaths, name: string, env: EnvironmentVariable[]): Promise<boolean> {
  return (await readIfThere(paths.environment(name))) !== renderEnvFile(env);
}

/**
 * Replaces the variables of an environment. Keeps the file's time if they are the same: it shows
 * whether a gear runs with an older environment.
 */
export async function writeEnvironment(
  paths: HostPaths,
  name: string,
  env: EnvironmentVariable[],
): Promise<void> {
  if (await isOther(paths, name, env)) await writeDurably(paths.environment(name), renderEnvFile(env), 0o600);
}

/** When an environment last changed, in milliseconds since the epoch; null when there is none. */
export async function environmentChangedAt(paths: HostPaths, name: string): Promise<number | null> {
  return (await nullIfAbsent(stat(paths.environment(name))))?.mtimeMs ?? null;
}
