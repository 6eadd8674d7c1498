import { createHmac, randomBytes } from 'node:crypto';
import type { HiddenVariable } from '../../jobs/types/container-reads.ts';
import type { EnvironmentVariable } from '../../jobs/types/environment.ts';
import type { HostPaths } from '../domain/paths.ts';
import { readOrMake } from '../host/files.ts';

/** Key for this host's hashes of values. It is created once. */
export function readHashKey(paths: HostPaths): Promise<string> {
  return readOrMake(paths.hashKey, () => randomBytes(32).toString('base64url'));
}

/**
 * Variables for readers that may not see the values. The hash shows whether a value has changed. It
 * is keyed, so that readers cannot test guesses.
 */
export function hideValues(env: readonly EnvironmentVariable[], key: string): HiddenVariable[] {
  return env.map(({ name, value }) => ({ name, hash: hashOf(`${name}=${value}`, key) }));
}

const hashOf = (text: string, key: string) => createHmac('sha256', key).update(text).digest('base64url');
