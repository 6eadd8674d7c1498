import { createHmac, randomBytes } from 'node:crypto';
import type { HiddenVariable } from '../../jobs/types/container-reads.ts';
import type { EnvironmentVariable } from '../../jobs/types/environment.ts';
import { readIfThere } from '../../lib/files/replace-file.ts';
import type { HostPaths } from '../domain/paths.ts';
import { writeDurably } from '../host/files.ts';

/** The key of this host's hashes of values. It is made once. */
export async function readHashKey(paths: HostPaths): Promise<string> {
  const there = await readIfThere(paths.hashKey);
  if (there !== null) return there;
  const made = randomBytes(32).toString('base64url');
  await writeDurably(paths.hashKey, made, 0o600);
  return made;
}

/**
 * Variables as those see them who may not read their values. The hash tells a value that was
 * changed from the same one; it is keyed, so that nobody can try what a value might be.
 */
export function hideValues(env: readonly EnvironmentVariable[], key: string): HiddenVariable[] {
  return env.map(({ name, value }) => ({ name, hash: hashOf(`${name}=${value}`, key) }));
}

const hashOf = (text: string, key: string) => createHmac('sha256', key).update(text).digest('base64url');
