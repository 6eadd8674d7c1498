import { readdir, stat } from 'node:fs/promises';
import { resourceName } from '../../jobs/fields/identifier.ts';
import type { Kind } from '../../jobs/fields/resource.ts';
import { nullIfAbsent } from '../../lib/files/if-there.ts';
import type { HostPaths } from '../domain/paths.ts';
import { listGears } from '../gear/gear-files.ts';

/** Whether the host holds a resource. The disk is authoritative. */
export async function isOnDisk(paths: HostPaths, kind: Kind, resource: string): Promise<boolean> {
  const place = { gear: paths.unit, repository: paths.repository, environment: paths.environment }[kind];
  return (await nullIfAbsent(stat(place(resource)))) !== null;
}

/**
 * Names of all resources of a kind that the host holds. Files not made by geard have other names.
 */
export async function listOnDisk(paths: HostPaths, kind: Kind): Promise<string[]> {
  if (kind === 'gear') return listGears(paths);
  const names = await readdir(kind === 'repository' ? paths.repositories : paths.environments);
  return names.filter((name) => resourceName.safeParse(name).success).sort();
}
