import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { Failure } from '../../jobs/errors.ts';
import type { FailedUpdate } from '../../jobs/types/container-reads.ts';
import type { EnvironmentVariable } from '../../jobs/types/environment.ts';
import { readIfThere } from '../../lib/files/if-there.ts';
import { parseEnvFile } from '../domain/env-file.ts';
import { type HostPaths, resourceOfUnit } from '../domain/paths.ts';
import { type GearUnit, parseStored, type StoredGear } from '../domain/unit-file.ts';
import { readJson, removeDurably, writeJson } from '../host/files.ts';

/**
 * The state before an unfinished installation. While this file exists, it is not certain that the
 * unit starts. Undoing the installation restores this state.
 */
const before = z.object({
  /** The installation's job. */
  job: z.string(),
  /** The unit's text; null: there was no such gear. */
  text: z.string().nullable(),
  enabled: z.boolean(),
  active: z.boolean(),
  /**
   * The run of the unit (its invocation id) that systemd began before it read the current text;
   * null: not checked yet.
   */
  replaced: z.string().nullable(),
  /** The engine's volumes that did not exist; the installation makes them. */
  volumes: z.array(z.string()),
  /**
   * The environment that the gear uses has changed since: a gear that is undone, or accepted late,
   * must see that.
   */
  refresh: z.boolean().optional(),
});
export type Before = z.infer<typeof before>;

/**
 * The gear's unit, or null when there is none (or none of ours). The values of inline variables are
 * empty.
 */
export async function readUnit(paths: HostPaths, resource: string): Promise<StoredGear | null> {
  const text = await readIfThere(paths.unit(resource));
  return text === null ? null : parseStored(resource, text);
}

/** The gear's unit with the values of its environment, or null. */
export async function readGear(paths: HostPaths, resource: string): Promise<StoredGear | null> {
  const unit = await readUnit(paths, resource);
  return unit && withValues(paths, unit);
}

/** A gear with the values of its inline variables. */
export async function withValues(paths: HostPaths, unit: StoredGear): Promise<StoredGear> {
  return { ...unit, spec: { ...unit.spec, env: await readValues(paths, unit) } };
}

/** The gear's unit, as `readUnit`. Throws `container_not_found` when the gear does not exist. */
export async function requireGear(paths: HostPaths, resource: string): Promise<StoredGear> {
  const unit = await readUnit(paths, resource);
  if (!unit) throw noGear(resource);
  return unit;
}

export const noGear = (resource: string) =>
  new Failure('container_not_found', `there is no gear ${resource} on the host`);

/** The unit names the variables; the file beside it holds their values. */
async function readValues(paths: HostPaths, { resource, envTag }: GearUnit): Promise<EnvironmentVariable[]> {
  if (envTag === null) return [];
  const text = await readIfThere(paths.envFile(resource, envTag));
  return text === null ? [] : parseEnvFile(text);
}

/** Names of the gears that have a unit file here. */
export async function listGears(paths: HostPaths): Promise<string[]> {
  const names = await readdir(paths.units);
  return names.flatMap((name) => resourceOfUnit(name) ?? []).sort();
}

/** The units of all gears here, without the values of inline variables. */
export async function readUnits(paths: HostPaths): Promise<StoredGear[]> {
  const units = await Promise.all((await listGears(paths)).map((name) => readUnit(paths, name)));
  return units.flatMap((unit) => unit ?? []);
}

export const readBefore = (paths: HostPaths, resource: string) => readJson(paths.before(resource), before);

export const readCommitted = (paths: HostPaths, resource: string) =>
  readJson(paths.committed(resource), before);

export const writeBefore = (paths: HostPaths, resource: string, state: Before) =>
  writeJson(paths.before(resource), state);

const failedUpdate = z.custom<FailedUpdate>((value) => typeof value === 'object' && value !== null);

export const readFailedUpdate = (paths: HostPaths, resource: string) =>
  readJson(paths.failedUpdate(resource), failedUpdate);

export const writeFailedUpdate = (paths: HostPaths, resource: string, failed: FailedUpdate) =>
  writeJson(paths.failedUpdate(resource), failed);

/** Removes a gear's value files that its unit does not name. */
export async function removeStaleValues(
  paths: HostPaths,
  resource: string,
  keep: string | null,
): Promise<void> {
  for (const name of await readdir(paths.units)) {
    const tag = /\.([0-9a-f]{32})\.env$/.exec(name)?.[1];
    const path = tag && tag !== keep ? paths.envFile(resource, tag) : null;
    if (path === join(paths.units, name)) await removeDurably(path);
  }
}
