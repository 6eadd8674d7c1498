import type { Redis } from 'ioredis';
import { type Kind, kinds } from '../../jobs/fields/resource.ts';
import { unlessMalformed } from '../redis/malformed.ts';
import { releaseEntry, scanEntries } from './entries.ts';
import { readHeld } from './hosts.ts';

/**
 * Removes every name from the directory that its host does not hold: an api may have died before it
 * could. Reads the directory in batches, so that a large one keeps no request waiting.
 */
export async function sweepDirectory(redis: Redis): Promise<void> {
  for (const kind of kinds) await sweepKind(redis, kind);
}

async function sweepKind(redis: Redis, kind: Kind): Promise<void> {
  const held = new Map<string, Set<string>>();
  for await (const entries of scanEntries(redis, kind)) {
    for (const host of new Set([...entries.values()].map((entry) => entry.host)))
      if (!held.has(host)) held.set(host, new Set(await unlessMalformed(readHeld(redis, host, kind), [])));
    for (const [resource, entry] of entries)
      if (!held.get(entry.host)?.has(resource)) await releaseEntry(redis, kind, resource, entry);
  }
}
