import { afterAll, afterEach, beforeAll, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { shortId } from '../../src/cli/client/show.ts';
import { createProgram } from '../../src/cli/program.ts';
import { createClient } from '../../src/client/client.ts';
import { Failure } from '../../src/jobs/errors.ts';
import { openFaultyProxy } from '../support/faulty-proxy.ts';
import { openQueueApi, type QueueApi } from '../support/test-api.ts';
import { until } from '../support/until.ts';

let opened: QueueApi;
let written: { stdout: string; stderr: string };
/** Has the next question about a job refused, as by a token that does not allow it. */
let refusesJob = false;
beforeAll(async () => {
  opened = await openQueueApi(undefined, (queue) => ({
    ...queue,
    async job(id) {
      if (!refusesJob) return queue.job(id);
      refusesJob = false;
      throw new Failure('token_forbids', 'the token does not allow job.log');
    },
  }));
  await opened.queue.hold('followed', 'cancelled', 'changed', 'unanswered', 'unseen');
});
afterAll(() => opened.close());

beforeEach(() => {
  written = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    vi.spyOn(process[name], 'write').mockImplementation((text, then?: unknown) => {
      written[name] += String(text);
      if (typeof then === 'function') then();
      return true;
    });
});
afterEach(() => {
  vi.restoreAllMocks();
  process.removeAllListeners('SIGINT');
  process.exitCode = undefined;
});

/** Runs a command against an api; resolves with its exit code. */
async function gear(api: string, ...words: string[]): Promise<unknown> {
  const program = await createProgram(words.slice(0, 1));
  await program.parseAsync([...words, '--api', api], { from: 'user' });
  return process.exitCode;
}

const pressCtrlC = () => process.emit('SIGINT');
const lines = () => written.stderr.split('\n');
const said = (text: string) => until(`it says ${text}`, () => written.stderr.includes(text));

/** The ids of the jobs on a gear. */
async function jobsOn(r: string): Promise<string[]> {
  const client = createClient({ api: opened.api.url, token: '__test__' });
  return (await client.job.list({ r })).jobs.map(({ id }) => id);
}

/** A way to the api on which no answer comes, or all do; `seen` has what was asked. */
async function wayTo(answers: 'none' | 'all') {
  const proxy = await openFaultyProxy(opened.api.url, () => (answers === 'none' ? 0 : null));
  onTestFinished(() => proxy.close());
  return proxy;
}

test('Ctrl-C leaves a job that is followed, and says how to come back to it', async () => {
  const id = await opened.queue.accepted('followed');
  const ended = gear(opened.api.url, 'job', id, '--follow');
  await said('queued');
  pressCtrlC();
  expect(await ended).toBe(130);
  expect(lines()).toContain(`gear: the job goes on: gear job ${id} --follow --api ${opened.api.url}`);
});

test('Ctrl-C leaves a cancellation that is under way, and says how to look at it', async () => {
  const { accepted, worker } = opened.queue;
  const id = await accepted('cancelled');
  await worker.records.begin(await until('the job is recorded', () => worker.records.read(id)));
  const { url, seen } = await wayTo('all');
  const ended = gear(url, 'job', 'cancel', id);
  await until('it waits for the end of the job', () => seen.includes(`GET /job/${id}`));
  pressCtrlC();
  expect(await ended).toBe(130);
  expect(lines()).toEqual([`gear: the cancellation goes on: gear job ${id} --api ${url}`, '']);
});

test('Ctrl-C before a cancellation is answered does not say that it goes on', async () => {
  const { url } = await wayTo('none');
  const ended = gear(url, 'job', 'cancel', '2a');
  await said('trying again');
  pressCtrlC();
  expect(await ended).toBe(130);
  expect(lines()).toContain(`gear: the api may have accepted the cancellation: gear job 2a --api ${url}`);
});

test('Ctrl-C leaves a change that was accepted, and says once how to come back to it and how to end it', async () => {
  const ended = gear(opened.api.url, 'stop', 'changed');
  await said('queued');
  pressCtrlC();
  expect(await ended).toBe(130);
  const [told = '', ...more] = lines().filter((line) => line.includes('goes on'));
  expect(told).toMatch(
    /^gear: changed: the job goes on: gear job (\w+) --follow --api (\S+); to cancel it: gear job cancel \1 --api \2$/,
  );
  expect(more).toEqual([]);
});

test('Ctrl-C before a change is answered names the key by which the same command joins it', async () => {
  const { url } = await wayTo('none');
  const ended = gear(url, 'stop', 'unanswered');
  await said('trying again');
  pressCtrlC();
  expect(await ended).toBe(130);
  const told =
    /^gear: unanswered: the api may have accepted it; the same command with --key (\S+) --api \S+ joins it$/m;
  const [, key = ''] = told.exec(written.stderr) ?? [];
  expect(await gear(opened.api.url, 'stop', 'unanswered', '--key', key, '--detach')).toBe(0);
  expect((await jobsOn('unanswered')).map((id) => `${shortId(id)}\n`)).toEqual([written.stdout]);
});

test('with a token that allows no log of jobs a change still tells of its outcome', async () => {
  refusesJob = true;
  const ended = gear(opened.api.url, 'stop', 'unseen');
  await said('the token does not allow job.log: the steps of the job are not shown');
  for (const id of await jobsOn('unseen')) await opened.queue.execute(id);
  expect(await ended).toBe(0);
  expect(written.stdout).toMatch(/^unseen is stopped on h1, in [\d.]+ s\n$/);
});

test('the exit code says how a job has ended, also where nobody reads the output any more', async () => {
  vi.mocked(process.stdout.write).mockImplementation((_text, then?: unknown) => {
    if (typeof then === 'function') then(new Error('EPIPE'));
    return false;
  });
  const id = await opened.queue.accepted('followed');
  const client = createClient({ api: opened.api.url, token: '__test__' });
  await client.job.cancel({ id });
  expect(await gear(opened.api.url, 'job', id, '--follow')).toBe(1);
  expect(await gear(opened.api.url, 'jobs')).toBe(0);
});
