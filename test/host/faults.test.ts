import { AsyncLocalStorage } from 'node:async_hooks';
import { mkdtemp, readFile, readlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { crc32 } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { Failure } from '../../src/jobs/errors.ts';
import { type JobType, jobs, type Params } from '../../src/jobs/registry.ts';
import { gearBody } from '../../src/jobs/types/container.ts';
import { pause } from '../../src/lib/async/pause.ts';
import { succeeds } from '../../src/lib/async/succeeds.ts';
import { listenToFailpoints } from '../../src/lib/effect.ts';
import { DockerClient } from '../../src/worker/docker/dockerode.ts';
import { showGear } from '../../src/worker/gear/read-gear.ts';
import { handlers } from '../../src/worker/handlers/handlers.ts';
import type { Handler, JobContext } from '../../src/worker/jobs/context.ts';
import { Cancelled, HandedBack } from '../../src/worker/jobs/interruptions.ts';
import { createJobJournal, type JobJournal } from '../../src/worker/jobs/job-journal.ts';
import { sampleImage } from '../support/daemon.ts';
import { type OpenHostServices, openHostServices } from '../support/host-services.ts';
import { ok, run } from '../support/run.ts';
import { openSlowDocker } from '../support/slow-docker.ts';
import { until } from '../support/until.ts';

/**
 * Every handler, with a fault that passes at every call it makes to the host and then run again; handed back at every change
 * and then run again; and cancelled there and taken back. It must come to the same end, have had its effect once, and have
 * left nothing.
 */

const docker = new DockerClient({ socketPath: '/var/run/docker.sock' });
let open: OpenHostServices;
let journal: JobJournal;
beforeAll(async () => {
  await sampleImage();
  open = await openHostServices();
  journal = createJobJournal(open.paths);
  listenToFailpoints((point) => interrupted.getStore()?.(point));
});
afterAll(async () => {
  listenToFailpoints(null);
  await open.close();
});

/** What happens at the failpoints of one run; other runs go on side by side. */
const interrupted = new AsyncLocalStorage<(point: string) => void | Promise<void>>();

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
  /** Brings the host to where the job begins. */
  setUp(): Promise<unknown>;
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

let jobsMade = 0;
const nextJob = () => (++jobsMade).toString(16).padStart(32, '0');

/** One job: its context lasts over all its runs. */
function begin({ type, params }: Pick<Case, 'type' | 'params'>) {
  const job = nextJob();
  const context = (signal = new AbortController().signal): JobContext => ({
    job,
    tenant: '0',
    services: open.services,
    signal,
    report: () => undefined,
    checkpoint: (look) => journal.checkpoint(job, look),
  });
  const handler = handlers[type] as unknown as Handler<JobType>;
  return {
    run: (signal?: AbortSignal) => handler.run(params, context(signal)),
    isCommitted: async () => (await handler.isCommitted?.(params, context())) ?? false,
    undo: async (why: Failure | null = null) => {
      await handler.undo?.(params, context(), why);
    },
    end: () => journal.clear(job),
  };
}

/** A fault that a test has put there. */
class Injected extends Failure {
  constructor() {
    super('host_unavailable', 'a fault that passes', { transient: true });
  }
}

/**
 * Jobs share the reloads of systemd: where the fault of another run was put into a shared one, the work is done again, as the
 * worker does. Every other failure counts.
 */
async function apart<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof Injected)) throw error;
    }
  }
}

/** Runs a job of its own to its end; returns how it failed, or null. */
async function attempt<T extends JobType>(type: T, params: Params<T>): Promise<Failure | null> {
  const job = begin({ type, params } as unknown as Case);
  let failure: Failure | null = null;
  await apart(job.run).catch((error: Failure) => {
    failure = error;
    return apart(() => job.undo(error));
  });
  await job.end();
  return failure;
}

