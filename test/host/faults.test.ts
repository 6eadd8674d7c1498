import { readdirSync, readlinkSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Failure } from '../../src/jobs/errors.ts';
import type { JobType, Params } from '../../src/jobs/registry.ts';
import { succeeds } from '../../src/lib/async/succeeds.ts';
import { handlers } from '../../src/worker/handlers/handlers.ts';
import { Cancelled, HandedBack } from '../../src/worker/jobs/interruptions.ts';
import { managerObject, managerOf } from '../../src/worker/systemd/systemd-jobs.ts';
import {
  absent,
  apart,
  begin,
  countingStarts,
  docker,
  environment,
  exits,
  gear,
  Injected,
  interrupted,
  onThisHost,
  open,
  perform,
  there,
} from '../support/host-jobs.ts';
import { ok, run } from '../support/run.ts';
import { until } from '../support/until.ts';

/**
 * Every handler, with a fault that passes at every call it makes to the host and then run again; handed back at every change
 * and then run again; and cancelled there and taken back. It must come to the same end, have had its effect once, and have
 * left nothing.
 */
onThisHost();

const changes =
  /^(?:file|directory|port|link)\.|^dbus\.(?:Start|Stop|Restart|Reload|Reset)|^docker\.(?:create|commit|remove)/;

/** What is changed when a fault comes: before the next change it is the same, and a file is there by its rename. */
const isChange = (point: string) =>
  changes.test(point) && point.endsWith(':after') && !/^(?:file|directory)\.fsync/.test(point);

/** What only reads can fail in one way, and the reading of one property of a unit is like that of another. */
const isRead = (point: string) =>
  !changes.test(point) && point.endsWith(':before') && point !== 'dbus.Get:before';

interface Case<T extends JobType = JobType> {
  name: string;
  type: T;
  params: Params<T>;
  /** Brings the host to where the job begins, from wherever it is. */
  setUp(): Promise<unknown>;
  /** The same from the end of the job that it takes turns with; nothing: it begins there. */
  fromTheOther?(): Promise<unknown>;
  /** The code with which the job fails, where it is to. */
  fails?: string;
}

function one<T extends JobType>(
  name: string,
  type: T,
  params: Params<T>,
  setUp: () => Promise<unknown>,
  fails?: string,
): Case {
  return { name, type, params, setUp, ...(fails === undefined ? {} : { fails }) } as unknown as Case;
}

/** One value that no env file can carry makes an image, a volume is made by Docker. */
const rich = (name: string) => ({
  env: [{ name: 'TWO_LINES', value: `one\n${name}` }],
  volumes: [{ name: `faults-${name}`, path: '/data' }],
});
const noVolume = (name: string) => open.services.engine.removeVolume(`gear-${name}..faults-${name}`);

/** A gear with everything that an installation makes and a removal takes away. */
const whole = { environment: 'new', ...rich('new') };
const environmentOfWhole = () => perform('environment.replace', environment('new', 'a\nb'));

/**
 * These run side by side, the longest first; each has gears and names of its own. Two in one list
 * have a gear in common: each begins where the other ends.
 */
const cases: Case[][] = [
  [
    {
      ...one(
        'an installation of what must not be there',
        'container.install',
        gear('new', whole, { createOnly: true }),
        async () => {
          await environmentOfWhole();
          await absent('new');
          await noVolume('new');
        },
      ),
      fromTheOther: () => noVolume('new'),
    },
    one('a removal', 'container.remove', { resource: 'new' }, async () => {
      await environmentOfWhole();
      await there('new', whole);
    }),
  ],
  [
    one(
      'an update that does not start',
      'container.install',
      gear('bad', { ...exits, ...rich('bad') }),
      async () => {
        await there('bad');
        await noVolume('bad');
      },
      'start_failed',
    ),
  ],
  [
    one('an update into a common network', 'container.install', gear('move', { network: 'move' }), () =>
      there('move'),
    ),
  ],
  [
    one('an update', 'container.install', gear('update', { cpus: 0.5 }), () =>
      there('update', { cpus: 0.7 }),
    ),
  ],
  [
    one('a stop', 'container.stop', { resource: 'stop' }, () => there('stop')),
    one('a start', 'container.start', { resource: 'stop' }, async () => {
      await there('stop');
      await perform('container.stop', { resource: 'stop' });
    }),
  ],
  [
    one('an environment', 'environment.replace', environment('vars', 'b\nb'), async () => {
      await perform('environment.replace', environment('vars', 'a\na'));
      await there('uses', { environment: 'vars' });
    }),
  ],
  [
    one('an installation of what is stopped', 'container.install', gear('idle'), async () => {
      await there('idle');
      await perform('container.stop', { resource: 'idle' });
    }),
  ],
  [
    one('a repository', 'repository.create', { resource: 'repo', url: null }, async () => {
      await run('systemctl', 'stop', 'job-repo.service');
      await ok('rm', '-rf', open.paths.repository('repo'));
    }),
  ],
  [one('a restart', 'container.restart', { resource: 'again' }, () => there('again'))],
  [
    one('variables more', 'environment.merge', environment('more', 'b'), () =>
      perform('environment.replace', environment('more', 'a')),
    ),
  ],
  [
    one(
      'a removal of what is not there',
      'container.remove',
      { resource: 'none' },
      async () => {},
      'container_not_found',
    ),
  ],
];

