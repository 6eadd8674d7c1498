import { join } from 'node:path';
import { ownRegistry } from '../../jobs/fields/image-name.ts';
import type { Volume } from '../../jobs/types/container.ts';

export const unitName = (resource: string) => `gear-${resource}.service`;
export const containerName = (resource: string) => `gear-${resource}`;

/**
 * The image that carries a gear's environment; a tag names one version of it. See
 * gear/environment-image.ts.
 */
export const environmentImage = (resource: string, tag: string) =>
  `${ownRegistry}/environment:${containerName(resource)}.${tag}`;

/**
 * The engine's volume that a gear's volume is. Two dots follow no other name that a gear may have,
 * so that every volume is of one gear, and no volume that geard has not made is of any.
 */
export const engineVolume = (resource: string, { name, of = resource }: Volume) =>
  `${containerName(of)}..${name}`;

/** The transient unit that makes a repository, and its container. */
export const jobUnit = (resource: string) => `job-${resource}.service`;
export const jobContainer = (resource: string) => `job-${resource}`;

/** Names of gears, taken from the names of their units; null for every other name. */
export const resourceOfUnit = (name: string) => /^gear-(.+)\.service$/.exec(name)?.[1] ?? null;

/**
 * Where everything of a host lies below its base directory. Names come validated: see
 * jobs/fields/identifier.ts.
 */
export type HostPaths = ReturnType<typeof hostPaths>;

export function hostPaths(base: string) {
  const units = join(base, 'units');
  const environments = join(base, 'env');
  const ports = join(base, 'ports');
  const repositories = join(base, 'git');
  const jobs = join(base, 'jobs');
  const beside = (resource: string, ending: string) => join(units, `gear-${resource}.${ending}`);
  return {
    base,
    units,
    environments,
    ports,
    repositories,
    jobs,
    /** All directories, to be made before anything else. */
    directories: [base, units, environments, ports, jobs, repositories],
    /** Locked by the worker that runs. */
    lock: join(base, 'lock'),
    /** There while the host takes nothing new. */
    draining: join(base, 'draining'),
    /** The key of the host's hashes of values. */
    hashKey: join(base, 'hash.key'),
    unitName,
    unit: (resource: string) => join(units, unitName(resource)),
    /** What was there before an installation that has not come to its end. */
    before: (resource: string) => beside(resource, 'before.json'),
    /** The same of the installation that came to its end last. */
    committed: (resource: string) => beside(resource, 'committed.json'),
    failedUpdate: (resource: string) => beside(resource, 'failed.json'),
    /** Values of a gear's inline environment; a tag names one version of them. */
    envFile: (resource: string, tag: string) => beside(resource, `${tag}.env`),
    /**
     * Matches the names of a gear's value files; the first group is the tag, which is a job id: 32
     * hex digits, so that no other gear's name can end in one by chance.
     */
    envFilePattern: (resource: string) =>
      new RegExp(`^gear-${escapeRegExp(resource)}\\.([0-9a-f]{32})\\.env$`),
    environment: (id: string) => join(environments, id),
    repository: (name: string) => join(repositories, name),
    /** The link that reserves an external port. */
    port: (external: number) => join(ports, String(external)),
    /** What that link says. */
    portTarget: (resource: string) => join('..', 'units', unitName(resource)),
    journal: (id: string) => join(jobs, `${id}.json`),
    /** That a job was taken while its token was valid. */
    taken: (id: string) => join(jobs, `${id}.taken`),
    /** What the first run of a job has seen. */
    checkpoint: (id: string) => join(jobs, `${id}.checkpoint`),
  };
}

const escapeRegExp = (text: string) => text.replace(/[.*+?^${}()|[\]\\-]/g, '\\$&');