/** Runs a job that must succeed, after a transient failure again as the worker does: what a test begins with is there. */
async function perform<T extends JobType>(type: T, params: Params<T>): Promise<void> {
  let failure = await attempt(type, params);
  for (let again = 0; failure?.transient && again < 3; again++) {
    await pause(250);
    failure = await attempt(type, params);
  }
  if (failure !== null) throw new Error(`${type} failed: ${failure.message}`, { cause: failure });
}

const gear = (
  resource: string,
  more: object = {},
  { start = true, createOnly = false } = {},
): Params<'container.install'> =>
  jobs['container.install'].paramsOf({
    resource,
    t: 'geard/sample',
    body: gearBody.parse({ ports: [{ internal: 8080, external: portOf(resource) }], start, ...more }),
    createOnly,
  });

/** What runs side by side is not to share the ports that are allocated. */
const portOf = (resource: string) => 20_000 + (crc32(resource) % 10_000);

const absent = (resource: string) => attempt('container.remove', { resource });
const there = (resource: string, more: object = {}) => perform('container.install', gear(resource, more));
/** One value that no env file can carry makes an image, a volume is made by Docker. */
const rich = (name: string) => ({
  env: [{ name: 'TWO_LINES', value: `one\n${name}` }],
  volumes: [{ name: `faults-${name}`, path: '/data' }],
});
const exits = { command: ['/bin/sh', '-c', 'exit 3'] };
const noVolume = (name: string) => open.services.engine.removeVolume(`gear-${name}..faults-${name}`);

/** These run side by side; each has gears and names of its own. */
const cases: Case[] = [
  one(
    'an installation of what must not be there',
    'container.install',
    gear('new', { environment: 'new', ...rich('new') }, { createOnly: true }),
    async () => {
      await perform('environment.replace', environment('new', 'a\nb'));
      await absent('new');
      await noVolume('new');
    },
  ),
  one('a removal', 'container.remove', { resource: 'gone' }, () => there('gone', rich('gone'))),
  one(
    'a removal of what is not there',
    'container.remove',
    { resource: 'none' },
    async () => {},
    'container_not_found',
  ),
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
  one('an update', 'container.install', gear('update', { cpus: 0.5 }), () => there('update', { cpus: 0.7 })),
  one('an update into a common network', 'container.install', gear('move', { network: 'move' }), () =>
    there('move'),
  ),
  one('an installation of what is stopped', 'container.install', gear('idle'), async () => {
    await there('idle');
    await perform('container.stop', { resource: 'idle' });
  }),
  one('a restart', 'container.restart', { resource: 'again' }, () => there('again')),
  one('a stop', 'container.stop', { resource: 'stop' }, () => there('stop')),
  one('a start', 'container.start', { resource: 'start' }, async () => {
    await there('start');
    await perform('container.stop', { resource: 'start' });
  }),
  one('an environment', 'environment.replace', environment('vars', 'b\nb'), async () => {
    await perform('environment.replace', environment('vars', 'a\na'));
    await there('uses', { environment: 'vars' });
  }),
  one('variables more', 'environment.merge', environment('more', 'b'), () =>
    perform('environment.replace', environment('more', 'a')),
  ),
  one('a repository', 'repository.create', { resource: 'repo', url: null }, async () => {
    await run('systemctl', 'stop', 'job-repo.service');
    await ok('rm', '-rf', open.paths.repository('repo'));
  }),
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

function environment(resource: string, value: string): Params<'environment.replace'> {
  return { resource, env: [{ name: 'SHARED', value }] };
}

/** What Docker has of a name, over its socket: its command line takes longer to start than most jobs do. */
async function ofDocker(resource: string): Promise<string> {
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
  ].join('\n');
}

