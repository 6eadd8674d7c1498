import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ErrorCode, Failure } from '../../../../src/jobs/errors.ts';
import type { JobContext } from '../../../../src/worker/jobs/context.ts';
import { fetchCopy } from '../../../../src/worker/repository/fetch-copy.ts';

let directory: string;
let abort: AbortController;
let told: string[];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'geard-copy-'));
  abort = new AbortController();
  told = [];
});
afterEach(() => rm(directory, { recursive: true }));

type Body = (signal: AbortSignal) => AsyncIterable<Uint8Array>;

/** Fetches what an api brings, on a host whose copies may have one MiB and one second. */
function fetch(body: Body) {
  const limits = { seconds: 1, megabytes: 1, objects: 9 };
  const repositories = {
    limits,
    requestCopy: async (_job: string, _source: string, signal: AbortSignal) => body(signal),
  };
  const context = {
    ...{ job: 'a'.repeat(32), signal: abort.signal, services: { repositories } },
    report: ({ message }: { message: string }) => void told.push(message),
  };
  return fetchCopy('site', directory, context as unknown as JobContext);
}

const bytes = (...texts: string[]): Body =>
  async function* () {
    for (const text of texts) yield Buffer.from(text);
  };
const never = async (signal: AbortSignal) => {
  if (!signal.aborted) await once(signal, 'abort');
  throw signal.reason;
};
const bundle = () => readFile(join(directory, 'bundle'), 'utf8');
const head = '{"branch":"main","empty":false}\n';

test.each([
  [[`${head}pack`]],
  [[head, 'pack']],
  [[...head, ...'pack']],
  [[head.slice(0, 5), `${head.slice(5)}pa`, 'ck']],
])('the line and the bundle are told apart however they come: %j', async (parts) => {
  expect(await fetch(bytes(...parts))).toEqual({ branch: 'main', empty: false });
  expect(await bundle()).toBe('pack');
  expect((await stat(join(directory, 'bundle'))).mode & 0o777).toBe(0o644);
  expect(told[0]).toMatch(/^0\.0 MiB of site/);
});

test.each([
  '',
  '\n',
  'pack',
  '# v2 git bundle\n',
  '{"branch":"main"}\n',
  '{"branch":"--upload-pack=x","empty":false}\n',
  '{"branch":"a b","empty":false}\n',
  '{"branch":"main","empty":false,"more":1}\n',
  'x'.repeat(5_000),
])('%j is no copy', async (text) => {
  await expect(fetch(bytes(text))).rejects.toMatchObject({ code: 'clone_failed', transient: false });
});

test('what is larger than a repository may be is not taken', async () => {
  const large = bytes(head, ...Array(20).fill('x'.repeat(100_000)));
  await expect(fetch(large)).rejects.toMatchObject({ code: 'clone_failed', transient: false });
  expect((await bundle()).length).toBeLessThanOrEqual(1024 * 1024);
});

test('what takes longer than it may is a timeout, and its source is told to end', async () => {
  let reason: unknown;
  const slow: Body = async function* (signal) {
    signal.addEventListener('abort', () => {
      reason = signal.reason;
    });
    yield Buffer.from(head);
    await never(signal);
  };
  await expect(fetch(slow)).rejects.toMatchObject({ code: 'timeout' });
  expect(reason).toBeDefined();
});

test('a job that is cancelled fails with that', async () => {
  const fetching = fetch(async function* (signal) {
    yield Buffer.from(head);
    await never(signal);
  });
  abort.abort(new Error('cancelled'));
  await expect(fetching).rejects.toThrow('cancelled');
});

test.each<[ErrorCode, ErrorCode, boolean]>([
  ['repository_not_found', 'repository_not_found', false],
  ['token_forbids', 'token_forbids', false],
  ['expired', 'expired', false],
  ['internal', 'clone_failed', false],
  ['host_unavailable', 'host_unavailable', true],
  ['queue_unavailable', 'host_unavailable', true],
  ['queue_full', 'host_unavailable', true],
])('%s of the source is %s of the job; may pass: %s', async (code, expected, transient) => {
  // biome-ignore lint/correctness/useYield: it fails at once.
  const failing: Body = async function* () {
    throw new Failure(code, 'why');
  };
  await expect(fetch(failing)).rejects.toMatchObject({ code: expected, message: 'why', transient });
});
