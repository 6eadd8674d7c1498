import { Failure } from '../../jobs/errors.ts';
import { type GearUnit, parseUnit, renderUnit, type StoredGear } from '../domain/unit-file.ts';
import { listGears, readBefore, readGear, readUnit, writeBefore } from '../gear/gear-files.ts';
import { writeDurably } from '../host/files.ts';
import type { HostServices } from '../host-services.ts';
import { carryEnvironment, environmentOf, removeStaleImages } from './environment-image.ts';

/**
 * Names of the gears that use an environment, or use it again when an unfinished update is undone.
 */
export async function gearsUsing({ paths }: HostServices, environment: string): Promise<string[]> {
  const uses = (unit: GearUnit | null) => unit?.spec.environment === environment;
  const names = await listGears(paths);
  const using = await Promise.all(
    names.map(async (name) => {
      // Read before the unit: an update that begins in between sees the change when it is undone.
      const before = await readBefore(paths, name);
      return uses(parseUnit(before?.text ?? '')) || uses(await readUnit(paths, name));
    }),
  );
  return names.filter((_, i) => using[i]);
}

/**
 * Makes a gear see a change of its environment. An installation that is in progress, or to be
 * undone first, does that itself.
 */
export async function refreshEnvironment(
  services: HostServices,
  resource: string,
  tag: string,
): Promise<void> {
  const before = await readBefore(services.paths, resource);
  if (before === null) await applyEnvironment(services, resource, tag);
  else await writeBefore(services.paths, resource, { ...before, refresh: true });
}

/**
 * Makes a gear see a change of its environment at its next (re)start, whatever starts it. The
 * engine reads env files itself. If an image carries the environment, makes a new one, and the unit
 * names it. A running process stays as it is. The caller must hold the gear's lock.
 */
export async function applyEnvironment(services: HostServices, resource: string, tag: string): Promise<void> {
  const { paths, systemd } = services;
  const gear = await readGear(paths, resource);
  if (!gear) return;
  const { imageTag, text } = await withEnvironment(services, gear, tag);
  const isNew = text !== gear.text;
  if (isNew) await writeDurably(paths.unit(resource), text, 0o644);
  // An interrupted attempt may have written the unit without a reload. systemd tells by the file's
  // time, which is earlier after the clock was set back.
  const needsReload = isNew || (await systemd.state(paths.unitName(resource))).needsReload;
  if (needsReload) await systemd.reload();
  const hasImages = needsReload || imageTag !== null || gear.imageTag !== null;
  await removeStaleImages(services, resource, imageTag).catch((error: unknown) => {
    // Most gears have none, and need no engine for a change of their environment.
    if (hasImages || !(error instanceof Failure && error.transient)) throw error;
  });
}

/**
 * A gear with the unit that makes it see its environment as it is now. The image that the unit
 * names is on the host.
 */
export async function withEnvironment(
  services: HostServices,
  gear: StoredGear,
  tag: string,
): Promise<StoredGear> {
  const environment = await environmentOf(services, gear.spec);
  const imageTag = await carryEnvironment(services, gear, environment, tag);
  if (imageTag === gear.imageTag) return gear;
  return { ...gear, imageTag, text: renderUnit({ ...gear, imageTag }, services) };
}
