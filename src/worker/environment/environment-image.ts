import { Failure } from '../../jobs/errors.ts';
import type { GearSpec } from '../../jobs/types/container.ts';
import type { EnvironmentVariable } from '../../jobs/types/environment.ts';
import { entryOf, fitsEnvFile, mergeVariables } from '../domain/env-file.ts';
import { environmentImage } from '../domain/paths.ts';
import { type GearUnit, runImage } from '../domain/unit-file.ts';
import type { ContainerState } from '../engine/engine.ts';
import type { HostServices } from '../host-services.ts';
import { readEnvironment } from './environment-files.ts';

/**
 * Env files cannot carry some values (line breaks, very long ones). Such an environment reaches a
 * gear in its own image: the image it was installed from, with the whole environment in its
 * configuration. The unit then needs only the engine to start, no value is in the unit or on a
 * command line, and nothing interprets the values on the way. With `-e NAME` the engine's client
 * would read them from its environment, and a caller's LD_PRELOAD would affect a process of root.
 */

/** The environment of a gear. */
export interface GearEnvironment {
  /** All variables; the gear's own override those of the environment it uses. */
  variables: EnvironmentVariable[];
  /** Whether an image must carry them. */
  needsImage: boolean;
}

/** The environment for a gear. Throws `environment_not_found`. */
export async function environmentOf({ paths }: HostServices, spec: GearSpec): Promise<GearEnvironment> {
  const shared = spec.environment === undefined ? [] : await readEnvironment(paths, spec.environment);
  return {
    variables: mergeVariables(shared, spec.env),
    // Also for a value that the gear overrides: as a comment, it may be too long a line.
    needsImage: ![...shared, ...spec.env].every(fitsEnvFile),
  };
}

/**
 * Makes the image that carries a gear's environment, unless the current one already matches.
 * Returns its tag, or null when no image is needed.
 */
export async function carryEnvironment(
  { engine }: HostServices,
  { resource, spec, imageTag }: Pick<GearUnit, 'resource' | 'spec' | 'imageTag'>,
  { variables, needsImage }: GearEnvironment,
  freshTag: string,
): Promise<string | null> {
  if (!needsImage) return null;
  const base = await engine.image(spec.image);
  if (!base) throw new Failure('image_not_found', `the image ${spec.image} is no longer on the host`);
  const env = mergeVariables(base.env, variables).map(entryOf);
  // An earlier run of this job may have made it.
  for (const tag of [imageTag, freshTag]) {
    const made = tag === null ? null : await engine.image(environmentImage(resource, tag));
    const same = made?.env.map(entryOf).join('\0') === env.join('\0');
    if (same && made?.madeFrom === base.id) return tag;
  }
  const image = environmentImage(resource, freshTag);
  await engine.makeImage({ image, from: base.id, env, gear: resource });
  return freshTag;
}

/**
 * Whether the image that carries a gear's environment, if one does, is made from the image that the
 * gear's `t` names now.
 */
export async function isMadeFromNamed(
  { engine }: HostServices,
  { resource, spec, imageTag }: GearUnit,
): Promise<boolean> {
  if (imageTag === null) return true;
  const [base, made] = await Promise.all(
    [spec.image, environmentImage(resource, imageTag)].map(engine.image),
  );
  return made?.madeFrom === base?.id;
}

/** Whether a container was made from the image that its gear's unit names now. */
export const hasNamedImage = async (
  { engine }: HostServices,
  unit: GearUnit,
  { imageId }: Pick<ContainerState, 'imageId'>,
): Promise<boolean> => imageId === (await engine.image(runImage(unit)))?.id;

/**
 * Removes the images of a gear's environment that its unit does not name. An image that still runs
 * stays until later.
 */
export const removeStaleImages = ({ engine }: HostServices, resource: string, keep: string | null) =>
  engine.removeImages(resource, keep === null ? null : environmentImage(resource, keep));