/** What is about the host itself, and so about every gear on it: alone. */
const ofTheHost: Case[] = [
  one('a repair', 'host.repair', { resource: 'h1' }, async () => {
    await there('mend');
    await perform('container.stop', { resource: 'mend' });
    await ok('docker', 'network', 'rm', 'gear-mend');
    await ok('rm', '/etc/systemd/system/gear-mend.service');
    await ok('sed', '-i', 's/RestartSec=5/RestartSec=9/', open.paths.unit('mend'));
  }),
  one('draining', 'host.drain', { resource: 'h1' }, () => perform('host.undrain', { resource: 'h1' })),
  one('draining no more', 'host.undrain', { resource: 'h1' }, () =>
    perform('host.drain', { resource: 'h1' }),
  ),
];

/** What Docker has of a name, over its socket: its command line takes longer to start than most jobs do. */
async function ofDocker(resource: string): Promise<string[]> {
  const [containers, images, networks, { Volumes: volumes }] = await Promise.all([
    docker.listContainers({ all: true, filters: { name: [resource] } }),
    docker.listImages({ filters: { label: [`geard.gear=${resource}`] } }),
    docker.listNetworks({ filters: { name: [`gear.*-${resource}$`] } }),
    docker.listVolumes({ filters: { name: [`faults-${resource}`] } }),
  ]);
  return [
    ...containers.flatMap(({ Names }) => Names),
    ...images.flatMap(({ RepoTags }) => RepoTags ?? []),
    ...networks.map(({ Name }) => Name),
    ...volumes.map(({ Name }) => Name),
  ];
}

/**
 * What is below a directory: its paths, and where links lead. What jobs and repositories consist of
 * is left out.
 */
function pathsBelow(directory: string, within = ''): string[] {
  return readdirSync(join(directory, within), { withFileTypes: true }).flatMap((entry) => {
    const path = join(within, entry.name);
    if (entry.isSymbolicLink()) return `${path} ${targetOf(join(directory, path))}`;
    const isEntered = entry.isDirectory() && path !== 'jobs' && within !== 'git';
    return isEntered ? [path, ...pathsBelow(directory, path)] : path;
  });
}

/** Where a link leads; other cases take theirs away meanwhile. */
function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return 'nowhere';
  }
}

/** What a unit wants, as systemd has it in memory. */
async function wantsOf(unit: string): Promise<string[]> {
  const [path] = await managerOf(open.bus)('GetUnit', 's', [unit]);
  const properties = { ...managerObject, path: String(path), interface: 'org.freedesktop.DBus.Properties' };
  const body = ['org.freedesktop.systemd1.Unit', 'Wants'];
  const [wants] = await open.bus.call({ ...properties, member: 'Get', signature: 'ss', body });
  return (wants as { value: string[] }).value;
}

/**
 * The units of a name in systemd's memory, with their jobs, and whether Docker's start and a boot
 * start its gear.
 */
async function ofSystemd(resource: string): Promise<string[]> {
  const gear = `gear-${resource}.service`;
  const patterns = [gear, `job-${resource}.service`];
  const [units] = await managerOf(open.bus)('ListUnitsByPatterns', 'asas', [[], patterns]);
  const states = (units as unknown[][]).map((fields) => [...fields.slice(0, 5), fields[8]].join(' '));
  const wants = await Promise.all(['docker.service', 'multi-user.target'].map(wantsOf));
  return [...states.sort(), ...wants.map((names) => `wanted: ${names.includes(gear)}`)];
}

