import { isDeepStrictEqual } from 'node:util';
import { Failure } from '../../jobs/errors.ts';
import { includesPort } from '../../jobs/limits.ts';
import type { GearSpec, PublishedPort } from '../../jobs/types/container.ts';
import { networkRules } from '../domain/networks.ts';
import { choosePorts } from '../domain/ports.ts';
import type { GearUnit } from '../domain/unit-file.ts';
import { portIsFree } from '../host/ports.ts';
import type { HostServices } from '../host-services.ts';

/**
 * Reserves the external ports of a gear: the requested ones, and for the others its current or free
 * ones. Throws `port_taken` or `ports_exhausted`, and leaves the earlier reservations of the gear
 * as they were.
 */
export async function reservePorts(
  services: HostServices,
  resource: string,
  wanted: GearSpec['ports'],
  current: PublishedPort[],
): Promise<PublishedPort[]> {
  const { reservations, limits } = services;
  const own = new Set(await reservations.list(resource));
  const unusable = new Set(await reservations.others(resource));
  const isUnusable = (port: number) => unusable.has(port) || !includesPort(limits.publishPorts, port);
  // Each round either succeeds or finds one more port that cannot be used.
  for (;;) {
    const chosen = choosePorts(wanted, current, isUnusable);
    const taken = await reserveAll(services, resource, chosen, own);
    if (taken === null) return chosen;
    if (wanted.some(({ external }) => external === taken))
      throw new Failure(
        'port_taken',
        `the external port ${taken} is taken; choose another one, or leave it out`,
      );
    unusable.add(taken);
  }
}

/** Reserves all ports or none; returns a port that was taken, or null. */
async function reserveAll(
  { reservations, limits }: HostServices,
  resource: string,
  ports: PublishedPort[],
  own: Set<number>,
): Promise<number | null> {
  const added: number[] = [];
  for (const { external } of ports) {
    if (own.has(external)) continue;
    // Reserves before the check, so that no two gears check the same free port.
    const reserved = await reservations.reserve(external, resource);
    if (reserved) added.push(external);
    if (reserved && (await portIsFree(external, limits.publishAddress))) continue;
    for (const port of added) await reservations.release(port, resource);
    return external;
  }
  return null;
}

/** Releases the reservations of a gear except these. */
export async function releaseOthers(
  services: HostServices,
  resource: string,
  keep: PublishedPort[],
): Promise<void> {
  const kept = new Set(keep.map(({ external }) => external));
  const left = (await services.reservations.list(resource)).filter((port) => !kept.has(port));
  for (const port of left) await services.reservations.release(port, resource);
}

type Publication = Pick<GearUnit, 'ports' | 'addresses'>;

/** Whether two units of a gear make the engine publish the same. */
export function publishesAlike(one: Publication | null, other: Publication): boolean {
  const of = ({ ports, addresses }: Publication) => ({ ports, addresses: ports.length > 0 ? addresses : [] });
  return isDeepStrictEqual(of(one ?? { ports: [], addresses: [] }), of(other));
}

/**
 * Reloads the rules, which let gears reach the ports published by units; see docs/networks.md. A
 * host may have no rules.
 */
export async function reloadNetworkRules({ systemd, log }: HostServices): Promise<void> {
  const result = await systemd.reloadNetworkRules();
  if (result !== 'done' && result !== 'absent')
    log.warn(
      { unit: networkRules, result },
      'the network rules could not be reloaded; see systemctl status geard-network',
    );
}
