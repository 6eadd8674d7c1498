import { Failure } from '../../jobs/errors.ts';
import { renderUnit } from '../domain/unit-file.ts';
import { readBefore, readGear, readUnits, writeBefore } from '../gear/gear-files.ts';
import { writeDurably } from '../host/files.ts';
import type { HostServices } from '../host-services.ts';
import { carryEnvironment, environmentOf, removeStaleImages } from './environment-image.ts';

/** Names of the gears that use an environment. */
export async function gearsUsing({ paths }: HostServices, environment: string): Promise<string[]> {
  const gears = await readUnits(paths);
  return gears.filter(({ spec }) => spec.environment === environment).map(({ resource }) => resource);
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
  const environment = await environmentOf(services, gear.spec);
  const imageTag = await carryEnvironment(services, gear, environment, tag);
  if (imageTag !== gear.imageTag)
    await writeDurably(paths.unit(resource), renderUnit({ ...gear, imageTag }, services), 0o644);
  // An interrupted attempt may have written the unit without a reload.
  const { needsReload } = await systemd.state(paths.unitName(resource));
  if (needsReload) await systemd.reload();
  const hasImages = needsReload || imageTag !== null || gear.imageTag !== null;
  await removeStaleImages(services, resource, imageTag).catch((error: unknown) => {
    // Most gears have none, and need no engine for a change of their environment.
    if (hasImages || !(error instanceof Failure && error.transient)) throw error;
  });
}
