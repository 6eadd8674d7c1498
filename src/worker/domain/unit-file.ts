import { z } from 'zod';
import { resourceName } from '../../jobs/fields/identifier.ts';
import { imageName } from '../../jobs/fields/image-name.ts';
import { requestId } from '../../jobs/fields/request-id.ts';
import { gearSpec, publishedPort } from '../../jobs/types/container.ts';
import type { ContainerRun, EngineCommands } from '../engine/engine.ts';
import { containerName, engineVolume, environmentImage, gearSlice, type HostPaths } from './paths.ts';
import { quoteWord } from './quote.ts';

/**
 * The data that a gear's unit carries for geard to read back. Units of earlier versions lack the
 * fields with a default.
 */
const carried = z.object({
  /** Of the inline environment it holds only the names; their values are in a separate file. */
  spec: gearSpec,
  ports: z.array(publishedPort),
  /** The version of the inline environment's values; null when there are none. */
  envTag: requestId.nullable(),
  /** The version of the image that carries the whole environment; null: env files carry it. */
  imageTag: requestId.nullable().default(null),
  /** Maximum number of processes and threads. */
  pids: z.number().int().default(4096),
  /** Maximum number of lines it may log in `logInterval` seconds. */
  logLines: z.number().int().default(10_000),
  /** Addresses on which its ports are published; empty: all. */
  addresses: z.array(z.string()).default([]),
  /**
   * The network that it runs in; null: the engine's default one, as in units of earlier versions.
   */
  network: z
    .string()
    .regex(/^geard?-[A-Za-z0-9_.-]{1,80}$/)
    .nullable()
    .default(null),
});

/** The contents of a gear's unit file. */
export interface GearUnit extends z.infer<typeof carried> {
  resource: string;
}

/** A gear as it is on disk. */
export interface StoredGear extends GearUnit {
  text: string;
}

/** Seconds between SIGTERM and SIGKILL for the container's process; systemd waits longer. */
const stopTimeout = 10;

/**
 * Seconds between a failure and the next start, forever: a gear that fails at once must not keep
 * the host busy. A growing pause needs systemd 254 (RestartSteps=).
 */
const restartPause = 5;

/** Seconds over which journald counts the lines of a unit; journald's own default. */
const logInterval = 30;

/** The units that start an enabled gear: at boot, and whenever the engine starts. */
export const wantedBy = ({ service }: EngineCommands) => ['multi-user.target', service];

/** Maximum capabilities of an image's process; the rest of an engine's own list is dropped. */
const capabilities = ['CHOWN', 'DAC_OVERRIDE', 'FOWNER', 'KILL', 'NET_BIND_SERVICE', 'SETGID', 'SETUID'];

/** The inputs of a unit's text besides the gear. */
export interface UnitHost {
  paths: HostPaths;
  engine: EngineCommands;
}

/**
 * The text of the unit. It runs without geard: systemd, the engine and the files it names are
 * enough.
 *
 * An explicit stop ends the process by SIGTERM or SIGKILL, which is clean (SuccessExitStatus=).
 * Without a request to stop, the same exit statuses mean that the process was killed, and systemd
 * restarts it (RestartForceExitStatus=).
 *
 * SyslogLevelPrefix=false: a gear must not choose the priority of its lines. journald writes those
 * of priority 0 to all terminals, before it counts them (journald.conf(5), ForwardToWall=).
 */
export function renderUnit(unit: GearUnit, { paths, engine }: UnitHost): string {
  const commandLine = (words: string[]) => words.map(quoteWord).join(' ');
  const name = containerName(unit.resource);
  return `# Written by geard; the next installation overwrites what is changed here by hand.
[Unit]
Description=Gear ${unit.resource}
Requires=${engine.service}
Wants=network-online.target
After=${engine.service} network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
Slice=${gearSlice}
ExecStart=:${commandLine(engine.runCommand(containerOf(unit, paths)))}
ExecStop=-${commandLine(engine.stopCommand(name, stopTimeout))}
ExecStopPost=-${commandLine(engine.removeCommand(name))}
Restart=on-failure
RestartSec=${restartPause}
SuccessExitStatus=143 137
RestartForceExitStatus=143 137
KillMode=mixed
TimeoutStopSec=${stopTimeout * 3}
LogRateLimitIntervalSec=${logInterval}
LogRateLimitBurst=${unit.logLines}
SyslogLevelPrefix=false

[Install]
WantedBy=${wantedBy(engine).join(' ')}

[X-Gear]
Resource=${unit.resource}
Spec=${encode(unit)}
`;
}

/** The container that the unit runs. */
export function containerOf(unit: GearUnit, paths: HostPaths): ContainerRun {
  const { resource, spec, pids, ports, addresses } = unit;
  const on = addresses.length > 0 ? addresses.map((address) => ({ address })) : [{}];
  return {
    name: containerName(resource),
    owner: { gear: resource },
    image: runImage(unit),
    command: spec.command,
    capabilities,
    pids,
    network: unit.network ?? undefined,
    // In a common network, gears find each other by name through the engine's own DNS.
    alias: unit.network !== null && spec.network !== undefined ? resource : undefined,
    ports: on.flatMap((address) => ports.map((port) => ({ ...address, ...port }))),
    envFiles: unit.imageTag === null ? envFiles(unit, paths) : [],
    volumes: spec.volumes.map((volume) => ({ from: engineVolume(resource, volume), path: volume.path })),
    memory: spec.memory,
    cpus: spec.cpus,
  };
}

/** The image a gear's container is made from. */
export function runImage({ resource, spec, imageTag }: GearUnit): string {
  return imageTag === null ? imageName(spec.image) : environmentImage(resource, imageTag);
}

function envFiles({ resource, spec, envTag }: GearUnit, paths: HostPaths): string[] {
  const shared = spec.environment === undefined ? [] : [paths.environment(spec.environment)];
  return envTag === null ? shared : [...shared, paths.envFile(resource, envTag)];
}

/**
 * base64url, so that callers' text appears only in ExecStart of the unit. Leaves out the values of
 * variables.
 */
function encode({ spec, ...unit }: GearUnit): string {
  const env = spec.env.map(({ name }) => ({ name, value: '' }));
  // Parsed, so that the text does not depend on the order of the given fields.
  const content = carried.parse({ ...unit, spec: { ...spec, env } });
  return Buffer.from(JSON.stringify(content)).toString('base64url');
}

/** Parses a unit of ours; null for any other text. The values of inline variables are empty. */
export function parseUnit(text: string): GearUnit | null {
  const section = text.slice(text.lastIndexOf('\n[X-Gear]\n'));
  const resource = resourceName.safeParse(/^Resource=(.*)$/m.exec(section)?.[1]);
  const spec = /^Spec=([A-Za-z0-9_-]+)$/m.exec(section)?.[1];
  if (!resource.success || spec === undefined) return null;
  try {
    const content = carried.strict().parse(JSON.parse(Buffer.from(spec, 'base64url').toString('utf8')));
    return { resource: resource.data, ...content };
  } catch {
    return null;
  }
}

/** The gear whose unit file has this text; null when the file is not ours. */
export function parseStored(resource: string, text: string): StoredGear | null {
  const unit = parseUnit(text);
  return unit?.resource === resource ? { ...unit, text } : null;
}
