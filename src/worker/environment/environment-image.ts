import { Failure } from '../../jobs/errors.ts';
import type { EnvironmentVariable } from '../../jobs/types/environment.ts';
import { entryOf, fitsEnvFile, mergeVariables } from '../domain/env-file.ts';
import { environmentImage } from '../domain/paths.ts';
import type { GearUnit } from '../domain/unit-file.ts';
import type { HostServices } from '../host-services.ts';
import { readEnvironment } from './environment-files.ts';

/**
 * Values that env files cannot carry (line breaks, very long ones) reach a gear in an image of its
 * own: the image it was installed from, with the whole environment in its configuration. Nothing
 * but the engine needs to be there when the unit starts, no value stands in the unit or on a
 * command line, and none is interpreted on the way: the environment of the engine's client, which
 * `-e NAME` reads from, would make an LD_PRELOAD of the caller's count for a process of root's.
 */
export interface GearEnvironment {
  /** All variables, the gear's own over those of the environment it uses. */
  variables: EnvironmentVariable[];
  /** Whether an image must carry them. */
  needsImage: boolean;
}

/** The environment a gear is to have. Throws `environment_not_found`. */
export async function environmentOf(
  { paths }: HostServices,
  spec: GearUnit['spec'],
): Promise<GearEnvironment> {
  const shared = spec.environment === undefined ? [] : await readEnvironment(paths, spec.environment);
  return {
    variables: mergeVariables(shared, spec.env),
    needsImage: ![...shared, ...spec.env].every(fitsEnvFile),
  };
}

/**
 * Makes the image that carries a gear's environment, unless the one it has says the same already.
 * Returns the tag of it, or null when none is needed.
 */
export async function carryEnvironment(
  services: HostServices,
  gear: { resource: string; image: string; current: string | null },
  { variables, needsImage }: GearEnvironment,
  freshTag: string,
): Promise<string | null> {
  if (!needsImage) return null;
  const { engine } = services;
  const base = await engine.image(gear.image);
  if (!base) throw new Failure('image_not_found', `the image ${gear.image} is no longer on the host`);
  const env = mergeVariables(base.env, variables).map(entryOf);
  // An earlier run of this job may have made it.
  for (const tag of [gear.current, freshTag]) {
    const made = tag === null ? null : await engine.image(environmentImage(gear.resource, tag));
    const same = made?.env.map(entryOf).join('\0') === env.join('\0');
    if (same && made?.madeFrom === base.id) return tag;
  }
  const image = environmentImage(gear.resource, freshTag);
  await engine.makeImage({ image, from: base.id, env, gear: gear.resource });
  return freshTag;
}

/**
 * Removes the images of a gear's environment that its unit does not name. One that still runs stays
 * until later.
 */
export const removeStaleImages = ({ engine }: HostServices, resource: string, keep: string | null) =>
  engine.removeImages(resource, keep === null ? null : environmentImage(resource, keep));
