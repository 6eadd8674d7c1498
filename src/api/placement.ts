import { type ErrorCode, Failure } from '../jobs/errors.ts';
import { type Command, jobs } from '../jobs/registry.ts';
import type { Kind } from '../jobs/resource.ts';
import type { Front, HostEntry } from '../queue/open-front.ts';

/**
 * The host to try first. Recording the request checks the choice against the directory, so that with a single
 * host no look-up is needed. Throws `host_not_found` or `no_host`.
 */
export async function firstChoice(front: Front, command: Command, wanted?: string): Promise<string> {
  if (wanted !== undefined) {
    return (await existing(front, wanted)).name;
  }
  const hosts = await front.hosts();
  const [only] = hosts;
  if (hosts.length === 1 && only && only.state === 'live') return only.name;
  const holder =
    (await front.findHolder(jobs[command.type].on, command.params.resource)) ??
    (await holderOfEnvironment(front, command));
  if (holder) return holder;
  const roomiest = emptiest(hosts.filter(({ state }) => state === 'live'));
  if (!roomiest) throw new Failure('no_host', 'no host is live; start a worker');
  return roomiest.name;
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

const absent: Record<Kind, { code: ErrorCode; how: string }> = {
  gear: { code: 'container_not_found', how: 'PUT container installs it' },
  repository: { code: 'repository_not_found', how: 'PUT repository creates it' },
  environment: { code: 'environment_not_found', how: 'PUT environment makes it' },
};

export function notFound(kind: Kind, resource: string): Failure {
  return new Failure(absent[kind].code, `there is no ${kind} ${resource}; ${absent[kind].how}`);
}

export function livesElsewhere(kind: Kind, host: string, wanted: string): Failure {
  return new Failure('host_conflict', `the ${kind} lives on the host ${host}, not on ${wanted}`);
}
