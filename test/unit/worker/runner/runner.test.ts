import pino from 'pino';
import { expect, onTestFinished, test, vi } from 'vitest';
import { Failure } from '../../../../src/jobs/errors.ts';
import type { Job } from '../../../../src/jobs/job.ts';
import { payloadVersion } from '../../../../src/jobs/payload-version.ts';
import { createLocks } from '../../../../src/lib/async/locks.ts';
import type { Metric } from '../../../../src/lib/metrics/metric.ts';
import type { JobRecord } from '../../../../src/queue/worker-queue.ts';
import type { AuthorizedJob, Authorizer } from '../../../../src/worker/authorization.ts';
import { hostPaths } from '../../../../src/worker/domain/paths.ts';
import type { Handlers, JobContext } from '../../../../src/worker/jobs/context.ts';
import { HandedBack } from '../../../../src/worker/jobs/interruptions.ts';
import type { JobJournal, JournalEntry } from '../../../../src/worker/jobs/job-journal.ts';
import { finished, running, waitSeconds } from '../../../../src/worker/metrics.ts';
import { ActiveJob, type Stage } from '../../../../src/worker/runner/active-job.ts';
import { Runner } from '../../../../src/worker/runner/runner.ts';
import { MemoryRecords } from '../../../support/memory-records.ts';
import { until } from '../../../support/until.ts';

const speaks = 'the handler has something to say';
const stalls = 'a job cannot continue and will be retried';

/** A journal in memory. */
function memoryJournal(): JobJournal {
  const [entries, taken] = [new Map<string, JournalEntry>(), new Map<string, string>()];
  return {
    read: async (id) => entries.get(id) ?? null,
    write: async (id, entry) => void entries.set(id, entry),
    clear: async (id) => void taken.delete(id),
    take: async (id, digest) => void taken.set(id, digest),
    wasTaken: async (id, digest) => taken.get(id) === digest,
    checkpoint: (_, look) => look(),
    tidy: async () => {},
    prune: async () => {},
  };
}

/** A runner over records and a journal in memory, whose jobs run until the test ends them. */
function setUp({ maxParallelJobs = 16 } = {}) {
  const journal = memoryJournal();
  const records = new MemoryRecords();
  const paths = hostPaths('/nonexistent');

  const running = new Map<string, () => void>();
  const ran: string[] = [];
  const stop = {
    run: ({ resource }: { resource: string }, { job, signal, services }: JobContext) =>
      new Promise((resolve, reject) => {
        ran.push(`${job} ${resource}`);
        services.log.info(speaks);
        const settle = (end: () => void) => () => {
          running.delete(job);
          end();
        };
        running.set(
          job,
          settle(() => resolve({ unit: 'u', container: null, active: 'inactive' })),
        );
        signal.addEventListener(
          'abort',
          settle(() => reject(signal.reason)),
        );
      }),
    undo: vi.fn(async () => ''),
    abandon: vi.fn(
      async (_resource: string, _context: JobContext, _why: Failure) => 'it is as it was before',
    ),
  };
  /** What a client has asked for: all that the record says, unless the test says otherwise. */
  const requestOf = ({ job: { user, resource } }: JobRecord): AuthorizedJob => ({
    command: { type: 'container.stop', params: { resource } },
    tenant: user,
    sees: () => true,
    digest: 'digest',
  });
  const authorizer = {
    job: vi.fn(async (record: JobRecord) => requestOf(record)),
    allows: async () => true,
    cancels: vi.fn(async (_cancel: string) => true),
    tokenOf: () => 'token:1',
    auditRejection: vi.fn(),
  } satisfies Partial<Authorizer>;

  const logged: Record<string, unknown>[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => void logged.push(JSON.parse(line)) });
  const services = {
    host: 'h1',
    paths,
    gears: { read: async () => {} },
    gearLocks: createLocks(),
    busy: new Set<string>(),
    limits: { maxParallelJobs },
    log,
  } as never;
  const runner = new Runner({
    records,
    authorizer: authorizer as unknown as Authorizer,
    journal,
    services,
    handlers: { 'container.stop': stop } as unknown as Handlers,
  });
  onTestFinished(() => runner.drain(0));
  let accepted = 0;
  return {
    runner,
    records,
    journal,
    authorizer,
    requestOf,
    running,
    ran,
    stop,
    abandon: stop.abandon,
    logged,
    accept: (resource: string, more: Partial<Job> = {}, version = payloadVersion) =>
      records.accept(recordOf((++accepted).toString(16).padStart(32, '0'), resource, more, version)),
    isRunning: (id: string) => until(`${id} runs`, () => running.has(id)),
    end: (id: string) => running.get(id)?.(),
    stagesOf: (id: string) => logged.flatMap((line) => (line['id'] === id ? (line['to'] ?? []) : [])),
  };
}

