import type { Result } from '../../jobs/registry.ts';
import type { Drift } from '../../jobs/rpc/drift.ts';
import { changeOf } from '../domain/drift.ts';
import { renderUnit } from '../domain/unit-file.ts';
import { readUnit } from '../gear/gear-files.ts';
import { ensureNetwork, removeUnusedNetworks } from '../gear/networks.ts';
import { writeDurably } from '../host/files.ts';
import type { HostServices } from '../host-services.ts';
import type { JobContext } from '../jobs/context.ts';
import { isUp } from '../systemd/systemd.ts';
import { detectDrift } from './detect-drift.ts';

/**
 * Brings the directory, units, links, networks and reservations into line with the gears on disk.
 * Leaves running processes and foreign objects as they are. Can be repeated at any point: it does
 * the remaining work.
 */
export async function repairHost(context: JobContext): Promise<Result<'host.repair'>> {
  const { services, report, signal, checkpoint } = context;
  report({ step: 'look', message: 'comparing directory, disk and systemd' });
  // A later run also reports the repairs of an earlier one.
  const drift: Drift = JSON.parse(await checkpoint(async () => JSON.stringify(await detectDrift(services))));
  const rewritten: string[] = [];
  const linked: string[] = [];
  for (const { resource, text, link } of drift.changedUnits) {
    signal.throwIfAborted();
    if (services.busy.has(resource)) continue; // Its job takes care of it.
    report({ step: 'unit', message: `repairing ${services.paths.unitName(resource)}` });
    await services.gearLocks.hold(resource, () => mend(services, resource));
    if (text) rewritten.push(resource);
    if (link === 'missing') linked.push(resource);
  }
  const networks: string[] = [];
  for (const resource of drift.withoutNetwork) {
    signal.throwIfAborted();
    const gear = await readUnit(services.paths, resource);
    if (!gear) continue;
    await ensureNetwork(services, gear);
    networks.push(resource);
  }
  await removeUnusedNetworks(services);
  if (rewritten.length > 0) await services.systemd.reload();
  await services.systemd.settle();
  const released = await services.reservations.releaseStale();
  report({ step: 'directory', message: 'announcing the names on the disk' });
  await services.directory.announce();
  return {
    announced: drift.unitsWithoutEntry,
    forgotten: drift.entriesWithoutUnit,
    rewritten,
    linked,
    networks,
    released,
    foreign: drift.foreign,
  };
}

/** Restores the text and the link of a unit, where they still differ. */
async function mend(services: HostServices, resource: string): Promise<void> {
  const { paths, systemd } = services;
  const [name, path] = [paths.unitName(resource), paths.unit(resource)];
  const unit = await readUnit(paths, resource);
  const links = await systemd.links();
  const change = unit && changeOf(unit, links, services);
  if (!unit || !change) return;
  if (change.text) await writeDurably(path, renderUnit(unit, services), 0o644);
  // A running unit was to run after a reboot too, unless a setting that is now lost said otherwise.
  if (change.link === 'missing')
    await systemd.link(path, links.wanted.has(name) || isUp(await systemd.activity(name)));
}