/** Everything of one name on the host that a job could change; ids of jobs and containers are left out. */
async function stateOf({ params: { resource } }: Case): Promise<string> {
  const { base } = open.paths;
  const name = `gear-${resource}.service`;
  const pruned = ['jobs', 'git/*/*'].flatMap((path) => ['-path', `${base}/${path}`, '-prune', '-o']);
  const wanting = ['docker.service', 'multi-user.target'];
  const isWanted = async () =>
    (await ok('systemctl', 'show', '--value', '--property=Wants', ...wanting))
      .split('\n\n')
      .map((wants) => wants.split(/\s+/).includes(name));
  const seen = await Promise.all([
    ok('find', base, ...pruned, '-printf', '%P %l|\n'),
    ok('find', '/etc/systemd/system', '-name', `*gear-${resource}.*`, '-printf', '%p %l\n'),
    ok('systemctl', 'list-units', '--all', '--plain', '--no-legend', name, `job-${resource}.service`),
    isWanted(),
    ofDocker(resource),
    readFile(open.paths.unit(resource), 'utf8').catch(() => 'no unit'),
  ]);
  const [files = '', ...others] = seen.map(String);
  const mine = files
    .split('\n')
    .filter((line) => line.includes(resource) || (resource === 'h1' && line.startsWith('draining')));
  const text = [mine.sort().join('\n'), ...others.map((part) => part.split('\n').sort().join('\n'))].join(
    '\n',
  );
  return text.replace(/Spec=.*/g, 'Spec=').replace(/\b[0-9a-f]{32}\b/g, '<job>');
}

/**
 * Does what is to be done, and says how often Docker has started the gear's container meanwhile: Docker's own record of it, for
 * events may reach a listener late.
 */
async function countingStarts(resource: string, work: () => Promise<void>): Promise<number> {
  const now = () => Date.now() / 1000;
  const since = now();
  await work();
  const filters = { container: [`gear-${resource}`], event: ['start'] };
  const events = await text(await docker.getEvents({ since, until: now(), filters }));
  return events.split('\n').filter((line) => line !== '').length;
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
 * Tries every interruption everywhere; returns at how many points that was. What a job leaves that was taken back is what the
 * next one begins with: it is as it was before, so that it need not be brought there again.
 */
async function holds(one: Case): Promise<number> {
  await one.setUp();
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
      if (!isTakenBack) await one.setUp();
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
  const tried = new Set([...cases, ...ofTheHost].map(({ type }) => type));
  expect([...tried].sort()).toEqual(Object.keys(handlers).sort());
});

/** Whatever passes or interrupts a job anywhere, it comes to the same end, once, and leaves nothing. */
async function allHold(some: Case[]): Promise<void> {
  for (const one of some) expect(await holds(one), one.name).toBeGreaterThan(1);
}

const namesOf = (some: Case[]) => some.map(({ name }) => name).join(', ');

/** Up to a hundred containers are started and stopped: two minutes on two processors with nothing else to do. */
const caseDeadline = 2_400_000;

describe.concurrent('with a fault, a hand-back or a cancellation anywhere comes to the same end, once (house 7.1, 7.2):', () => {
  for (const one of cases) test(one.name, () => allHold([one]), caseDeadline);
});

describe('with a fault or a hand-back anywhere come to the same end, once:', () => {
  test(namesOf(ofTheHost), () => allHold(ofTheHost), 300_000);
});

test('what a job was interrupted in leaves nothing behind that is nobody’s', async () => {
  await until(
    'no unit of a repository is under way',
    async () =>
      (await ok('systemctl', 'list-units', '--plain', '--no-legend', '--state=activating', 'job-*')) === '',
  );
});

test('an update that is taken back again starts the earlier gear once', async () => {
  await there('twice');
  const job = begin({ type: 'container.install', params: gear('twice', { ...exits }) });
  await job.run().catch(() => undefined);
  const starts = await countingStarts('twice', async () => {
    const cutShort = (point: string) => {
      if (point === 'docker.imagesOfGear:before')
        throw new Failure('host_unavailable', 'lost', { transient: true });
    };
    await expect(interrupted.run(cutShort, () => job.undo())).rejects.toThrow('lost');
    await job.undo();
  });
  expect(starts).toBe(1);
  await job.end();
});