function recordOf(id: string, resource: string, more: Partial<Job>, version: number): JobRecord {
  const now = new Date().toISOString();
  const job = { id, type: 'container.stop', state: 'queued', resource, host: 'h1', user: '0' } as const;
  const times = { createdAt: now, startedAt: now, finishedAt: null };
  return {
    job: { ...job, ...times, attempts: 0, progress: null, result: null, error: null, ...more },
    version,
    fingerprint: 'f',
    sealed: '',
    cancel: null,
    waitsUntil: null,
    crashes: 1,
    origin: { trace: 'req-1', peer: '192.0.2.1' },
    takenAt: Date.now(),
  };
}

/** Lets everything go on that can. */
const settled = () => new Promise((resolve) => setTimeout(resolve, 50));

test('invariant 1: a job that is delivered again while it is here is joined, and runs once', async () => {
  const { runner, accept, isRunning, end, ran } = setUp();
  const id = accept('web');
  const deliveries = [runner.deliver(id), runner.deliver(id)];
  await isRunning(id);
  deliveries.push(runner.deliver(id));
  end(id);
  await Promise.all(deliveries);
  expect(ran).toEqual([`${id} web`]);
  await runner.deliver(id); // Over, it is dropped.
  expect(ran).toHaveLength(1);
});

test('invariant 2: a job begins when the one before it on its gear has ended, jobs of other gears at once', async () => {
  const { runner, records, accept, isRunning, end, running } = setUp();
  const [first, second, other] = [accept('web'), accept('web'), accept('db')];
  const all = [second, other, first].map((id) => runner.deliver(id));
  await isRunning(first);
  await isRunning(other);
  await settled();
  expect([...running.keys()].sort()).toEqual([first, other]);
  end(first);
  await isRunning(second);
  expect(records.told.indexOf(`finish ${first}`)).toBeLessThan(records.told.indexOf(`begin ${second}`));
  end(second);
  end(other);
  await Promise.all(all);
});

test('invariant 3: no more jobs run side by side than there are places, and of one user half of them', async () => {
  const { runner, accept, isRunning, end, running } = setUp({ maxParallelJobs: 4 });
  const ofAlice = ['a', 'b', 'c', 'd'].map((gear) => accept(gear, { user: 'alice' }));
  const ofOthers = ['e', 'f', 'g'].map((gear) => accept(gear, { user: gear }));
  const all = [...ofAlice, ...ofOthers].map((id) => runner.deliver(id));
  await until('all places are taken', () => running.size === 4);
  await settled();
  expect(running.size).toBe(4);
  expect(ofAlice.filter((id) => running.has(id))).toHaveLength(2);
  for (const id of [...ofAlice, ...ofOthers]) {
    await isRunning(id);
    end(id);
  }
  await Promise.all(all);
});

test('invariant 4: what is done is what the request says, and nothing where it is refused', async () => {
  const { runner, records, authorizer, accept, isRunning, end, ran, requestOf } = setUp();
  const forged = accept('web');
  authorizer.job.mockImplementationOnce(async (record) => {
    const request = requestOf(record);
    return { ...request, command: { type: 'container.stop', params: { resource: 'own' } } };
  });
  const delivered = runner.deliver(forged);
  await isRunning(forged);
  end(forged);
  await delivered;
  expect(ran).toEqual([`${forged} own`]);

  authorizer.job.mockRejectedValueOnce(new Failure('token_forbids', 'no'));
  const [refused, after] = [accept('web'), accept('web')];
  await runner.deliver(refused);
  expect(records.outcomes.get(refused)).toMatchObject({ state: 'failed', error: { code: 'token_forbids' } });
  await isRunning(after); // The refusal has woken it.
  expect(ran).toEqual([`${forged} own`, `${after} web`]);
  end(after);
});

