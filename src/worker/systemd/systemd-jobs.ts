import type { Logger } from 'pino';
import { Failure } from '../../jobs/errors.ts';
import { type Bus, BusError, type CallBus } from './bus.ts';

/** The object that manages units. */
export const managerObject = {
  destination: 'org.freedesktop.systemd1',
  path: '/org/freedesktop/systemd1',
  interface: 'org.freedesktop.systemd1.Manager',
} as const;

const nameOwnerChanged = { interface: 'org.freedesktop.DBus', member: 'NameOwnerChanged' } as const;

/** The result of a job in systemd (org.freedesktop.systemd1(5), JobRemoved). */
export type JobResult = 'done' | 'canceled' | 'timeout' | 'failed' | 'dependency' | 'skipped' | (string & {});

export interface JobOptions {
  deadlineMs: number;
  signal?: AbortSignal;
}

/** Maximum number of results kept for callers that do not wait for them yet. */
const maxEarlyResults = 1_000;

/**
 * Follows systemd's jobs to their end. JobRemoved may arrive before the reply that names the job,
 * so results without a waiting caller are kept for a while.
 */
export async function followJobs(bus: Bus, log: Logger) {
  const early = new Map<string, JobResult>();
  // systemd merges two calls for the same job into one: several callers may wait for it.
  const waiting = new Set<{ path: string; resolve(result: JobResult): void; reject(error: unknown): void }>();

  bus.onSignal({ interface: managerObject.interface, member: 'JobRemoved' }, (body) => {
    const [, path, , result] = body as [number, string, string, JobResult];
    for (const waiter of waiting) if (waiter.path === path) waiter.resolve(result);
    early.set(path, result);
    const oldest = early.keys().next().value;
    if (early.size > maxEarlyResults && oldest !== undefined) early.delete(oldest);
  });

  let timesLost = 0;

  /**
   * systemd does not report again jobs that ended while it was away: callers that wait, or are
   * about to, fail and must check.
   */
  const subscribe = async (call: CallBus) => {
    timesLost++;
    for (const { reject } of waiting) reject(lost());
    await call({ ...managerObject, member: 'Subscribe' }).catch((error: unknown) => {
      if (!(error instanceof BusError) || !/AlreadySubscribed|FileExists/.test(error.errorName)) throw error;
    });
  };
  await bus.onConnect(subscribe);
  // A re-executed systemd has a new connection to the bus.
  bus.onSignal({ ...nameOwnerChanged, arg0: managerObject.destination }, ([name, , newOwner]) => {
    if (name !== managerObject.destination || newOwner === '') return;
    subscribe(bus.call).catch((error: Error) =>
      log.warn({ reason: error.message }, 'systemd was not subscribed to'),
    );
  });

  return {
    /**
     * Makes systemd begin a job and waits for its end. Throws `timeout`, or the signal's reason.
     */
    async run(begin: () => Promise<unknown[]>, { deadlineMs, signal }: JobOptions): Promise<JobResult> {
      signal?.throwIfAborted();
      const before = timesLost;
      const [reply] = await begin();
      const path = String(reply);
      const known = early.get(path);
      if (known !== undefined) return known;
      if (timesLost !== before) throw lost();
      let cleanUp = () => {};
      try {
        return await new Promise<JobResult>((resolve, reject) => {
          const timer = setTimeout(() => reject(tooSlow(deadlineMs)), deadlineMs);
          const aborted = () => reject(signal?.reason);
          signal?.addEventListener('abort', aborted);
          const waiter = { path, resolve, reject };
          waiting.add(waiter);
          cleanUp = () => {
            clearTimeout(timer);
            signal?.removeEventListener('abort', aborted);
            waiting.delete(waiter);
          };
        });
      } finally {
        cleanUp();
      }
    },
  };
}

const lost = () => new Failure('host_unavailable', 'systemd was lost while it worked', { transient: true });
const tooSlow = (milliseconds: number) =>
  new Failure('timeout', `systemd has not finished within ${milliseconds / 1000} s`);
