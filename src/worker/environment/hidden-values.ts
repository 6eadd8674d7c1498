import { createHmac, randomBytes } from 'node:crypto';
import type { HiddenVariable } from '../../jobs/types/container-reads.ts';
import type { EnvironmentVariable } from '../../jobs/types/environment.ts';
import { readIfThere } from '../../lib/files/replace-file.ts';
import type { HostPaths } from '../domain/paths.ts';
import { writeDurably } from '../host/files.ts';

/** Key for this host's hashes of values. It is created once. */
export async function readHashKey(paths: HostPaths): Promise<string> {
  const there = await readIfThere(paths.hashKey);
  if (there !== null) return there;
  const made = randomBytes(32).toString('base64url');
  await writeDurably(paths.hashKey, made, 0o600);
  return made;
}

/**
 * Variables for readers that may not see the values. The hash shows whether a value has changed. It
 * is keyed, so that readers cannot test guesses.
 */
export function hideValues(env: readonly EnvironmentVariable[], key: string): HiddenVariable[] {
  return env.map(({ name, value }) => ({ name, hash: hashOf(`${name}=${value}`, key) }));
}

const hashOf = (text: string, key: string) => createHmac('sha256', key).update(text).digest('base64url');
