import { Failure } from '../../jobs/errors.ts';
import { freeNetwork, networkRules, parseNetwork } from '../domain/networks.ts';
import { bridgeOf, ownNetwork } from '../domain/paths.ts';
import type { GearUnit } from '../domain/unit-file.ts';
import { routedNetworks } from '../host/routes.ts';
import type { HostServices } from '../host-services.ts';
import { readUnits } from './gear-files.ts';

/**
 * The engine keeps networks across reboots, so that a gear's unit finds its network without us. A
 * unit is written before its network is made, and a removal checks the units first. One lock covers
 * all of this, and the choice of addresses.
 */

/** The key of this lock. */
const lock = 'networks';

/** Networks that the engine may refuse, for its own reasons, before we give up. */
const maxRefusals = 16;

/** Makes the network that a gear's unit names, if it is missing. */
export async function ensureNetwork(
  services: HostServices,
  { network }: Pick<GearUnit, 'network'>,
): Promise<void> {
  if (network === null) return;
  await services.networks.locks.hold(lock, async () => {
    const there = await services.engine.networks();
    const found = there.find(({ name }) => name === network);
    if (found?.ours) return;
    if (found) {
      const detail = `there is a ${services.engine.name} network ${network} that geard has not made; remove it from the host`;
      throw new Failure('host_unavailable', detail);
    }
    const subnets = there.flatMap((one) => one.subnets);
    await makeNetwork(services, network, subnets);
  });
}

async function makeNetwork(
  { engine, networks }: HostServices,
  name: string,
  subnets: string[],
): Promise<void> {
  const taken = [...subnets.flatMap((text) => parseNetwork(text) ?? []), ...(await routedNetworks())];
  for (let attempt = 0; attempt < maxRefusals; attempt++) {
    const subnet = freeNetwork(networks.pool, taken);
    if (subnet === null) break;
    if (await engine.createNetwork({ name, bridge: bridgeOf(name, attempt), subnet })) return;
    // The engine may still have been making it for an earlier call, whose answer was lost.
    if ((await engine.networks()).some((network) => network.name === name && network.ours)) return;
    const range = parseNetwork(subnet);
    if (range !== null) taken.push(range);
  }
  throw new Failure(
    'host_unavailable',
    'the host has no addresses for another network; remove gears, or give its worker a larger --network-pool',
  );
}

/** Removes the former network of a gear, unless another gear uses it or this one still does. */
export async function releaseNetwork(
  services: HostServices,
  resource: string,
  left: string | null | undefined,
  keep: string | null = null,
): Promise<void> {
  if (left === null || left === undefined || left === keep) return;
  await services.networks.locks.hold(lock, async () => {
    const isUsed = (gear: GearUnit) => gear.network === left && gear.resource !== resource;
    const shared = left !== ownNetwork(resource) && (await readUnits(services.paths)).some(isUsed);
    if (!shared) await services.engine.removeNetwork(left);
  });
}

/** Removes networks that no gear uses: a crash, or a container that lived on, has left them. */
export async function removeUnusedNetworks(services: HostServices): Promise<void> {
  await services.networks.locks.hold(lock, async () => {
    const used = new Set((await readUnits(services.paths)).map(({ network }) => network));
    for (const { name, ours } of await services.engine.networks())
      if (ours && !used.has(name)) await services.engine.removeNetwork(name);
  });
}

/**
 * Warns at the start of a worker when nothing isolates gears, and removes networks that a crash has
 * left.
 */
export async function tidyNetworks(services: HostServices): Promise<void> {
  const { systemd, log } = services;
  const { active } = await systemd.activity(networkRules);
  if (active !== 'active')
    log.warn(
      { unit: networkRules, active },
      'the network rules are not loaded: gears can reach the host and everything that it reaches; see docs/networks.md',
    );
  await removeUnusedNetworks(services).catch((error) =>
    log.warn({ err: error }, 'could not remove unused networks'),
  );
}
