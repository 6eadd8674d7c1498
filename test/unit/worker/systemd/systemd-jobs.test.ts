import { expect, onTestFinished, test, vi } from 'vitest';
import type { Bus } from '../../../../src/worker/systemd/bus.ts';
import { followJobs } from '../../../../src/worker/systemd/systemd-jobs.ts';
import { keepLog } from '../../../support/log-lines.ts';
import { settled } from '../../../support/settled.ts';

/** Jobs of a systemd that is played by the test. */
async function openJobs() {
  const listeners = new Map<string, (body: unknown[]) => void>();
  const bus: Bus = {
    call: async () => [],
    onSignal: ({ member }, listener) => void listeners.set(member, listener),
    onConnect: (task) => task(bus.call),
    close: () => undefined,
  };
  const run = await followJobs(bus, keepLog().log);
  const signal = (member: string, ...body: unknown[]) => listeners.get(member)?.(body);
  return {
    run,
    /** Waits for a job that systemd begins at once. */
    wait: (path: string, stop?: AbortSignal) => run(async () => [path], stop),
    end: (path: string, result: string) => signal('JobRemoved', 1, path, 'gear-a.service', result),
    reexecute: () => signal('NameOwnerChanged', 'org.freedesktop.systemd1', ':1.1', ':1.2'),
  };
}

const passing = { code: 'host_unavailable', transient: true };

test('who gives up while systemd is asked to begin a job does not wait for its end', async () => {
  const { run } = await openJobs();
  const stop = new AbortController();
  const reason = new Error('cancelled');
  const begin = async () => {
    stop.abort(reason);
    return ['/job/1'];
  };
  await expect(run(begin, stop.signal)).rejects.toBe(reason);
});

test('who gives up a wait has given up at once, and the others wait on', async () => {
  const { wait, end } = await openJobs();
  const stop = new AbortController();
  const reason = new Error('cancelled');
  const [leaving, staying] = [wait('/job/1', stop.signal), wait('/job/1')];
  await settled();
  stop.abort(reason);
  await expect(leaving).rejects.toBe(reason);
  end('/job/1', 'done');
  expect(await staying).toBe('done');
});

test('a result that comes before the reply that names its job is not lost', async () => {
  const { run, end } = await openJobs();
  const begin = async () => {
    end('/job/1', 'failed');
    return ['/job/1'];
  };
  expect(await run(begin)).toBe('failed');
});

test('all who wait for a job have its result, and nobody has the result of another', async () => {
  const { wait, end } = await openJobs();
  const waiting = Promise.all([wait('/job/1'), wait('/job/1'), wait('/job/2')]);
  await settled();
  end('/job/3', 'timeout');
  end('/job/1', 'done');
  end('/job/2', 'failed');
  expect(await waiting).toEqual(['done', 'done', 'failed']);
});

test('that systemd is lost is a fault that passes, for all who wait and who are about to', async () => {
  const { run, wait, reexecute } = await openJobs();
  const waiting = Promise.allSettled([wait('/job/1'), wait('/job/1'), wait('/job/2')]);
  await settled();
  reexecute();
  for (const one of await waiting) expect(one).toMatchObject({ reason: passing });
  const begin = async () => {
    reexecute();
    return ['/job/3'];
  };
  await expect(run(begin)).rejects.toMatchObject(passing);
});

test('a job that does not end is a timeout', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const { wait } = await openJobs();
  const refused = expect(wait('/job/1')).rejects.toMatchObject({ code: 'timeout' });
  await settled();
  vi.advanceTimersByTime(60_000);
  await refused;
});
