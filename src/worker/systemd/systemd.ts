import { Variant } from 'dbus-next';
import type { Logger } from 'pino';
import { shareCalls } from '../../lib/async/share-calls.ts';
import { networkRules } from '../domain/networks.ts';
import { type Bus, BusError } from './bus.ts';
import type { JobOptions } from './systemd-jobs.ts';
import { followJobs, type JobResult, managerObject } from './systemd-jobs.ts';
import { createUnitLinks, type UnitLinks } from './unit-links.ts';

/** A unit as systemd sees it. */
export interface UnitState {
  description: string;
  /** LoadState: loaded, not-found, … */
  load: string;
  /** ActiveState and SubState, such as active and running. */
  active: string;
  sub: string;
  /** How its last run ended: success, exit-code, … */
  result: string;
  restarts: number;
  /** When it entered its state, RFC 3339; null when it never has. */
  since: string | null;
  /** Exit status of its main process. */
  mainStatus: number;
  /** Names one run of the unit; empty when it never ran. */
  invocation: string;
  /** The file on disk is another than the one systemd has read. */
  needsReload: boolean;
}

export interface UnitActivity extends Pick<UnitState, 'active' | 'sub' | 'invocation'> {
  /** systemd has a job for it that is not over: what was to start may be inactive still. */
  pending: boolean;
}

/**
 * What we want of systemd; see org.freedesktop.systemd1(5). Throws transient failures while it is
 * away.
 */
export interface Systemd {
  start(unit: string, options: JobOptions): Promise<JobResult>;
  stop(unit: string, options: JobOptions): Promise<JobResult>;
  restart(unit: string, options: JobOptions): Promise<JobResult>;
  /**
   * Links a unit file into systemd, enabled or not: enabled is what starts at boot. `settle` makes
   * it known.
   */
  link(path: string, enabled: boolean): Promise<void>;
  /** Has nothing start a unit any more, neither a boot nor the engine. `settle` makes it known. */
  disable(unit: string): Promise<void>;
  /** Takes all links of a unit away. `settle` makes it known. */
  unlink(unit: string): Promise<void>;
  /** What there is below /etc under names like those of gears. */
  links(): Promise<UnitLinks>;
  isEnabled(unit: string): Promise<boolean>;
  /** Names of all units that are enabled as ours are, and of others. */
  enabled(): Promise<Set<string>>;
  /** Has systemd read changed unit files and links. Calls that come while one waits share it. */
  reload(): Promise<void>;
  /**
   * Reloads if links have changed since: systemd then knows what the directories say, no less and
   * no more.
   */
  settle(): Promise<void>;
  state(unit: string): Promise<UnitState>;
  /** What changes as a unit comes and goes; cheap enough to be asked for again and again. */
  activity(unit: string): Promise<UnitActivity>;
  resetFailed(unit: string): Promise<void>;
  /**
   * Has the rules of the network loaded again, where the host has them. Calls that come while one
   * waits share it.
   */
  reloadNetworkRules(): Promise<JobResult | 'absent'>;
  /** The units in systemd's memory whose names match a pattern. */
  loaded(pattern: string): Promise<({ name: string } & Pick<UnitState, 'active' | 'sub'>)[]>;
  /** The file that a unit was read from; empty where there was none. */
  fragment(unit: string): Promise<string>;
  /**
   * Begins a transient unit that runs once and stays to be looked at; see systemd-run(1),
   * --remain-after-exit.
   */
  runOnce(unit: string, program: OneRun): Promise<void>;
  /** Its version, such as 252. */
  version(): Promise<number>;
}

/** A program that is run once, by a transient unit. */
export interface OneRun {
  description: string;
  slice: string;
  command: string[];
  /** Run when it has ended, however; failures do not count. */
  afterwards: string[];
  /** Seconds until systemd ends it. */
  seconds: number;
}

/** Milliseconds between two reloads: each has systemd read every unit of the host. */
const reloadRest = 200;
/**
 * Milliseconds for the rules of the network to be loaded: nft takes long on a machine that has just
 * booted with many gears.
 */
const rulesDeadline = 60_000;

