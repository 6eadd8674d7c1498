import { readdir, stat } from 'node:fs/promises';
import { Failure } from '../../jobs/errors.ts';
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

/** The directory of a repository. Throws `repository_not_found`. */
export async function requireRepository(paths: HostPaths, resource: string): Promise<string> {
  if (await isOnDisk(paths, 'repository', resource)) return paths.repository(resource);
  throw new Failure('repository_not_found', `there is no repository ${resource} on the host`);
}

/**
 * Names of all resources of a kind that the host holds. Files not made by geard have other names.
 */
export async function listOnDisk(paths: HostPaths, kind: Kind): Promise<string[]> {
  if (kind === 'gear') return listGears(paths);
  const names = await readdir(kind === 'repository' ? paths.repositories : paths.environments);
  return names.filter((name) => resourceName.safeParse(name).success).sort();
}
