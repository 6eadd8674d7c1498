import { join } from 'node:path';
import { ownRegistry } from '../../jobs/fields/image-name.ts';
import type { Volume } from '../../jobs/types/container.ts';

/** Where everything of a host lies below its base directory. Names come validated: see jobs/fields/identifier.ts. */
export interface HostPaths {
  base: string;
  units: string;
  ports: string;
  jobs: string;
  /** Locked by the worker that runs. */
  lock: string;
  /** There while the host takes nothing new. */
  draining: string;
  /** The key of the host's hashes of values. */
  hashKey: string;
  /** All directories, to be made before anything else. */
  directories: string[];
  unitName(resource: string): string;
  unit(resource: string): string;
  /** What was there before an installation that has not come to its end. */
  before(resource: string): string;
  /** The same of the installation that came to its end last. */
  committed(resource: string): string;
  failedUpdate(resource: string): string;
  /** Values of a gear's inline environment; a tag names one version of them. */
  envFile(resource: string, tag: string): string;
  /** Matches the names of a gear's value files; the first group is the tag. */
  envFilePattern(resource: string): RegExp;
  environment(id: string): string;
  environments: string;
  repository(name: string): string;
  repositories: string;
  /** The link that reserves an external port. */
  port(external: number): string;
  /** What that link says. */
  portTarget(resource: string): string;
  journal(id: string): string;
  /** That a job was taken while its token was valid. */
  taken(id: string): string;
  /** What the first run of a job has seen. */
  checkpoint(id: string): string;
}

export const unitName = (resource: string) => `gear-${resource}.service`;
export const containerName = (resource: string) => `gear-${resource}`;

/** The image that carries a gear's environment; a tag names one version of it. See gear/environment-image.ts. */
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

export function hostPaths(base: string): HostPaths {
  const units = join(base, 'units');
  const env = join(base, 'env');
  const ports = join(base, 'ports');
  const repositories = join(base, 'git');
  const jobs = join(base, 'jobs');
  const beside = (resource: string, ending: string) => join(units, `gear-${resource}.${ending}`);
  return {
    base,
    units,
    ports,
    jobs,
    lock: join(base, 'lock'),
    draining: join(base, 'draining'),
    hashKey: join(base, 'hash.key'),
    directories: [base, units, env, ports, jobs, repositories],
    unitName,
    unit: (resource) => join(units, unitName(resource)),
    before: (resource) => beside(resource, 'before.json'),
    committed: (resource) => beside(resource, 'committed.json'),
    failedUpdate: (resource) => beside(resource, 'failed.json'),
    envFile: (resource, tag) => beside(resource, `${tag}.env`),
    // The tag is a job id: 32 hex digits, so that no other gear's name can end in one by chance.
    envFilePattern: (resource) => new RegExp(`^gear-${escapeRegExp(resource)}\\.([0-9a-f]{32})\\.env$`),
    environment: (id) => join(env, id),
    environments: env,
    repository: (name) => join(repositories, name),
    repositories,
    port: (external) => join(ports, String(external)),
    portTarget: (resource) => join('..', 'units', unitName(resource)),
    journal: (id) => join(jobs, `${id}.json`),
    taken: (id) => join(jobs, `${id}.taken`),
    checkpoint: (id) => join(jobs, `${id}.checkpoint`),
  };
}

const escapeRegExp = (text: string) => text.replace(/[.*+?^${}()|[\]\\-]/g, '\\$&');
