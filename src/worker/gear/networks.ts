import { Failure } from '../../jobs/errors.ts';
import { bridgeOf, freeNetwork, networkRules, ownNetwork, parseNetwork } from '../domain/networks.ts';
import type { HostPaths } from '../domain/paths.ts';
import { type GearUnit, parseUnit } from '../domain/unit-file.ts';
import { routedNetworks } from '../host/routes.ts';
import type { Room } from '../host-services.ts';
import { listGears, readGear } from './gear-files.ts';

/**
 * Docker keeps networks over reboots, so that a gear's unit finds its network without us. The unit that names one is written
 * before it is made, and whoever removes one looks at the units first; one lock for all of it, and for who gets which addresses.
 */
const lock = 'networks';

/** Networks that Docker refuses, for reasons of its own, before we give up. */
const mostRefusals = 16;

/** Makes the network that a gear's unit names, where it is not there. */
export async function ensureNetwork(room: Room, { network }: Pick<GearUnit, 'network'>): Promise<void> {
  if (network === null) return;
  await room.networks.locks.hold(lock, async () => {
    const there = await room.docker.networks();
    const found = there.find(({ name }) => name === network);
    if (found?.ours) return;
    if (found) {
      const detail = `there is a Docker network ${network} that geard has not made`;
      throw new Failure('host_unavailable', detail);
    }
    await makeNetwork(
      room,
      network,
      there.flatMap(({ subnets }) => subnets),
    );
  });
}

async function makeNetwork({ docker, networks }: Room, name: string, subnets: string[]): Promise<void> {
  const taken = [...subnets.flatMap((text) => parseNetwork(text) ?? []), ...(await routedNetworks())];
  for (let attempt = 0; attempt < mostRefusals; attempt++) {
    const subnet = freeNetwork(networks.pool, taken);
    if (subnet === null) break;
    if (await docker.createNetwork({ name, bridge: bridgeOf(name, attempt), subnet })) return;
    taken.push(...[parseNetwork(subnet) ?? []].flat());
  }
  throw new Failure('host_unavailable', 'no addresses for another network are left; see --network-pool');
}

/** Removes the network that a gear has been in, unless another gear uses it or this one still does. */
export async function releaseNetwork(
  room: Room,
  resource: string,
  left: string | null | undefined,
  keep: string | null = null,
): Promise<void> {
  if (left === null || left === undefined || left === keep) return;
  await room.networks.locks.hold(lock, async () => {
    const others = left === ownNetwork(resource) ? [] : await networksOf(room.paths, resource);
    if (!others.includes(left)) await room.docker.removeNetwork(left);
  });
}

/** Removes the networks that no gear uses: a crash, or a container that lived on, has left them. */
export async function removeUnusedNetworks(room: Room): Promise<void> {
  await room.networks.locks.hold(lock, async () => {
    const used = new Set(await networksOf(room.paths));
    for (const { name, ours } of await room.docker.networks())
      if (ours && !used.has(name)) await room.docker.removeNetwork(name);
  });
}

/** The network that a unit's text names. */
export const networkIn = (text: string | null | undefined) => (text ? parseUnit(text)?.network : null);

async function networksOf(paths: HostPaths, except?: string): Promise<string[]> {
  const names = (await listGears(paths)).filter((name) => name !== except);
  const gears = await Promise.all(names.map((name) => readGear(paths, name)));
  return gears.flatMap((gear) => gear?.network ?? []);
}

/** What a worker does about networks as it starts: says that nothing keeps gears apart, and tidies up after a crash. */
export async function tidyNetworks(room: Room): Promise<void> {
  const { systemd, log } = room;
  const { active } = await systemd.activity(networkRules);
  if (active !== 'active')
    log.warn(
      { unit: networkRules, active },
      'the rules of the network are not loaded: gears reach the host and what it reaches; see docs/networks.md',
    );
  await removeUnusedNetworks(room).catch((error) =>
    log.warn({ err: error }, 'networks that no gear uses could not be looked for'),
  );
}