/** Everything of one name on the host that a job could change; ids of jobs and containers are left out. */
async function stateOf({ params: { resource } }: Case): Promise<string> {
  const isMine = (path: string) =>
    path.includes(resource) || (resource === 'h1' && path.startsWith('draining'));
  const isOfMyUnit = (path: string) => path.includes(`gear-${resource}.`);
  const [units, things, text] = await Promise.all([
    ofSystemd(resource),
    ofDocker(resource),
    readFile(open.paths.unit(resource), 'utf8').catch(() => 'no unit'),
  ]);
  return [
    ...pathsBelow(open.paths.base).filter(isMine).sort(),
    ...pathsBelow('/etc/systemd/system').filter(isOfMyUnit).sort(),
    ...units,
    ...things.sort(),
    text,
  ]
    .join('\n')
    .replace(/Spec=.*/g, 'Spec=')
    .replace(/\b[0-9a-f]{32}\b/g, '<job>');
}

/** What a job tells, without the ids of jobs and containers. */
const told = (result: unknown) =>
  `succeeded ${JSON.stringify(result).replace(/\b[0-9a-f]{64}\b/g, '<container>')}`;

/** The end of a job, with what it tells: its failure is taken back as the worker does. */
async function endOf(job: ReturnType<typeof begin>): Promise<string> {
  try {
    return told(await apart(job.run));
  } catch (error) {
    const failure = error as Failure;
    await apart(() => job.undo(failure));
    return failure.code ?? failure.stack;
  } finally {
    await job.end();
  }
}

interface End {
  outcome: string;
  state: string;
  starts: number;
}

/**
 * On a busy machine Docker may list a container a moment after systemd and the worker know that it runs: where the state is
 * none of those expected, it has five seconds to become one. What is started meanwhile counts.
 */
async function wholly(
  one: Case,
  work: (job: ReturnType<typeof begin>) => Promise<string>,
  expected: readonly string[] = [],
): Promise<End> {
  const job = begin(one);
  let [outcome, state] = ['', ''];
  const starts = await countingStarts(one.params.resource, async () => {
    outcome = await work(job);
    const isExpected = async () => {
      state = await stateOf(one);
      return expected.length === 0 || expected.includes(state);
    };
    await until('the state is one of those expected', isExpected, 5_000).catch(() => undefined);
  });
  return { outcome, state, starts };
}

interface Interruption {
  what: string;
  /** The points at which it is tried. */
  counts(point: string): boolean;
  interrupt(abort: AbortController): void;
  /** What the worker does then. */
  next: 'run again' | 'undo';
  /**
   * How often it comes to one job. Every change has a fault, and a cancellation, of its own in a job that nothing else meets.
   * What only reads has nothing to leave behind, and a job is handed back by each worker that it comes to: these come to the
   * same job again and again, each time one point further.
   */
  comes: 'once' | 'again and again';
}

const fault = () => {
  throw new Injected();
};

const interruptions: Interruption[] = [
  { what: 'a fault', counts: isChange, interrupt: fault, next: 'run again', comes: 'once' },
  { what: 'a fault', counts: isRead, interrupt: fault, next: 'run again', comes: 'again and again' },
  {
    what: 'handed back',
    counts: isChange,
    interrupt: (abort) => abort.abort(new HandedBack()),
    next: 'run again',
    comes: 'again and again',
  },
  {
    what: 'cancelled',
    counts: isChange,
    interrupt: (abort) => abort.abort(new Cancelled()),
    next: 'undo',
    comes: 'once',
  },
];

/** Names the points of one run: the second time that it comes to one is another point. */
function counter(): (point: string) => string {
  const passed = new Map<string, number>();
  return (point) => {
    const times = (passed.get(point) ?? 0) + 1;
    passed.set(point, times);
    return `${point} (${times})`;
  };
}

/** Runs once, interrupted at the first point of those left to try, which is taken from them. */
async function interruptedRun(
  job: ReturnType<typeof begin>,
  { interrupt }: Interruption,
  left: Set<string>,
): Promise<{ at: string | null; succeeded: boolean }> {
  const abort = new AbortController();
  const nameOf = counter();
  let at: string | null = null;
  let isOver = false; // What it has begun for others too goes on after it.
  const listener = (point: string) => {
    if (isOver || at !== null || !left.delete(nameOf(point))) return;
    at = point;
    interrupt(abort);
  };
  const run = interrupted.run(listener, () => job.run(abort.signal));
  const succeeded = await succeeds(run);
  isOver = true;
  return { at, succeeded };
}

/** The end of a job that is interrupted at points that are left to try. */
async function interruptedEnd(
  one: Case,
  interruption: Interruption,
  left: Set<string>,
  expected: readonly string[],
): Promise<End & { at: string }> {
  const where: string[] = [];
  const work = async (job: ReturnType<typeof begin>) => {
    let last: Awaited<ReturnType<typeof interruptedRun>>;
    do {
      last = await interruptedRun(job, interruption, left);
      where.push(last.at ?? 'nowhere');
    } while (last.at !== null && interruption.comes === 'again and again');
    if (interruption.next === 'run again') return endOf(job);
    if (last.succeeded || (await job.isCommitted())) return endOf(job);
    await apart(job.undo);
    await job.end();
    return 'cancelled';
  };
  const end = await wholly(one, work, expected);
  return { ...end, at: `${interruption.what} at ${where.join(', ')}` };
}