test('an update that has failed is kept to be read, also where its taking back is cut short', async () => {
  await there('kept');
  const job = begin({ type: 'container.install', params: gear('kept', { ...exits }) });
  const why = (await apart(job.run).catch((error) => error)) as Failure;
  const cutShort = (point: string) => {
    if (point === 'link.place:before') throw new Injected(); // The earlier unit is back.
  };
  await expect(interrupted.run(cutShort, () => job.undo(why))).rejects.toThrow(Injected);
  await job.undo(why);
  const { failedUpdate } = await showGear(open.services, 'kept', true);
  expect(failedUpdate).toMatchObject({ error: { code: 'start_failed' } });
  await job.end();
});

test('an update that is taken back before its unit is written leaves the gear running as it is', async () => {
  await there('untouched');
  const job = begin({ type: 'container.install', params: gear('untouched', { cpus: 0.3 }) });
  const cutShort = (point: string) => {
    if (point === 'file.rename:after') throw new Failure('host_unavailable', 'lost', { transient: true });
  };
  await expect(interrupted.run(cutShort, () => job.run())).rejects.toThrow('lost');
  expect(await countingStarts('untouched', () => job.undo())).toBe(0);
  await job.end();
});

/** Has systemd wait for some seconds before it starts a gear. */
async function slowly(name: string, seconds: number): Promise<() => Promise<string>> {
  const dropIns = `/run/systemd/system/gear-${name}.service.d`;
  await ok('mkdir', '-p', dropIns);
  await writeFile(`${dropIns}/wait.conf`, `[Unit]\nAfter=faults-slow-${name}.service\n`);
  await ok('systemctl', 'daemon-reload');
  const unit = `--unit=faults-slow-${name}`;
  await ok('systemd-run', '--no-block', unit, '--service-type=oneshot', 'sleep', String(seconds));
  return () => ok('rm', '-r', dropIns);
}

test('an update that fails while systemd is about to start the gear, as after a boot, leaves it running', async () => {
  await there('booting');
  await ok('systemctl', 'stop', 'gear-booting');
  const tidy = await slowly('booting', 3);
  await ok('systemctl', 'start', '--no-block', 'gear-booting');
  const failure = await attempt('container.install', gear('booting', { ...exits }));
  expect(failure?.code).toBe('start_failed');
  expect(await ok('systemctl', 'is-active', 'gear-booting')).toBe('active');
  await tidy();
});

test('a restart that systemd has begun, and of which the worker was not told, is not begun again (house 7.2)', async () => {
  await there('queued');
  // systemd stops the gear, and has something to wait for before it starts it.
  const tidy = await slowly('queued', 4);
  const job = begin({ type: 'container.restart', params: { resource: 'queued' } });
  const isActive = () =>
    run('systemctl', 'is-active', '--quiet', 'gear-queued').then(({ status }) => status === 0);
  const starts = await countingStarts('queued', async () => {
    const lost = (point: string) => {
      if (point === 'dbus.RestartUnit:after')
        throw new Failure('host_unavailable', 'lost', { transient: true });
    };
    await expect(interrupted.run(lost, () => job.run())).rejects.toThrow('lost');
    await until('it is stopped', async () => !(await isActive()));
    // Whoever looks before it is started, and restarts it after that, starts it twice.
    const late = async (point: string) => {
      if (point === 'dbus.RestartUnit:before') await until('it runs', isActive);
    };
    await interrupted.run(late, () => job.run());
  });
  expect(starts).toBe(1);
  await job.end();
  await tidy();
});

/** Tells one installation of a gear from another, and which one runs. */
const marked = (value: string) => ({ env: [{ name: 'MARK', value }] });
const markOf = (name: string) => ok('docker', 'exec', `gear-${name}`, '/bin/sh', '-c', 'echo $MARK');