export async function createSystemd({
  bus,
  wantedBy,
  log,
}: {
  bus: Bus;
  /** The units that start what is enabled. */
  wantedBy: readonly string[];
  log: Logger;
}): Promise<Systemd> {
  const links = createUnitLinks(wantedBy);
  const manager = (member: string, signature = '', body: unknown[] = []) =>
    bus.call({ ...managerObject, member, signature, body });

  const propertiesOf = readerOf(bus);
  const jobs = await followJobs(bus, log);

  const { reload, settle, change } = countReloads(() => manager('Reload'));

  const runJob = (member: string, unit: string, options: JobOptions) =>
    jobs.run(() => manager(member, 'ss', [unit, 'replace']), options);

  const reloadNetworkRules = shareCalls<JobResult | 'absent'>(async () => {
    const [active] = await propertiesOf(networkRules, 'ActiveState');
    if (active !== 'active' && active !== 'reloading') return 'absent';
    return runJob('ReloadUnit', networkRules, { deadlineMs: rulesDeadline });
  }, 0);

  return {
    start: (unit, options) => runJob('StartUnit', unit, options),
    stop: (unit, options) => runJob('StopUnit', unit, options).catch(unlessGone('done')),
    restart: (unit, options) => runJob('RestartUnit', unit, options),

    link: (path, enabled) => change(links.place(path, enabled)),
    disable: (unit) => change(links.disable(unit)),
    unlink: (unit) => change(links.remove(unit)),
    links: links.read,
    isEnabled: links.isWanted,
    enabled: links.wanted,
    reload,
    reloadNetworkRules,
    settle,

    state: async (unit) => stateOf(await propertiesOf(unit, ...stateProperties)),

    async activity(unit) {
      const [job, active, sub, invocation] = await propertiesOf(
        unit,
        'Job',
        'ActiveState',
        'SubState',
        'InvocationID',
      );
      const [jobId] = job as [number, string];
      const pending = jobId !== 0;
      return { active: String(active), sub: String(sub), pending, invocation: hexOf(invocation) };
    },

    async runOnce(unit, program) {
      await manager('StartTransientUnit', 'ssa(sv)a(sa(sv))', [unit, 'fail', transientUnit(program), []]);
    },

    async loaded(pattern) {
      const [units] = await manager('ListUnitsByPatterns', 'asas', [[], [pattern]]);
      return (units as string[][]).map(([name, , , active, sub]) => ({
        name: String(name),
        active: String(active),
        sub: String(sub),
      }));
    },

    fragment: async (unit) => String((await propertiesOf(unit, 'FragmentPath'))[0]),

    version: () => versionOf(bus),

    async resetFailed(unit) {
      await manager('ResetFailedUnit', 's', [unit]).catch(unlessGone([]));
    },
  };
}

/**
 * Has systemd read links that have changed. Counted, so that a change that comes while systemd
 * reads is read by the next reload. All is unread at the start: a worker that was killed may have
 * left links that systemd does not know.
 */
function countReloads(carryOut: () => Promise<unknown>) {
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
      let changed = true; // Also where it fails half way.
      try {
        changed = await links;
      } finally {
        if (changed) changes++;
      }
    },
  };
}

/**
 * A unit that is stopped and has no file is forgotten at somebody's next reload: there is nothing
 * left to do.
 */
const unlessGone =
  <T>(done: T) =>
  (error: unknown): T => {
    if (error instanceof BusError && /NoSuchUnit$/.test(error.errorName)) return done;
    throw error;
  };

const unitInterface = 'org.freedesktop.systemd1.Unit';
const serviceInterface = 'org.freedesktop.systemd1.Service';
const ofService = new Set(['Result', 'NRestarts', 'ExecMainStatus']);
const getProperty = {
  destination: managerObject.destination,
  interface: 'org.freedesktop.DBus.Properties',
  member: 'Get',
  signature: 'ss',
};

/**
 * Reads properties of a unit. systemd answers in this order: where no job is left, the state that
 * comes after is the one that it has led to.
 */
const readerOf =
  (bus: Bus) =>
  async (unit: string, ...names: string[]): Promise<unknown[]> => {
    const [path] = await bus.call({ ...managerObject, member: 'LoadUnit', signature: 's', body: [unit] });
    const get = async (name: string) => {
      const from = ofService.has(name) ? serviceInterface : unitInterface;
      const [variant] = await bus.call({ ...getProperty, path: String(path), body: [from, name] });
      return (variant as Variant).value;
    };
    return Promise.all(names.map(get));
  };

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
 * The properties of a transient unit. systemd puts variables of its own into words that hold a $
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

async function versionOf(bus: Bus): Promise<number> {
  const { path, interface: from } = managerObject;
  const [said] = await bus.call({ ...getProperty, path, body: [from, 'Version'] });
  return Number.parseInt(String((said as Variant).value).replace(/^v/, ''), 10);
}
