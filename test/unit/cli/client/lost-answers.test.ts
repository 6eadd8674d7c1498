import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { cancel } from '../../../../src/cli/client/commands/jobs.ts';
import { createOutput } from '../../../../src/cli/client/output.ts';
import type { Row } from '../../../../src/cli/client/row.ts';
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
