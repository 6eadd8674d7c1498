import { realpath } from 'node:fs/promises';
import { basename } from 'node:path';
import { Variant } from 'dbus-next';
import type { Logger } from 'pino';
import { shareCalls } from '../../lib/async/share-calls.ts';
import { nullIfAbsent } from '../../lib/files/if-there.ts';
import { networkRules } from '../domain/networks.ts';
import { type Bus, BusError } from './bus.ts';
import { createGearUnits, type LoadedUnit } from './gear-units.ts';
import { followJobs, type JobResult, managerObject, managerOf } from './systemd-jobs.ts';
import { createUnitLinks, foreignUnit, type UnitLinks } from './unit-links.ts';

/** A unit as systemd sees it. */
export interface UnitState {
  description: string;
  /** LoadState: loaded, not-found, … */
  load: string;
  /** ActiveState and SubState, such as active and running. */
  active: string;
  sub: string;
  /** Result of its last run: success, exit-code, … */
  result: string;
  restarts: number;
  /** When it entered its state, RFC 3339; null when it never has. */
  since: string | null;
  /** Exit status of its main process. */
  mainStatus: number;
  /** Identifies one run of the unit; empty when it never ran. */
  invocation: string;
  /** The file on disk differs from the one that systemd has read. */
  needsReload: boolean;
}

/** Whether a unit runs, is starting or is stopping. One with a pending start may not be up yet. */
export const isUp = ({ active }: Pick<UnitState, 'active'>) => active !== 'inactive' && active !== 'failed';

export interface UnitActivity extends Pick<UnitState, 'active' | 'sub' | 'invocation'> {
  /** systemd has an unfinished job for it: a unit that is to start may still be inactive. */
  pending: boolean;
}

/**
 * geard's interface to systemd; see org.freedesktop.systemd1(5). Throws transient failures while
 * systemd is away.
 */
export interface Systemd {
  start(unit: string, signal?: AbortSignal): Promise<JobResult>;
  stop(unit: string): Promise<JobResult>;
  restart(unit: string, signal?: AbortSignal): Promise<JobResult>;
  /** Links a unit file into systemd. An enabled unit starts at boot. Takes effect with `settle`. */
  link(path: string, enabled: boolean): Promise<void>;
  /**
   * Throws when the name of our unit file belongs to another unit, wherever that lies, or is
   * masked.
   */
  assertOurs(path: string): Promise<void>;
  /** Stops a unit from starting at boot and with the engine. Takes effect with `settle`. */
  disable(unit: string): Promise<void>;
  /** Removes all links of a unit. Takes effect with `settle`. */
  unlink(unit: string): Promise<void>;
  /** Links and files below /etc with names like those of gears' units. */
  links(): Promise<UnitLinks>;
  isEnabled(unit: string): Promise<boolean>;
  /** Names of all units that are enabled in the same places as gears, foreign ones included. */
  enabled(): Promise<Set<string>>;
  /** Makes systemd read changed unit files and links. Calls share a reload that waits to begin. */
  reload(): Promise<void>;
  /**
   * Reloads if links have changed since the last reload. systemd then knows exactly the links on
   * disk.
   */
  settle(): Promise<void>;
  state(unit: string): Promise<UnitState>;
  /** The state that changes as a unit starts and stops; cheap enough to poll. */
  activity(unit: string): Promise<UnitActivity>;
  resetFailed(unit: string): Promise<void>;
  /** Reloads the network rules, if the host has them. Calls share a reload that waits to begin. */
  reloadNetworkRules(): Promise<JobResult | 'absent'>;
  /** Gears' units in systemd's memory; during `reload`, as they were just before. */
  loaded(): Promise<LoadedUnit[]>;
  /** The file that a unit was read from; empty when there was none. */
  fragment(unit: string): Promise<string>;
  /**
   * Starts a transient unit that runs once and stays for inspection; see systemd-run(1),
   * --remain-after-exit.
   */
  runOnce(unit: string, program: OneRun): Promise<void>;
  /** systemd's version, such as 252. */
  version(): Promise<number>;
}

