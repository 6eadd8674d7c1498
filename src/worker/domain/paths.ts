import { hash } from 'node:crypto';
import { join } from 'node:path';
import { ownRegistry } from '../../jobs/fields/image-name.ts';
import type { GearSpec, Volume } from '../../jobs/types/container.ts';

/** The slice of gears and of git's containers; contrib/install.sh installs it. */
export const gearSlice = 'gear-small.slice';

export const unitName = (resource: string) => `gear-${resource}.service`;
export const containerName = (resource: string) => `gear-${resource}`;

/**
 * The image that carries a gear's environment; a tag names one version of it. See
 * environment/environment-image.ts.
 */
export const environmentImage = (resource: string, tag: string) =>
  `${ownRegistry}/environment:${containerName(resource)}.${tag}`;

/**
 * The engine's volume for a gear's volume. No gear's name contains two dots in a row, so every
 * volume belongs to one gear, and no gear owns a volume that geard has not made.
 */
export const engineVolume = (resource: string, { name, of = resource }: Volume) =>
  `${containerName(of)}..${name}`;

/** The network of a gear: a common one that its spec names, or one of its own. */
export const networkOf = (resource: string, { network }: Pick<GearSpec, 'network'>) =>
  network === undefined ? ownNetwork(resource) : `geard-network-${network}`;

export const ownNetwork = (resource: string) => `gear-${resource}`;

/**
 * The interface of a network on the host. The rules of geard-network.service recognize gears'
 * interfaces by this prefix; the kernel allows 15 characters (IFNAMSIZ). Each attempt has another
 * name: after a power cut while making a network, an engine may keep the name for a network that it
 * does not list.
 */
export const bridgeOf = (network: string, attempt = 0) =>
  `gear-${hash('sha256', attempt === 0 ? network : `${network}/${attempt}`).slice(0, 10)}`;

/** The transient unit that makes a repository, and its container. */
export const jobUnit = (resource: string) => `job-${resource}.service`;
export const jobContainer = (resource: string) => `job-${resource}`;

/** The gear's name in the name of its unit; null for every other name. */
export const resourceOfUnit = (name: string) => /^gear-(.+)\.service$/.exec(name)?.[1] ?? null;

/**
 * The paths of a host's files below its base directory. Names must be validated before: see
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
    /** All directories, to create before anything else. */
    directories: [base, units, environments, ports, jobs, repositories],
    /** Locked by the running worker. */
    lock: join(base, 'lock'),
    /** Exists while the host accepts nothing new. */
    draining: join(base, 'draining'),
    /** Key for the host's hashes of values. */
    hashKey: join(base, 'hash.key'),
    unitName,
    unit: (resource: string) => join(units, unitName(resource)),
    /** The state before an unfinished installation. */
    before: (resource: string) => beside(resource, 'before.json'),
    /** The same for the last finished installation. */
    committed: (resource: string) => beside(resource, 'committed.json'),
    failedUpdate: (resource: string) => beside(resource, 'failed.json'),
    /** Values of a gear's inline environment; a tag, the id of a job, names one version of them. */
    envFile: (resource: string, tag: string) => beside(resource, `${tag}.env`),
    environment: (id: string) => join(environments, id),
    repository: (name: string) => join(repositories, name),
    /** The link that reserves an external port. */
    port: (external: number) => join(ports, String(external)),
    /** The target of that link. */
    portTarget: (resource: string) => join('..', 'units', unitName(resource)),
    /** The identity of this disk, for the lease on the host's name. */
    identity: join(jobs, 'identity'),
    journal: (id: string) => join(jobs, `${id}.json`),
    /** Marks a job that was taken while its token was valid. */
    taken: (id: string) => join(jobs, `${id}.taken`),
    /** The state that the first run of a job saw. */
    checkpoint: (id: string) => join(jobs, `${id}.checkpoint`),
  };
}
