import { afterEach, expect, test, vi } from 'vitest';
import { type ChangeFlags, change } from '../../../../src/cli/client/change.ts';
import { createOutput } from '../../../../src/cli/client/output.ts';
import type { Call } from '../../../../src/cli/client/row.ts';
import { Interrupted } from '../../../../src/cli/client/session.ts';
import type { Flags } from '../../../../src/cli/options/config.ts';
import { type CallOptions, type Change, GeardError } from '../../../../src/client/client.ts';
import type { Job } from '../../../../src/jobs/job.ts';
import { BrokenOff, NotConnected } from '../../../../src/lib/http/fetch.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

const api = 'http://127.0.0.1:1';
type Send = (options: CallOptions) => Promise<never>;

/** Sends a change for each name by `send`; resolves with the exit code and the lines for the user. */
async function changed(
  names: string[],
  send: Send,
  { flags = {} as ChangeFlags & Flags, interrupt = new AbortController() } = {},
) {
  let stderr = '';
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    stderr += String(text);
    return true;
  });
  const call: Call<ChangeFlags> = {
    ...createOutput(flags),
    client: {} as never, // `send` takes its place.
    ...{ flags, args: names, signal: interrupt.signal, connection: { api, token: '__test__' } },
  };
  const status = await change(call, {
    names,
    send: (_, options) => send(options) as unknown as Change<'container.restart'>,
    show: () => '',
  });
  return { status, lines: stderr.split('\n').slice(0, -1) };
}

/** Sends nothing for good; the user presses Ctrl-C when so many changes wait for an answer. */
function interruptedAfter(count: number) {
  const keys: (string | undefined)[] = [];
  const interrupt = new AbortController();
  const send: Send = ({ key, signal }) =>
    new Promise((_, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      if (keys.push(key) === count) interrupt.abort(new Interrupted());
    });
  return { keys, interrupt, send };
}

test('after Ctrl-C every name tells the one key by which the same command joins all', async () => {
  const { keys, interrupt, send } = interruptedAfter(2);
  const { status, lines } = await changed(['a', 'b'], send, { interrupt });
  const [key = ''] = keys[0]?.split(/-a$/) ?? [];
  expect(key).toMatch(/^gear-/);
  expect(keys).toEqual([`${key}-a`, `${key}-b`]);
  expect(status).toBe(130);
  expect(lines).toEqual(
    ['a', 'b'].map(
      (name) => `gear: ${name}: the api may have accepted it; the same command with --key ${key} joins it`,
    ),
  );
});

test('a name whose turn had not come at Ctrl-C was not sent, and that is told', async () => {
  const names = [...'abcdefghij'];
  const { keys, interrupt, send } = interruptedAfter(8);
  const { status, lines } = await changed(names, send, { interrupt, flags: { quiet: true } });
  expect([status, keys.length]).toEqual([130, 8]);
  expect(lines.slice(-2)).toEqual(['gear: i: was not sent', 'gear: j: was not sent']);
});

const because = (code: string) => ({ cause: Object.assign(new Error('no'), { code }) });
const away = new NotConnected('lost', because('ECONNREFUSED'));
const silent = new TypeError('lost', because('ECONNRESET'));
const brokenOff = new BrokenOff('lost', because('ECONNRESET'));
const answer = (status: number, code?: 'container_not_found' | 'queue_unavailable') =>
  new GeardError(code, 'no', { status });

const joins = 'gear: a: the api may have accepted it; the same command with --key mine joins it';
const lost = `gear: a: the api at ${api} has broken off its answer (ECONNRESET)`;

test.each<[what: string, errors: Error[], hint: string[]]>([
  ['an answer that breaks off', [brokenOff], [joins]],
  ['no answer', [silent], [joins]],
  ['no answer, and then no api', [silent, away], [joins]],
  ['no answer, and then no Redis', [silent, answer(503, 'queue_unavailable')], [joins]],
  ['no answer, and then the login page of a proxy', [silent, answer(200)], [joins]],
  ['a proxy without an answer', [answer(504)], [joins]],
  ['no api at all', [away, away], []],
  ['a refusal', [answer(404, 'container_not_found')], []],
  ['no answer, and then a refusal', [silent, answer(404, 'container_not_found')], []],
])('%s: the key is told if the change may have been accepted', async (_, errors, hint) => {
  const send: Send = async ({ onRetry }) => {
    for (const error of errors.slice(0, -1)) onRetry?.(error, 0);
    throw errors.at(-1);
  };
  const { status, lines } = await changed(['a'], send, { flags: { key: 'mine' } });
  expect([status, lines.slice(1)]).toEqual([1, hint]);
  if (errors[0] === brokenOff) expect(lines[0]).toBe(lost); // Without: run the command again.
});

test('a change that was accepted is come back to by its job, however its connection ends', async () => {
  const done = () => Promise.reject(brokenOff);
  const accepted = { id: '0000002a' } as Job;
  const send: Send = () => Object.assign(Promise.resolve(accepted), { done, async *events() {} }) as never;
  expect(await changed(['a'], send)).toEqual({
    status: 1,
    lines: [lost, 'gear: a: the job goes on: gear job 2a --follow'],
  });
});

const given = { context: 'prod', tokenFile: 'my token' };
const again = "--context prod --token-file 'my token'";

test('a hint names the api as the command line did', async () => {
  const { interrupt, send } = interruptedAfter(1);
  const stopped = await changed(['a'], send, { flags: { ...given, key: 'mine' }, interrupt });
  expect(stopped.lines).toEqual([joins.replace('--key mine', `--key mine ${again}`)]);
  const failed = new GeardError('start_failed', 'no', { job: {} as Job });
  const { lines } = await changed(['a'], () => Promise.reject(failed), { flags: given });
  expect(lines.at(-1)).toBe(`gear: see: gear logs a ${again}`);
});

test('a job that goes on is followed and cancelled at the same api', async () => {
  const interrupt = new AbortController();
  const events = () => {
    interrupt.abort(new Interrupted());
    throw interrupt.signal.reason;
  };
  const send: Send = () => Object.assign(Promise.resolve({ id: '2a' }), { events }) as never;
  const { lines } = await changed(['a'], send, { flags: given, interrupt });
  expect(lines).toEqual([
    `gear: a: the job goes on: gear job 2a --follow ${again}; to cancel it: gear job cancel 2a ${again}`,
  ]);
});