/** A program that a transient unit runs once. */
export interface OneRun {
  description: string;
  slice: string;
  command: string[];
  /** Runs after the command ends, however it ends; failures do not count. */
  afterwards: string[];
  /** Seconds after which systemd ends the command. */
  seconds: number;
}

/** Milliseconds between two reloads: each makes systemd read every unit of the host. */
const reloadRest = 200;

/** `wantedBy`: the units that start enabled gears. */
export async function createSystemd(bus: Bus, wantedBy: readonly string[], log: Logger): Promise<Systemd> {
  const links = createUnitLinks(wantedBy);
  const manager = managerOf(bus);
  const propertiesOf = readerOf(bus);
  const runToEnd = await followJobs(bus, log);

  const gearUnits = createGearUnits(bus);
  const { reload, settle, change } = createReloads(gearUnits.reload);

  const runJob = (member: string, unit: string, signal?: AbortSignal) =>
    runToEnd(() => manager(member, 'ss', [unit, 'replace']), signal);

  const reloadNetworkRules = shareCalls<JobResult | 'absent'>(async () => {
    const [active] = await propertiesOf(networkRules, 'ActiveState');
    if (active !== 'active' && active !== 'reloading') return 'absent';
    return runJob('ReloadUnit', networkRules);
  }, 0);

  return {
    start: (unit, signal) => runJob('StartUnit', unit, signal),
    stop: (unit) => runJob('StopUnit', unit).catch(unlessGone('done')),
    restart: (unit, signal) => runJob('RestartUnit', unit, signal),

    link: (path, enabled) => change(links.place(path, enabled)),
    async assertOurs(path) {
      const unit = basename(path);
      const [load, fragment] = (await propertiesOf(unit, 'LoadState', 'FragmentPath')).map(String);
      const files = [fragment ?? '', path].map((file) => nullIfAbsent(realpath(file)));
      const [known, ours] = await Promise.all(files);
      // The file may lie where this process sees nothing, such as /root (ProtectHome=).
      const isHidden = known === null && load !== 'not-found' && (await links.isLinkedElsewhere(unit));
      if (isHidden || (known !== null && known !== ours)) throw foreignUnit(unit);
    },
    disable: (unit) => change(links.disable(unit)),
    unlink: (unit) => change(links.remove(unit)),
    links: links.read,
    isEnabled: links.isEnabled,
    enabled: links.enabled,
    reload,
    reloadNetworkRules,
    settle,

    state: async (unit) => stateOf(await propertiesOf(unit, ...stateProperties)),

    activity: async (unit) => activityOf(await propertiesOf(unit, ...activityProperties)),

    async runOnce(unit, program) {
      await manager('StartTransientUnit', 'ssa(sv)a(sa(sv))', [unit, 'fail', transientUnit(program), []]);
    },

    loaded: gearUnits.loaded,

    fragment: async (unit) => String((await propertiesOf(unit, 'FragmentPath'))[0]),

    async version() {
      const said = await propertyOf(bus, managerObject.path, managerObject.interface, 'Version');
      return Number.parseInt(String(said).replace(/^v/, ''), 10);
    },

    async resetFailed(unit) {
      await manager('ResetFailedUnit', 's', [unit]).catch(unlessGone([]));
    },
  };
}

/**
 * Makes systemd read changed links. Counts changes, so that the next reload covers a change that
 * arrives during a reload. Begins with one unread change: a killed worker may have left links that
 * systemd has not read.
 */
function createReloads(carryOut: () => Promise<unknown>) {
  let changes = 1;
  let read = 0;
  const reload = shareCalls(async () => {
    const upTo = changes;
    await carryOut();
    read = Math.max(read, upTo);
  }, reloadRest);
  return {
    reload,
    settle: async () => (read < changes ? reload() : undefined),
    async change(links: Promise<boolean>): Promise<void> {
      let changed = true; // Stays true if the change fails halfway.
      try {
        changed = await links;
      } finally {
        if (changed) changes++;
      }
    },
  };
}