test('invariant 5: a job that waits for nothing is authorized once', async () => {
  const { runner, authorizer, accept, isRunning, end } = setUp();
  const id = accept('web');
  const delivered = runner.deliver(id);
  await isRunning(id);
  end(id);
  await delivered;
  expect(authorizer.job).toHaveBeenCalledOnce();
});

test('invariant 5: a job that has waited is authorized again, and does not run where its key was revoked', async () => {
  const { runner, records, authorizer, accept, isRunning, end, ran } = setUp();
  const [first, second, third] = [accept('web'), accept('web'), accept('web')];
  const all = [first, second, third].map((id) => runner.deliver(id));
  await isRunning(first);
  await until('all have been authorized', () => authorizer.job.mock.calls.length === 3);
  const now = performance.now();
  vi.spyOn(performance, 'now').mockImplementation(() => now + 60_000);
  onTestFinished(() => void vi.restoreAllMocks());
  authorizer.job.mockRejectedValueOnce(new Failure('token_invalid', 'revoked'));
  end(first);
  await all[1];
  expect(records.outcomes.get(second)).toMatchObject({ error: { code: 'token_invalid' } });
  await isRunning(third);
  expect(ran).toEqual([`${first} web`, `${third} web`]);
  end(third);
  await Promise.all(all);
});

test('a job that is refused when it resumes is undone first, and says so', async () => {
  const { runner, records, authorizer, accept, abandon } = setUp();
  const fresh = accept('web', { attempts: 0 });
  authorizer.job.mockRejectedValue(new Failure('token_invalid', 'the issuer is revoked'));
  await runner.deliver(fresh);
  expect(abandon).not.toHaveBeenCalled();
  expect(records.outcomes.get(fresh)).toMatchObject({ error: { detail: 'the issuer is revoked' } });

  const begun = accept('web', { attempts: 1 });
  abandon.mockRejectedValueOnce(new Failure('host_unavailable', 'systemd is away', { transient: true }));
  await runner.deliver(begun);
  expect(abandon.mock.calls.map(([resource, { job }, { code }]) => [resource, job, code])).toEqual([
    ['web', begun, 'token_invalid'],
    ['web', begun, 'token_invalid'],
  ]);
  expect(records.outcomes.get(begun)).toMatchObject({
    error: { code: 'token_invalid', detail: 'the issuer is revoked\nit is as it was before' },
  });

  const strange = accept('../web', { attempts: 1 });
  await runner.deliver(strange);
  expect(abandon).toHaveBeenCalledTimes(2);
  expect(records.outcomes.get(strange)).toMatchObject({
    error: { detail: 'the issuer is revoked\nwhat an earlier attempt has done stays in effect' },
  });
});

test('a job that an api has ended after it had begun is undone before it is dropped', async () => {
  const { runner, records, accept, abandon } = setUp();
  const [begun, fresh] = [
    accept('web', { state: 'failed', attempts: 1 }),
    accept('db', { state: 'failed', attempts: 0 }),
  ];
  abandon.mockImplementationOnce(async (_, { job }) => {
    expect(records.told).not.toContain(`drop ${job}`);
    return '';
  });
  for (const id of [begun, fresh]) await runner.deliver(id);
  expect(abandon.mock.calls.map(([, { job }]) => job)).toEqual([begun]);
  expect(records.told).toEqual([`drop ${begun}`, `drop ${fresh}`]);
});

test('invariant 6: an outcome is in the journal before the record says it', async () => {
  const { runner, records, journal, accept, isRunning, end } = setUp();
  const id = accept('web');
  const finish = vi.spyOn(records, 'finish').mockImplementation(async () => {
    expect(await journal.read(id)).toMatchObject({ outcome: { state: 'succeeded' } });
    throw new Error('Redis is away');
  });
  const delivered = runner.deliver(id);
  await isRunning(id);
  end(id);
  await expect(delivered).rejects.toThrow('Redis is away');
  expect(records.told).toContain(`hand back ${id}`);
  finish.mockRestore();
});

