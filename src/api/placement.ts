import { type ErrorCode, Failure } from '../jobs/errors.ts';
import { type Command, jobs } from '../jobs/registry.ts';
import type { Kind, LineKind } from '../jobs/resource.ts';
import type { Front, HostEntry } from '../queue/open-front.ts';

/**
 * The host to try first. Recording the request checks the choice against the directory, so that with a single
 * host no look-up is needed. Throws `host_not_found` or `no_host`.
 */
export async function firstChoice(front: Front, command: Command, wanted?: string): Promise<string> {
  if (wanted !== undefined) {
    const host = await existing(front, wanted);
    if (host.draining) await mustBeThere(front, command, host.name);
    return host.name;
  }
  const hosts = await front.hosts();
  const [only] = hosts;
  if (hosts.length === 1 && only && only.state === 'live') return only.name;
  const holder = await front.findHolder(jobs[command.type].on, command.params.resource);
  if (holder) return holder;
  const beside = await holderOfEnvironment(front, command);
  if (beside) {
    if (hosts.some(({ name, draining }) => name === beside && draining)) throw drains(beside);
    return beside;
  }
  const roomiest = emptiest(hosts.filter((host) => takes(host, command)));
  if (!roomiest) throw noHost(hosts);
  return roomiest.name;
}

/** Whether a host may be chosen for what nobody holds yet. Who asks for what is not there is told so by any host. */
function takes({ state }: HostEntry, { type }: Command): boolean {
  return state === 'live' || (state === 'draining' && jobs[type].needs === 'presence');
}

function noHost(hosts: HostEntry[]): Failure {
  const draining = hosts.find(({ state }) => state === 'draining');
  return draining ? drains(draining.name) : new Failure('no_host', 'no host is live; start a worker');
}

const drains = (host: string) => new Failure('no_host', `the host ${host} is draining`);

/** A host that is draining takes nothing that is not there yet. */
async function mustBeThere(front: Front, { type, params }: Command, host: string): Promise<void> {
  const { needs, on } = jobs[type];
  if (needs !== 'place' && needs !== 'absence') return;
  const holder = await front.findHolder(on, params.resource);
  if (holder === null) throw drains(host);
}

/** A host by its name. Throws `host_not_found`. */
export async function existing(front: Front, name: string): Promise<HostEntry> {
  const host = await front.host(name);
  if (!host) throw new Failure('host_not_found', `there is no host ${name}`);
  return host;
}

/** A gear that uses an environment belongs where that is. */
async function holderOfEnvironment(front: Front, command: Command): Promise<string | null> {
  if (command.type !== 'container.install' || command.params.spec.environment === undefined) return null;
  return front.findHolder('environment', command.params.spec.environment);
}

function emptiest(hosts: HostEntry[]): HostEntry | undefined {
  return hosts.reduce<HostEntry | undefined>(
    (best, host) => (best && best.gears <= host.gears ? best : host),
    undefined,
  );
}

/**
 * The host that holds a resource, for a read. Throws the kind's own "not found", and `host_conflict` where the
 * request names another host.
 */
export async function holderOf(front: Front, kind: Kind, resource: string, wanted?: string): Promise<string> {
  const host = await front.findHolder(kind, resource);
  if (!host) throw notFound(kind, resource);
  if (wanted !== undefined && wanted !== host) throw livesElsewhere(kind, host, wanted);
  return host;
}

const absent: Record<LineKind, { code: ErrorCode; how: string }> = {
  gear: { code: 'container_not_found', how: 'PUT container installs it' },
  repository: { code: 'repository_not_found', how: 'PUT repository creates it' },
  environment: { code: 'environment_not_found', how: 'PUT environment makes it' },
  host: { code: 'host_not_found', how: 'GET hosts shows all' },
};

export function notFound(kind: LineKind, resource: string): Failure {
  return new Failure(absent[kind].code, `there is no ${kind} ${resource}; ${absent[kind].how}`);
}

export function livesElsewhere(kind: LineKind, host: string, wanted: string): Failure {
  return new Failure('host_conflict', `the ${kind} lives on the host ${host}, not on ${wanted}`);
}
