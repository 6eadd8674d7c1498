import { Failure } from '../jobs/errors.ts';
import type { Command } from '../jobs/registry.ts';
import type { Front, HostEntry } from '../queue/open-front.ts';

/**
 * The host to try first. Recording the request checks the choice against the directory, so that with a single
 * host no look-up is needed. Throws `host_not_found` or `no_host`.
 */
export async function firstChoice(front: Front, command: Command, wanted?: string): Promise<string> {
  const hosts = await front.hosts();
  if (wanted !== undefined) {
    if (!hosts.some(({ name }) => name === wanted))
      throw new Failure('host_not_found', `there is no host ${wanted}`);
    return wanted;
  }
  const [only] = hosts;
  if (hosts.length === 1 && only && only.state === 'live') return only.name;
  const holder = await front.findGear(command.params.resource);
  if (holder) return holder;
  const roomiest = emptiest(hosts.filter(({ state }) => state === 'live'));
  if (!roomiest) throw new Failure('no_host', 'no host is live; start a worker');
  return roomiest.name;
}

function emptiest(hosts: HostEntry[]): HostEntry | undefined {
  return hosts.reduce<HostEntry | undefined>(
    (best, host) => (best && best.gears <= host.gears ? best : host),
    undefined,
  );
}