test('invariant 6: a job whose outcome is in the journal is not done again, and another with its id neither', async () => {
  const { runner, records, journal, authorizer, accept, ran } = setUp();
  const [same, other] = [accept('web'), accept('db')];
  await journal.write(same, { fingerprint: 'f', outcome: { state: 'cancelled' } });
  await journal.write(other, { fingerprint: 'g', outcome: { state: 'cancelled' } });
  await Promise.all([runner.deliver(same), runner.deliver(other)]);
  expect(ran).toEqual([]);
  expect(records.outcomes.get(same)).toEqual({ state: 'cancelled' });
  expect(records.outcomes.get(other)).toMatchObject({ error: { code: 'request_id_reused' } });
  expect(authorizer.auditRejection).toHaveBeenCalledTimes(2);
});

test('invariant 6: an outcome waits for a disk that is full, and the job is not done again meanwhile', async () => {
  const { runner, records, journal, accept, isRunning, end, ran, logged } = setUp();
  const id = accept('web');
  const write = vi.spyOn(journal, 'write');
  write.mockRejectedValueOnce(Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' }));
  const progress = vi.spyOn(records, 'progress').mockRejectedValue(new Error('Redis takes no writes'));
  const delivered = runner.deliver(id);
  await isRunning(id);
  end(id);
  await delivered;
  expect(write).toHaveBeenCalledTimes(2);
  expect(progress).toHaveBeenCalledOnce();
  expect(ran).toHaveLength(1);
  expect(records.outcomes.get(id)).toMatchObject({ state: 'succeeded' });
  expect(logged.filter(({ msg }) => msg === stalls)).toHaveLength(1);
});

test('invariant 7: who is behind a job that nobody has delivered has it delivered', async () => {
  const { runner, accept, isRunning, end } = setUp();
  const [first, second] = [accept('web'), accept('web')];
  const delivered = runner.deliver(second);
  await isRunning(first);
  end(first);
  await isRunning(second);
  end(second);
  await delivered;
});

test('invariant 7: who is behind an id without a record has it leave the line', async () => {
  const { runner, records, accept, isRunning, end } = setUp();
  const [expired, second] = [accept('web'), accept('web')];
  records.expire(expired);
  const delivered = runner.deliver(second);
  await isRunning(second);
  expect(records.told).toContain(`drop ${expired}`);
  end(second);
  await delivered;
});

test('invariant 7: who waits for a job that has left looks again when it is delivered again', async () => {
  const { runner, records, accept, isRunning, end, stagesOf } = setUp();
  const [first, second] = [accept('web'), accept('web')];
  const [one, two] = [runner.deliver(first), runner.deliver(second)];
  await isRunning(first);
  await until('the second waits', () => stagesOf(second).includes('behind'));
  const finish = vi.spyOn(records, 'finish').mockRejectedValueOnce(new Error('Redis is away'));
  end(first);
  await expect(one).rejects.toThrow('Redis is away'); // It has woken nobody.
  finish.mockRestore();
  void runner.deliver(second);
  await isRunning(second); // Behind the first, it has had that told again.
  expect(records.outcomes.has(first)).toBe(true);
  end(second);
  await two;
});

test('invariant 8: a worker that stops takes and begins nothing, and lets what runs come to its end', async () => {
  const { runner, records, accept, isRunning, end, ran, stagesOf } = setUp({ maxParallelJobs: 2 });
  const first = accept('web');
  const one = runner.deliver(first);
  await isRunning(first);
  const [behind, waits] = [accept('web', { user: 'bob' }), accept('db')];
  const refused = [behind, waits].map((id) => expect(runner.deliver(id)).rejects.toBeInstanceOf(HandedBack));
  await until('one is behind the first', () => stagesOf(behind).includes('behind'));
  await until('one waits for a place', () => stagesOf(waits).includes('waiting'));
  const drained = runner.drain(60_000);
  await Promise.all(refused);
  const late = accept('late');
  await expect(runner.deliver(late)).rejects.toBeInstanceOf(HandedBack);
  expect(records.told).not.toContain(`take ${late}`);
  end(first);
  await Promise.all([one, drained]);
  expect(ran).toEqual([`${first} web`]);
  const states = [first, behind, waits, late].map((id) => records.stateOf(id));
  expect(states).toEqual(['succeeded', 'queued', 'queued', 'queued']);
});

test('invariant 8: after the grace what still runs, or waits for the disk, is handed back without an outcome', async () => {
  const { runner, records, journal, accept, isRunning, end } = setUp();
  const [runs, waits] = [accept('web'), accept('db')];
  const full = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
  const write = vi.spyOn(journal, 'write').mockRejectedValue(full);
  const ends = [runs, waits].map((id) => expect(runner.deliver(id)).rejects.toBeInstanceOf(HandedBack));
  await isRunning(runs);
  await isRunning(waits);
  end(waits);
  await until('the outcome waits for the disk', () => write.mock.calls.length > 0);
  await runner.drain(10);
  await Promise.all(ends);
  expect(records.outcomes.size).toBe(0);
  expect([records.stateOf(runs), records.stateOf(waits)]).toEqual(['queued', 'queued']);
});

test('invariant 9: every stage is logged, in the order that the table has', async () => {
  const { runner, accept, isRunning, end, stagesOf } = setUp();
  const [first, second] = [accept('web'), accept('web')];
  const all = [runner.deliver(first), runner.deliver(second)];
  await isRunning(first);
  await until('the second waits', () => stagesOf(second).includes('behind'));
  end(first);
  await isRunning(second);
  end(second);
  await Promise.all(all);
  expect(stagesOf(first)).toEqual(['waiting', 'beginning', 'running', 'storing', 'left']);
  expect(stagesOf(second)).toEqual([
    'waiting',
    'beginning',
    'behind',
    'waiting',
    'beginning',
    'running',
    'storing',
    'left',
  ]);
});

test.each<[Stage[], Stage]>([
  [[], 'running'],
  [['waiting'], 'running'],
  [['waiting', 'beginning', 'behind'], 'running'],
  [['waiting', 'beginning', 'running'], 'behind'],
  [['waiting', 'beginning', 'running', 'storing'], 'running'],
  [['left'], 'waiting'],
])('invariant 9: after %j a job cannot enter %s', (before, stage) => {
  const job = new ActiveJob(pino({ level: 'silent' }));
  for (const one of before) job.enter(one);
  expect(() => job.enter(stage)).toThrow('a job cannot go from');
});

test('a job is cancelled only where it is', async () => {
  const { runner, records, accept, isRunning } = setUp();
  const id = accept('web');
  expect(runner.cancel(id)).toBe(false);
  const delivered = runner.deliver(id);
  await isRunning(id);
  expect(runner.cancel(id)).toBe(true);
  await delivered;
  expect(records.outcomes.get(id)).toEqual({ state: 'cancelled' });
});

test('the resource of a job is in work while the job runs, not while it waits', async () => {
  const { runner, accept, isRunning, end, stagesOf } = setUp({ maxParallelJobs: 2 });
  const [web, db] = [accept('web'), accept('db')]; // One user has half of the slots.
  const delivered = [web, db].map((id) => runner.deliver(id));
  await isRunning(web);
  await until('the other waits', () => stagesOf(db).includes('waiting'));
  expect([runner.inWork('gear'), runner.inWork('repository')]).toEqual([['web'], []]);
  end(web);
  await isRunning(db);
  expect(runner.inWork('gear')).toEqual(['db']);
  end(db);
  await Promise.all(delivered);
  expect(runner.inWork('gear')).toEqual([]);
});

test('an id without a record is forgotten, and one that is none is not looked up', async () => {
  const { runner, records } = setUp();
  const id = 'a'.repeat(32);
  await Promise.all([runner.deliver(id), runner.deliver('../etc')]);
  expect(records.told).toEqual([`forget ${id}`]);
});

test('jobs of a newer version stay queued, and the log says so once', async () => {
  const { runner, records, accept, logged } = setUp();
  const ids = ['web', 'db'].map((gear) => accept(gear, {}, payloadVersion + 1));
  for (const id of ids) await expect(runner.deliver(id)).rejects.toThrow('newer version');
  expect(ids.map((id) => records.stateOf(id))).toEqual(['queued', 'queued']);
  expect(logged.filter(({ level }) => level === 40)).toHaveLength(1);
});

test('the newest of starts and stops that have waited for the host takes effect', async () => {
  const { runner, records, accept, isRunning, end, ran } = setUp();
  const createdAt = new Date(Date.now() - 3_600_000).toISOString();
  const [old, newest] = [accept('web', { createdAt }), accept('web', { createdAt })];
  const delivered = runner.deliver(newest);
  await isRunning(newest);
  expect(records.outcomes.get(old)).toEqual({ state: 'cancelled', result: { supersededBy: newest } });
  end(newest);
  await delivered;
  expect(ran).toEqual([`${newest} web`]);
});

test('a wait is waited to its end while Redis takes no writes or does not answer', async () => {
  const refused = () => Promise.reject(new Error('MISCONF Redis is configured to save RDB snapshots'));
  const away = () => Promise.reject(new Failure('host_unavailable', 'away', { transient: true }));
  for (const redis of [refused, () => new Promise<undefined>(() => undefined)]) {
    const { runner, records, accept, stop } = setUp();
    let tries = 0;
    stop.run = async () => (++tries < 3 ? away() : 'done');
    const written = [vi.spyOn(records, 'progress'), vi.spyOn(records, 'retried')];
    for (const write of written) write.mockImplementation(redis);
    const id = accept('web');
    await runner.deliver(id);
    expect(records.outcomes.get(id)).toEqual({ state: 'succeeded', result: 'done' });
    expect(stop.undo).not.toHaveBeenCalled();
    for (const write of written) expect(write).toHaveBeenCalledTimes(2);
  }
});

/** What keeps the newer of two jobs from running. */
const hindrances = {
  'has expired': async ({ records }: ReturnType<typeof setUp>, newer: string) => {
    const take = records.take.bind(records);
    vi.spyOn(records, 'take').mockImplementation(
      async (id) => (id === newer ? 'expired' : take(id)) as never,
    );
  },
  'is cancelled': async ({ records }: ReturnType<typeof setUp>, newer: string) => {
    const record = await records.read(newer);
    if (record) record.cancel = 'by ann';
  },
};

test.each(
  Object.entries(hindrances),
)('of starts and stops that have waited for the host an older one takes effect where the newer %s', async (_, hinder) => {
  const all = setUp();
  const createdAt = new Date(Date.now() - 3_600_000).toISOString();
  const [old, newer] = [all.accept('web', { createdAt }), all.accept('web', { createdAt })];
  await hinder(all, newer);
  const delivered = all.runner.deliver(old);
  await all.isRunning(old);
  all.end(old);
  await delivered;
  expect(all.records.outcomes.get(old)).toMatchObject({ state: 'succeeded' });
});

test('metrics tell of a job what it is, how it ends and how long it waited, and whether it runs', async () => {
  const { runner, accept, isRunning, end } = setUp();
  const values = (metric: Metric) =>
    Object.fromEntries([...metric.samples()].map(([suffix, labels, value]) => [suffix + labels, value]));
  const ended = (key: string) => values(finished)[key] ?? 0;
  const before = ended('type="container.stop",state="succeeded"');
  const cancelledBefore = ended('type="container.stop",state="cancelled"');
  const runningBefore = values(running)[''] ?? 0;
  const waitsBefore = values(waitSeconds)['_counttype="container.stop"'] ?? 0;
  const [one, other] = [accept('web'), accept('other', { attempts: 2 })];
  const deliveries = [runner.deliver(one), runner.deliver(other)];
  await isRunning(one);
  await isRunning(other);
  expect(values(running)['']).toBe(runningBefore + 2);
  end(one);
  runner.cancel(other);
  await Promise.all(deliveries);
  expect(values(running)['']).toBe(runningBefore);
  expect(ended('type="container.stop",state="succeeded"')).toBe(before + 1);
  expect(ended('type="container.stop",state="cancelled"')).toBe(cancelledBefore + 1);
  // A job that goes on after a crash has begun before.
  expect(values(waitSeconds)['_counttype="container.stop"']).toBe(waitsBefore + 1);
});

/** What was said of jobs of ann's, each on a gear of its own name; every line must say whose they are. */
function saidOf(logged: Record<string, unknown>[], jobs: Record<string, string>) {
  const from = { user: 'ann', token: 'token:1', trace: 'req-1', peer: '192.0.2.1' };
  const gearOf = new Map(Object.entries(jobs).map(([gear, id]) => [id, gear]));
  const said = Object.fromEntries(Object.keys(jobs).map((gear): [string, unknown[]] => [gear, []]));
  for (const line of logged) {
    const resource = gearOf.get(String(line['id'])) ?? 'a gear of no job';
    expect(line).toMatchObject({ ...from, type: 'container.stop', resource });
    if (line['level'] !== 20) said[resource]?.push(line['msg']);
  }
  return said;
}

test('every line of a job says whose it is and where it came from, also where it is replayed or handed back', async () => {
  const { runner, journal, accept, isRunning, end, logged } = setUp();
  const made = (gear: string) => accept(gear, { user: 'ann' });
  const jobs = { ends: made('ends'), replayed: made('replayed'), goes: made('goes') };
  await journal.write(jobs.replayed, { fingerprint: 'f', outcome: { state: 'cancelled' } });
  const over = [jobs.ends, jobs.replayed].map((id) => runner.deliver(id));
  const handedBack = expect(runner.deliver(jobs.goes)).rejects.toBeInstanceOf(HandedBack);
  await isRunning(jobs.ends);
  await isRunning(jobs.goes);
  end(jobs.ends);
  await Promise.all(over);
  await runner.drain(0);
  await handedBack;
  expect(saidOf(logged, jobs)).toEqual({
    ends: ['job begins', speaks, 'job ends'],
    replayed: ['job ends'],
    goes: ['job begins', speaks, 'job continues later'],
  });
});

test('every line of a job that cannot go on says whose it is and where it came from', async () => {
  const { runner, records, journal, accept, isRunning, end, logged } = setUp();
  const made = (gear: string, version?: number) => accept(gear, { user: 'ann' }, version);
  const jobs = { newer: made('newer', payloadVersion + 1), full: made('full'), away: made('away') };
  await expect(runner.deliver(jobs.newer)).rejects.toThrow('newer version');
  const noSpace = Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' });
  vi.spyOn(journal, 'take').mockRejectedValueOnce(noSpace);
  const waited = runner.deliver(jobs.full);
  await isRunning(jobs.full);
  end(jobs.full);
  await waited;
  vi.spyOn(records, 'finish').mockRejectedValueOnce(new Error('Redis is away'));
  const away = expect(runner.deliver(jobs.away)).rejects.toThrow('Redis is away');
  await isRunning(jobs.away);
  end(jobs.away);
  await away;
  expect(saidOf(logged, jobs)).toEqual({
    newer: [stalls],
    full: [stalls, 'job begins', speaks, 'job ends'],
    away: ['job begins', speaks, 'job continues later', stalls],
  });
});

test('a cancellation that only the record tells of ends a running job, and a refused one is looked at once', async () => {
  const { runner, records, authorizer, accept, isRunning, running } = setUp();
  const [web, db] = [accept('web'), accept('db')];
  const delivered = [web, db].map((id) => runner.deliver(id));
  for (const id of [web, db]) await isRunning(id);
  authorizer.cancels.mockImplementation(async (cancel) => cancel === 'by ann');
  await runner.lookForCancellations();
  expect(authorizer.cancels).not.toHaveBeenCalled();
  for (const [id, cancel] of [
    [web, 'by ann'],
    [db, 'forged'],
  ] as const) {
    const record = await records.read(id);
    if (record) record.cancel = cancel;
  }
  for (let look = 0; look < 3; look++) await runner.lookForCancellations();
  await delivered[0];
  expect(records.outcomes.get(web)).toEqual({ state: 'cancelled' });
  expect([...running.keys()]).toEqual([db]);
  expect(authorizer.cancels).toHaveBeenCalledTimes(2);
});

test('a job that an api ends while it waits, for another one or for a slot, leaves the worker at once', async () => {
  const { runner, records, accept, isRunning, end, stagesOf } = setUp({ maxParallelJobs: 2 });
  const running = accept('web'); // One user has half of the slots.
  const [behind, other] = [accept('web', { user: 'bob' }), accept('web', { user: 'bob' })];
  const slotless = accept('db');
  const ran = runner.deliver(running);
  await isRunning(running);
  const left = [behind, slotless].map((id) => runner.deliver(id));
  const stays = runner.deliver(other);
  await until('all wait', () => [behind, other].every((id) => stagesOf(id).includes('behind')));
  expect(stagesOf(slotless).at(-1)).toBe('waiting');
  for (const id of [behind, slotless]) records.cancel(id);
  await runner.scanOpenJobs();
  await Promise.all(left);
  for (const id of [behind, slotless]) expect(records.told).toContain(`drop ${id}`);
  end(running);
  await ran;
  await isRunning(other);
  end(other);
  await stays;
  expect(records.outcomes.get(other)).toMatchObject({ state: 'succeeded' });
});
