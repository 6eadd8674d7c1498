import type { Result } from '../../jobs/registry.ts';
import type { Drift } from '../../jobs/rpc/drift.ts';
import { changeOf, resourceOfOurs } from '../domain/drift.ts';
import { parseUnit, renderUnit } from '../domain/unit-file.ts';
import { readGear } from '../gear/gear-files.ts';
import { ensureNetwork, removeUnusedNetworks } from '../gear/networks.ts';
import { linkUnit } from '../gear/transaction.ts';
import { readIfThere, writeDurably } from '../host/files.ts';
import type { Room } from '../host-services.ts';
import type { JobContext } from '../jobs/context.ts';
import { readUnitLinks } from '../systemd/unit-links.ts';
import { lookForDrift } from './look.ts';

/**
 * Brings the directory, units, links and reservations into line with the gears on the disk. What runs goes on as it
 * is, and what is foreign stays as it is. Can be repeated at any point: it does what is left to do.
 */
export async function repairHost({
  room,
  report,
  signal,
  checkpoint,
}: JobContext): Promise<Result<'host.repair'>> {
  report({ step: 'look', message: 'comparing directory, disk and systemd' });
  // A later run tells what an earlier one has mended too.
  const drift: Drift = JSON.parse(await checkpoint(async () => JSON.stringify(await lookForDrift(room))));
  const rewritten: string[] = [];
  const linked: string[] = [];
  for (const { resource, text, link } of drift.changedUnits) {
    signal.throwIfAborted();
    if (room.busy.has(resource)) continue; // Its job sees to it.
    report({ step: 'unit', message: `mending ${room.paths.unitName(resource)}` });
    await room.gearLocks.hold(resource, () => mend(room, resource));
    if (text) rewritten.push(resource);
    if (link === 'missing') linked.push(resource);
  }
  const networks: string[] = [];
  for (const resource of drift.withoutNetwork) {
    signal.throwIfAborted();
    const gear = await readGear(room.paths, resource);
    if (!gear) continue;
    await ensureNetwork(room, gear);
    networks.push(resource);
  }
  await removeUnusedNetworks(room);
  if (rewritten.length > 0) await room.systemd.reload();
  await room.systemd.settle();
  const released = await room.reservations.releaseStale();
  report({ step: 'directory', message: 'announcing what is on the disk' });
  await room.directory.announce();
  return {
    announced: drift.unitsWithoutEntry,
    forgotten: drift.entriesWithoutUnit,
    ...{ rewritten, linked, networks, released, foreign: drift.foreign },
  };
}

/** Puts the text and the link of a unit back, as far as they are still otherwise. */
async function mend(room: Room, resource: string): Promise<void> {
  const { paths } = room;
  const name = paths.unitName(resource);
  const text = (await readIfThere(paths.unit(resource))) ?? '';
  const links = await readUnitLinks();
  const unit = resourceOfOurs(name, text) === resource ? parseUnit(text) : null;
  const change = unit && changeOf(resource, text, links, paths);
  if (!unit || !change) return;
  if (change.text) await writeDurably(paths.unit(resource), renderUnit(unit, paths), 0o644);
  if (change.link === 'missing')
    await linkUnit(room, resource, links.wanted.has(name) || (await runs(room, name)));
}

/** What runs is what was to run after a reboot too, unless somebody has said otherwise in a way that is lost. */
async function runs({ systemd }: Room, unit: string): Promise<boolean> {
  const { active } = await systemd.activity(unit);
  return active !== 'inactive' && active !== 'failed';
}