/** The end of a job that nothing interrupts, and the points that it comes to. */
async function uninterrupted(one: Case): Promise<End & { points: string[] }> {
  const points: string[] = [];
  const work = (job: ReturnType<typeof begin>) => {
    const run = () => {
      points.length = 0;
      return interrupted.run((point) => void points.push(point), job.run);
    };
    return endOf({ ...job, run });
  };
  return { ...(await wholly(one, work)), points };
}

/**
 * Tries every interruption everywhere, beginning where the job begins; yields when the host is to be
 * brought there again, and returns at how many points that was. What a job leaves that was taken
 * back is what the next one begins with: it is as it was before, so that it need not be brought there.
 */
async function* interruptedRounds(one: Case): AsyncGenerator<undefined, number> {
  const before = await stateOf(one);
  const { points, ...same } = await uninterrupted(one);
  expect(same.outcome.split(' ', 1), one.name).toEqual([one.fails ?? 'succeeded']);
  let isTakenBack = false;
  let tried = 0;
  for (const interruption of interruptions) {
    if (interruption.next === 'undo' && !handlers[one.type].undo) continue;
    const left = new Set(points.filter(interruption.counts).map(counter()));
    const missed = new Set<string>();
    while (left.size > 0) {
      if (!isTakenBack) yield;
      const { size } = left;
      const { at, ...end } = await interruptedEnd(one, interruption, left, [same.state, before]);
      const isCancelled = end.outcome === 'cancelled';
      // One that does not start is started again and again meanwhile.
      const starts = one.fails || isCancelled ? expect.any(Number) : same.starts;
      const expected = isCancelled ? { outcome: 'cancelled', state: before, starts } : { ...same, starts };
      expect({ at, ...end }, one.name).toEqual({ at, ...expected });
      // A restart that is cancelled goes on by itself: its start is not to count as one of the next job.
      isTakenBack = isCancelled && one.type !== 'container.restart';
      tried += size - left.size;
      // A job does not come to what another one has done for it, such as a reload: it has a second try.
      if (left.size < size) continue;
      const [next = ''] = left;
      if (missed.has(next)) left.delete(next);
      else missed.add(next);
    }
  }
  return tried;
}

test('every kind of job is in the tables', () => {
  const tried = new Set([...cases.flat(), ...ofTheHost].map(({ type }) => type));
  expect([...tried].sort()).toEqual(Object.keys(handlers).sort());
});

/**
 * Whatever passes or interrupts a job anywhere, it comes to the same end, once, and leaves nothing.
 * Two jobs take turns: a round of each brings the host to where the next one of the other begins,
 * until one has had all of its own.
 */
async function hold(jobs: Case[]): Promise<void> {
  let waiting = jobs.map((one) => ({ one, rounds: interruptedRounds(one) }));
  let isAtOtherEnd = false;
  for (let [turn, ...others] = waiting; turn !== undefined; [turn, ...others] = waiting) {
    const { one, rounds } = turn;
    await (isAtOtherEnd ? one.fromTheOther?.() : one.setUp());
    const { done, value } = await rounds.next();
    if (done) expect(value, one.name).toBeGreaterThan(1);
    waiting = done ? others : [...others, turn];
    isAtOtherEnd = !done && others.length > 0;
  }
}

const namesOf = (some: Case[]) => some.map(({ name }) => name).join(', ');

/** Up to a hundred containers are started and stopped: two minutes on two processors with nothing else to do. */
const caseDeadline = 2_400_000;

describe.concurrent('with a fault, a hand-back or a cancellation anywhere comes to the same end, once (house 7.1, 7.2):', () => {
  for (const jobs of cases) test(namesOf(jobs), () => hold(jobs), caseDeadline);
});

describe('with a fault or a hand-back anywhere come to the same end, once:', () => {
  test(namesOf(ofTheHost), async () => {
    for (const one of ofTheHost) await hold([one]);
  }, 300_000);
});

test('what a job was interrupted in leaves nothing behind that is nobody’s', async () => {
  await until(
    'no unit of a repository is under way',
    async () =>
      (await ok('systemctl', 'list-units', '--plain', '--no-legend', '--state=activating', 'job-*')) === '',
  );
});
