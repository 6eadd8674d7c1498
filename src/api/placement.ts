import { type ErrorCode, Failure, hostDraining } from '../jobs/errors.ts';
import { MiB, maxMemory } from '../jobs/fields/bytes.ts';
import type { Kind, LineKind } from '../jobs/fields/resource.ts';
import { beyondLimits } from '../jobs/limits.ts';
import type { GearSpec } from '../jobs/types/container.ts';
import {
  type ApiQueue,
  type Candidate,
  type GearMemory,
  type HostEntry,
  type Placement,
  type Room,
  roomOf,
} from '../queue/api-queue.ts';

/** The part of the queue needed to choose a host. */
export type Directory = Pick<ApiQueue, 'hosts' | 'host' | 'findHolder'>;

/**
 * Returns where a request may go: to the requested host or the fleet's only one, to the host of the
 * gear's environment, or to any live host. The directory sends a name that a host holds there, and
 * otherwise chooses among the candidates (choose.lua), for one request after another. Throws
 * `host_not_found`, or `invalid_request` when no host's limits allow the gear.
 *
 * `spec`: the gear that the request installs, if it does.
 */
export async function placementFor(
  queue: Directory,
  wanted: string | undefined,
  spec: GearSpec | undefined,
): Promise<Placement> {
  const hosts = wanted === undefined ? await queue.hosts() : [await requireHost(queue, wanted)];
  const gone = hosts.filter(({ state }) => state === 'gone').map(({ name }) => name);
  // Only an installation may need it: other changes need not count the fleet.
  const gearMemory = gearMemoryOf(spec === undefined ? [] : hosts);
  const [only] = hosts;
  if (only && (wanted !== undefined || (hosts.length === 1 && only.state === 'live'))) {
    hostsGranting(hosts, spec);
    return { ...onlyTo(only), gearMemory, gone };
  }
  const holder = await holderOfEnvironment(queue, spec);
  const possible = holder === null ? hosts : hosts.filter(({ name }) => name === holder);
  const fitting = hostsGranting(possible, spec).filter(({ state, draining }) =>
    holder === null ? state === 'live' : !draining,
  );
  const asked = roomOf(spec, gearMemory);
  const candidates = fitting.map((host) => candidateFor(asked, host));
  return { only: null, candidates, gearMemory, gone };
}

/**
 * Returns the hosts whose limits allow a gear's spec. Throws `invalid_request` when no host's do.
 */
function hostsGranting(hosts: HostEntry[], spec: GearSpec | undefined): HostEntry[] {
  if (spec === undefined) return hosts;
  const beyond = hosts.map(({ limits }) => limits && beyondLimits(spec, limits));
  const granting = hosts.filter((_, i) => beyond[i] === null);
  const why = beyond.find((one) => one !== null);
  if (granting.length === 0 && why) throw new Failure('invalid_request', why);
  return granting;
}

/**
 * Returns the memory of gears whose specs name none, which is no more than a spec may name. The
 * most frequent number stands for all hosts that announced it, because each request to Redis
 * carries this.
 */
function gearMemoryOf(hosts: HostEntry[]): GearMemory {
  const all = new Map<string, number>();
  const hostsWith = new Map<number, number>();
  for (const { name, limits } of hosts) {
    if (limits === null) continue;
    const memory = Math.ceil(Math.min(limits.gearMemory, maxMemory) / MiB);
    all.set(name, memory);
    hostsWith.set(memory, (hostsWith.get(memory) ?? 0) + 1);
  }
  const [[usual] = [0]] = [...hostsWith].sort(([, a], [, b]) => b - a);
  return { usual, others: new Map([...all].filter(([, memory]) => memory !== usual)) };
}

/** Returns a placement on one host. A draining host accepts nothing new. */
const onlyTo = ({ name, memory, draining }: HostEntry) => ({
  only: name,
  candidates: draining ? [] : [{ host: name, memory, avoid: 0 }],
});

/**
 * Rates a host by the memory and ports that its worker announced; the directory adds later
 * assignments.
 */
function candidateFor(asked: Room, host: HostEntry): Candidate {
  const conflicts = asked.ports.filter((port) => host.ports.includes(port)).length;
  const memory = asked.memoryOn.get(host.name) ?? asked.memory;
  const tooLittle = memory > 0 && host.memoryTaken + memory > host.memory;
  return { host: host.name, memory: host.memory, avoid: 2 * conflicts + (tooLittle ? 1 : 0) };
}

/** Returns the host of a gear's environment, where the gear must run; null if there is none. */
const holderOfEnvironment = async (queue: Directory, spec: GearSpec | undefined) =>
  spec?.environment === undefined ? null : queue.findHolder('environment', spec.environment);

/** Returns the failure for a request that no host accepts, with the reason. */
export async function noHost(
  queue: Directory,
  wanted: string | undefined,
  spec: GearSpec | undefined,
): Promise<Failure> {
  const needed = wanted ?? (await holderOfEnvironment(queue, spec));
  const draining = (await queue.hosts()).find((host) => host.draining && (needed ?? host.name) === host.name);
  if (draining) return hostDraining(draining.name);
  return new Failure('no_host', 'no live host accepts anything new; start a worker');
}

/** Returns a host by name. Throws `host_not_found` when there is none. */
export async function requireHost(queue: Directory, name: string): Promise<HostEntry> {
  const host = await queue.host(name);
  if (!host) throw new Failure('host_not_found', `there is no host ${name}`);
  return host;
}

/**
 * Returns the host that holds a resource, for a read. Throws the kind's own "not found",
 * `host_conflict` if the request names another host, and `host_unavailable` if the host is offline.
 */
export async function holderOf(
  queue: Directory,
  kind: Kind,
  resource: string,
  wanted?: string,
): Promise<string> {
  const host = await queue.findHolder(kind, resource);
  if (!host) throw notFound(kind, resource);
  if (wanted !== undefined && wanted !== host) throw livesElsewhere(kind, host, wanted);
  const gone = (await queue.hosts()).some(({ name, state }) => name === host && state === 'gone');
  if (gone)
    throw new Failure(
      'host_unavailable',
      `the host ${host} is offline, but its gears may still run; start its worker, then send the request again`,
    );
  return host;
}

const absent: Record<LineKind, { code: ErrorCode; how: string }> = {
  gear: { code: 'container_not_found', how: 'PUT container installs it' },
  repository: { code: 'repository_not_found', how: 'PUT repository creates it' },
  environment: { code: 'environment_not_found', how: 'PUT environment creates it' },
  host: { code: 'host_not_found', how: 'GET hosts shows all' },
};

export function notFound(kind: LineKind, resource: string): Failure {
  return new Failure(absent[kind].code, `there is no ${kind} ${resource}; ${absent[kind].how}`);
}

export function livesElsewhere(kind: LineKind, host: string, wanted: string | undefined): Failure {
  const how = wanted === undefined ? 'GET hosts shows its state' : 'leave out h, unless the token fixes it';
  return new Failure(
    'host_conflict',
    `the ${kind} is on the host ${host}, not on ${wanted ?? 'another'}; ${how}`,
  );
}