test('an update runs what it says, also where systemd was still at a restart by another', async () => {
  const dies = ['/bin/sh', '-c', 'trap "sleep 1; exit 0" TERM; while :; do sleep 0.1; done'];
  const updated = (mark: string) => gear('taken', { ports: [], command: dies, ...marked(mark) });
  await perform('container.install', updated('old'));
  await ok('systemctl', 'restart', '--no-block', 'gear-taken');
  const pending = async () => (await open.services.systemd.activity('gear-taken.service')).pending;
  await until('systemd is at it', pending);
  const job = begin({ type: 'container.install', params: updated('new') });
  // What is written while the old unit starts once more is not what runs then.
  const late = async (point: string) => {
    if (point === 'file.rename:before') await until('systemd is done', async () => !(await pending()));
  };
  await interrupted.run(late, () => job.run());
  expect(await markOf('taken')).toBe('new');
  await job.end();
});

test.each([
  'container.stop',
  'container.remove',
] as const)('what %s has stopped stays so, also where Docker is restarted meanwhile', {
  timeout: 180_000,
}, async (type) => {
  await there('quiet');
  await run('systemctl', 'reset-failed', 'docker.service', 'docker.socket');
  const job = begin({ type, params: { resource: 'quiet' } });
  // systemd starts with Docker what Docker wants, unless it has read that this is no longer so.
  const meanwhile = async (point: string) => {
    if (point === 'dbus.ResetFailedUnit:after') await ok('systemctl', 'restart', 'docker');
  };
  await interrupted.run(meanwhile, () => job.run());
  expect((await run('systemctl', 'is-active', 'gear-quiet')).stdout.trim()).toBe('inactive');
  expect(await open.services.engine.container('gear-quiet')).toBeNull();
  await job.end();
});

test.each([
  'container.stop',
  'container.remove',
] as const)('after %s there is no container, also where Docker was still making one', async (type) => {
  await there('slow');
  await perform('container.stop', { resource: 'slow' });
  const docker = await openSlowDocker(join(open.paths.base, 'slow-docker'));
  const dropIns = '/run/systemd/system/gear-slow.service.d';
  await ok('mkdir', '-p', dropIns);
  await writeFile(`${dropIns}/docker.conf`, `[Service]\nEnvironment=DOCKER_HOST=unix://${docker.socket}\n`);
  await ok('systemctl', 'daemon-reload');
  onTestFinished(async () => {
    docker.close();
    await ok('rm', '-r', dropIns);
    await absent('slow');
  });
  // As Docker, coming up, starts what it wants.
  await ok('systemctl', 'start', '--no-block', 'gear-slow');
  await until('Docker is to make the container', docker.holds);
  const job = begin({ type, params: { resource: 'slow' } });
  let looks = 0;
  const meanwhile = (point: string) => {
    if (point === 'docker.container:before' && ++looks === 2) docker.open(); // The job waits for it.
  };
  await interrupted.run(meanwhile, () => job.run());
  docker.open();
  await until('Docker has made it', docker.isDone);
  expect(await open.services.engine.container('gear-slow')).toBeNull();
  await job.end();
});

test('an update after which Docker was restarted, before systemd had read it, is not taken for what runs', async () => {
  await there('unread', marked('old'));
  const params = gear('unread', marked('new'));
  const job = begin({ type: 'container.install', params });
  const cutShort = async (point: string) => {
    if (point !== 'link.place:before' && point !== 'dbus.Reload:before') return;
    await ok('systemctl', 'restart', 'gear-unread');
    throw new Failure('host_unavailable', 'lost', { transient: true });
  };
  await expect(interrupted.run(cutShort, () => job.run())).rejects.toThrow('lost');
  await job.run();
  expect(await markOf('unread')).toBe('new');
  await job.end();
});

test('what an update has changed without a restart runs after the next installation', async () => {
  await there('later', marked('old'));
  const changed = marked('new');
  await perform('container.install', gear('later', changed, { start: false }));
  expect(await markOf('later')).toBe('old');
  const starts = await countingStarts('later', async () => {
    await there('later', changed);
    await there('later', changed);
  });
  expect(await markOf('later')).toBe('new');
  expect(starts).toBe(1);
});

