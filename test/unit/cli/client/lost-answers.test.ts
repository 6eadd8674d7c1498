import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { cancel } from '../../../../src/cli/client/commands/jobs.ts';
import { anyRequest } from '../../../../src/cli/client/commands/requests.ts';
import { createOutput } from '../../../../src/cli/client/output.ts';
import type { Row } from '../../../../src/cli/client/row.ts';
import { Interrupted } from '../../../../src/cli/client/session.ts';
import { hosts } from '../../../../src/cli/host/command.ts';
import { type CallOptions, GeardError } from '../../../../src/client/client.ts';
import type { JobState } from '../../../../src/jobs/job.ts';
import { NotConnected } from '../../../../src/lib/http/fetch.ts';

let written: { stdout: string; stderr: string };
beforeEach(() => {
  written = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    vi.spyOn(process[name], 'write').mockImplementation((text, done?: unknown) => {
      written[name] += String(text);
      if (typeof done === 'function') done();
      return true;
    });
});
afterEach(() => {
  vi.restoreAllMocks();
});

/** Runs a command with what takes the place of the client. */
const run = (row: Row<never> | undefined, client: object, args: string[]) => {
  const { signal } = new AbortController();
  return row?.run({ ...createOutput({}), client, signal, args, flags: {} } as never);
};

const finished = new GeardError('job_finished', 'there is nothing to cancel', { status: 409 });

test('a job that is cancelled already, as by an attempt whose answer was lost, is a success', async () => {
  const job = { cancel: () => Promise.reject(finished), read: async () => ({ state: 'cancelled' }) };
  expect(await run(cancel as Row<never>, { job }, ['2a'])).toBe(0);
  expect(written.stdout).toBe('the job is cancelled\n');
});

test.each<JobState | null>([
  'succeeded',
  'failed',
  null,
])('a cancellation of a job that has %s is refused', async (state) => {
  const read = async () => (state === null ? Promise.reject(new Error('token_forbids')) : { state });
  const refused = run(cancel as Row<never>, { job: { cancel: () => Promise.reject(finished), read } }, [
    '2a',
  ]);
  await expect(refused).rejects.toBe(finished);
});

/** Removes a host by a client whose first attempt ends with this error; the next finds no host. */
function removedAfter(first: Error | undefined) {
  const host = {
    async remove(_: object, { onRetry }: CallOptions) {
      if (first) onRetry?.(first, 0);
      throw new GeardError('host_not_found', 'there is no host h2', { status: 404 });
    },
  };
  return run(hosts['remove'], { host }, ['h2']);
}

test('a host that is not there after an attempt without an answer may have been removed by it', async () => {
  expect(await removedAfter(new TypeError('lost'))).toBe(1);
  const said = 'gear: h2: is not in the fleet; an attempt that had no answer may have removed it\n';
  expect(written).toEqual({ stdout: '', stderr: said });
});

test.each([
  ['at the first attempt', undefined],
  ['after an attempt that never arrived', new NotConnected('lost')],
  ['after an attempt that was refused', new GeardError('queue_unavailable', 'no', { status: 503 })],
])('a host that is not there %s is a failure', async (_, first) => {
  await expect(removedAfter(first)).rejects.toThrow('there is no host h2');
});

/** Runs `gear api METHOD /container` against a server that reads the request and ends the connection. */
async function unanswered(method: 'GET' | 'PUT', flags: object, interrupt = false) {
  const interrupted = new AbortController();
  const server = createServer((request) => {
    if (interrupt) interrupted.abort(new Interrupted());
    else request.socket.destroy();
  });
  onTestFinished(() => void server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const connection = { api: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, token: 'none' };
  const session = { ...createOutput({}), connection, signal: interrupted.signal };
  return anyRequest[method]?.run({ ...session, args: ['/container'], flags } as never);
}

test('a change by gear api whose answer is lost names the key that joins it', async () => {
  expect(await unanswered('PUT', { data: '{}' })).toBe(1);
  expect(written.stderr).toMatch(
    /^gear: the api at .*\ngear: the api may have accepted it; the same command with --key gear-[0-9a-f-]{36} joins it\n$/,
  );
  expect(await unanswered('PUT', { key: 'mine', context: 'far' })).toBe(1);
  expect(written.stderr).toContain('--key mine --context far joins it\n');
});

test('a change by gear api that is interrupted names the key that joins it', async () => {
  expect(await unanswered('PUT', { key: 'mine' }, true)).toBe(130);
  expect(written.stderr).toBe(
    'gear: the api may have accepted it; the same command with --key mine joins it\n',
  );
});

test('a change by gear api whose key cannot be sent does not say that it may have arrived', async () => {
  await expect(unanswered('PUT', { key: '€' })).rejects.toThrow(TypeError);
  expect(written.stderr).toBe('');
});

test('a read by gear api whose answer is lost is a failure without a key', async () => {
  await expect(unanswered('GET', {})).rejects.toThrow(TypeError);
  expect(written.stderr).toBe('');
});