/** A stopped unit without a file may be gone after any reload: nothing is left to do. */
const unlessGone =
  <T>(done: T) =>
  (error: unknown): T => {
    if (error instanceof BusError && /NoSuchUnit$/.test(error.errorName)) return done;
    throw error;
  };

const unitInterface = 'org.freedesktop.systemd1.Unit';
const serviceInterface = 'org.freedesktop.systemd1.Service';
const ofService = new Set(['Result', 'NRestarts', 'ExecMainStatus']);

/** Reads a property of an object of systemd. */
async function propertyOf(bus: Bus, path: string, from: string, name: string): Promise<unknown> {
  const call = { ...managerObject, path, interface: 'org.freedesktop.DBus.Properties', member: 'Get' };
  const [variant] = await bus.call({ ...call, signature: 'ss', body: [from, name] });
  return (variant as Variant).value;
}

/**
 * Reads properties of a unit. systemd answers in this order: when no job is left, the state that
 * follows is the result of the last one.
 */
const readerOf =
  (bus: Bus) =>
  async (unit: string, ...names: string[]): Promise<unknown[]> => {
    const [path] = await managerOf(bus)('LoadUnit', 's', [unit]);
    const get = (name: string) =>
      propertyOf(bus, String(path), ofService.has(name) ? serviceInterface : unitInterface, name);
    return Promise.all(names.map(get));
  };

const activityProperties = ['Job', 'ActiveState', 'SubState', 'InvocationID'];

function activityOf([job, active, sub, invocation]: unknown[]): UnitActivity {
  const [jobId] = job as [number, string];
  return { active: String(active), sub: String(sub), pending: jobId !== 0, invocation: hexOf(invocation) };
}

const stateProperties = [
  'Description',
  'LoadState',
  'ActiveState',
  'SubState',
  'Result',
  'InvocationID',
  'NRestarts',
  'ExecMainStatus',
  'NeedDaemonReload',
  'StateChangeTimestamp',
];

function stateOf([description, load, active, sub, result, invocation, ...others]: unknown[]): UnitState {
  const [restarts, mainStatus, needsReload, since] = others;
  return {
    description: String(description),
    load: String(load),
    active: String(active),
    sub: String(sub),
    result: String(result),
    restarts: Number(restarts),
    since: fromMicroseconds(since),
    mainStatus: Number(mainStatus),
    invocation: hexOf(invocation),
    needsReload: needsReload === true,
  };
}

/**
 * The properties of a transient unit. Escapes $, because systemd expands its variables in words
 * (systemd.service(5)).
 */
function transientUnit({ description, slice, command, afterwards, seconds }: OneRun): [string, Variant][] {
  const execution = (words: string[], ignoreFailure: boolean) =>
    new Variant('a(sasb)', [[words[0], words.map((word) => word.replaceAll('$', '$$$$')), ignoreFailure]]);
  return [
    ['Description', new Variant('s', description)],
    ['Slice', new Variant('s', slice)],
    ['Type', new Variant('s', 'oneshot')],
    ['RemainAfterExit', new Variant('b', true)],
    ['SyslogLevelPrefix', new Variant('b', false)], // See unit-file.ts.
    ['TimeoutStartUSec', new Variant('t', BigInt(seconds) * 1_000_000n)],
    ['ExecStart', execution(command, false)],
    ['ExecStopPost', execution(afterwards, true)],
  ];
}

const hexOf = (bytes: unknown) => Buffer.from(bytes as number[]).toString('hex');

function fromMicroseconds(time: unknown): string | null {
  const microseconds = Number(time);
  return microseconds === 0 ? null : new Date(microseconds / 1000).toISOString();
}