test('a change of an environment that was interrupted before systemd has read the unit is read, and the former values go', async () => {
  const value = (text: string) => environment('torn', `two\n${text}`);
  await perform('environment.replace', value('old'));
  await there('tearing', { environment: 'torn' });
  const job = begin({ type: 'environment.replace', params: value('new') });
  const cutShort = (point: string) => {
    if (point === 'dbus.Reload:before') throw new Failure('host_unavailable', 'lost', { transient: true });
  };
  await expect(interrupted.run(cutShort, () => job.run())).rejects.toThrow('lost');
  await job.run();
  await job.end();
  expect((await open.services.systemd.state('gear-tearing.service')).needsReload).toBe(false);
  // The former values are in an image that runs until then.
  await perform('container.restart', { resource: 'tearing' });
  await perform('environment.replace', value('new'));
  const images = () => docker.listImages({ filters: { label: ['geard.gear=tearing'] } });
  expect(await images()).toHaveLength(1);
  for (let time = 0; time < 2; time++) {
    await perform('environment.replace', environment('torn', 'plain'));
    await perform('container.restart', { resource: 'tearing' });
  }
  await perform('environment.replace', environment('torn', 'plain'));
  expect(await images()).toEqual([]);
});

const operators = '[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n';
const unitsOfOperators: Record<string, (unit: string) => Promise<string>> = {
  'a file': async (unit) => `/etc/systemd/system/${unit}`,
  'a file of a package': async (unit) => {
    await ok('mkdir', '-p', '/usr/local/lib/systemd/system');
    return `/usr/local/lib/systemd/system/${unit}`;
  },
  'a link': async (unit) => {
    const directory = await mkdtemp(join(tmpdir(), 'geard-units-'));
    await ok('ln', '-s', `${directory}/${unit}`, `/etc/systemd/system/${unit}`);
    onTestFinished(() => ok('rm', '-r', directory, `/etc/systemd/system/${unit}`).then(() => undefined));
    return `${directory}/${unit}`;
  },
};

test.each(
  Object.keys(unitsOfOperators),
)('a name under which the operator has a unit by %s is refused, and that unit stays as it is', async (how) => {
  const unit = 'gear-foreign.service';
  const file = (await unitsOfOperators[how]?.(unit)) ?? '';
  await writeFile(file, operators);
  onTestFinished(async () => {
    await ok('systemctl', 'stop', unit);
    await ok('rm', file);
    await ok('systemctl', 'daemon-reload');
  });
  await ok('systemctl', 'start', unit);
  const failure = await attempt('container.install', gear('foreign'));
  expect(failure?.message).toContain('that geard has not made');
  expect(await ok('systemctl', 'is-active', unit)).toBe('active');
  expect(await readFile(file, 'utf8')).toBe(operators);
  expect(await readFile(open.paths.unit('foreign'), 'utf8').catch(() => null)).toBeNull();
});

test('a name that the operator has masked is refused, and stays masked', async () => {
  await ok('systemctl', 'mask', 'gear-masked.service');
  onTestFinished(() => ok('systemctl', 'unmask', 'gear-masked.service').then(() => undefined));
  const failure = await attempt('container.install', gear('masked'));
  expect(failure?.message).toContain('that geard has not made');
  expect(await readlink('/etc/systemd/system/gear-masked.service')).toBe('/dev/null');
});

test('an environment that is changed while a gear that will use it is installed reaches it at its next start', async () => {
  const value = (text: string) => environment('raced', `two\n${text}`);
  await perform('environment.replace', value('old'));
  const job = begin({ type: 'container.install', params: gear('racing', { environment: 'raced' }) });
  let changed = false;
  const meanwhile = async (point: string) => {
    if (point !== 'docker.commit:after' || changed) return; // The image that carries the values is made.
    changed = true;
    await perform('environment.replace', value('new'));
  };
  await interrupted.run(meanwhile, () => job.run());
  await job.end();
  await ok('systemctl', 'restart', 'gear-racing');
  const read = () => run('docker', 'exec', 'gear-racing', '/bin/sh', '-c', 'echo "$SHARED"');
  await until('it runs again', async () => (await read()).status === 0);
  expect((await read()).stdout).toBe('two\nnew\n');
});
