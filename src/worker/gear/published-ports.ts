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
 * Reserves the external ports a gear is to have: those asked for, and for the others the ones it
 * has had or free ones. Throws `port_taken` or `ports_exhausted`; what it had reserved before is
 * then as it was.
 */
export async function reservePorts(
  services: HostServices,
  resource: string,
  wanted: GearSpec['ports'],
  current: PublishedPort[],
): Promise<PublishedPort[]> {
  const { reservations, limits } = services;
  const { publishPorts, publishAddress } = limits;
  const own = new Set(await reservations.list(resource));
  const unusable = new Set(await reservations.others(resource));
  // Each round either succeeds or has learnt of one more port that cannot be used.
  for (;;) {
    const chosen = choosePorts(
      wanted,
      current,
      (port) => unusable.has(port) || !includesPort(publishPorts, port),
    );
    const taken = await reserveAll(reservations, resource, chosen, own, publishAddress);
    if (taken === null) return chosen;
    const asked = wanted.some(({ external }) => external === taken);
    if (asked) throw new Failure('port_taken', `the external port ${taken} is taken`);
    unusable.add(taken);
  }
}

/** Reserves all ports or none; returns the one that was taken, or null. */
async function reserveAll(
  reservations: HostServices['reservations'],
  resource: string,
  ports: PublishedPort[],
  own: Set<number>,
  addresses: readonly string[],
): Promise<number | null> {
  const added: number[] = [];
  for (const { external } of ports) {
    if (own.has(external)) continue;
    // Reserved first and looked at then, so that no two gears look at the same free port.
    const reserved = await reservations.reserve(external, resource);
    if (reserved) added.push(external);
    if (reserved && (await portIsFree(external, addresses))) continue;
    for (const port of added) await reservations.release(port, resource);
    return external;
  }
  return null;
}

/** Gives back what a gear has reserved besides these. */
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

/** Whether two units of a gear have the engine publish the same. */
export function publishesAlike(one: Publication | null, other: Publication): boolean {
  const of = ({ ports, addresses }: Publication) => ({ ports, addresses: ports.length > 0 ? addresses : [] });
  return isDeepStrictEqual(of(one ?? { ports: [], addresses: [] }), of(other));
}

/**
 * The rules let gears reach what the units have the engine publish; see docs/networks.md. A host
 * may do without them.
 */
export async function tellRules({ systemd, log }: HostServices): Promise<void> {
  const result = await systemd.reloadNetworkRules();
  if (result !== 'done' && result !== 'absent')
    log.warn({ unit: networkRules, result }, 'the rules of the network were not loaded again');
}
