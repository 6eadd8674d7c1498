import type { Logger } from 'pino';
import { Failure } from '../../jobs/errors.ts';
import { type Bus, BusError, type CallBus } from './bus.ts';
import type { JobOptions } from './systemd.ts';

/** The object that manages units. */
export const managerObject = {
  destination: 'org.freedesktop.systemd1',
  path: '/org/freedesktop/systemd1',
  interface: 'org.freedesktop.systemd1.Manager',
} as const;

const nameOwnerChanged = { interface: 'org.freedesktop.DBus', member: 'NameOwnerChanged' } as const;

/** How systemd says that a job of its own has ended (org.freedesktop.systemd1(5), JobRemoved). */
export type JobResult = 'done' | 'canceled' | 'timeout' | 'failed' | 'dependency' | 'skipped' | (string & {});

/** So many results are kept for whoever has not asked yet. */
const mostEarlyResults = 1_000;

/**
 * Follows systemd's jobs to their end. JobRemoved may come before the reply that names the job, so that results
 * nobody waits for yet are kept for a while.
 */
export async function followJobs(bus: Bus, log: Logger) {
  const early = new Map<string, JobResult>();
  const waiting = new Map<string, { resolve(result: JobResult): void; reject(error: Error): void }>();

  bus.onSignal({ interface: managerObject.interface, member: 'JobRemoved' }, (body) => {
    const [, path, , result] = body as [number, string, string, JobResult];
    const waiter = waiting.get(path);
    if (waiter) {
      waiter.resolve(result);
      return;
    }
    early.set(path, result);
    const oldest = early.keys().next().value;
    if (early.size > mostEarlyResults && oldest !== undefined) early.delete(oldest);
  });

  /** What has ended while systemd was away is not told again: whoever waits must look. */
  const subscribe = async (call: CallBus) => {
    for (const { reject } of waiting.values()) reject(lost());
    await call({ ...managerObject, member: 'Subscribe' }).catch((error: unknown) => {
      if (!(error instanceof BusError) || !/AlreadySubscribed|FileExists/.test(error.errorName)) throw error;
    });
  };
  await bus.onConnect(subscribe);
  // systemd that was re-executed has a new connection to the bus.
  bus.onSignal({ ...nameOwnerChanged, arg0: managerObject.destination }, ([name, , newOwner]) => {
    if (name !== managerObject.destination || newOwner === '') return;
    subscribe(bus.call).catch((error: Error) =>
      log.warn({ reason: error.message }, 'systemd was not subscribed to'),
    );
  });

  return {
    /** Makes systemd begin a job and waits for its end. Throws `timeout`, or the signal's reason. */
    async run(begin: () => Promise<unknown[]>, { deadlineMs, signal }: JobOptions): Promise<JobResult> {
      signal?.throwIfAborted();
      const [reply] = await begin();
      const path = String(reply);
      const known = early.get(path);
      early.delete(path);
      if (known !== undefined) return known;
      let cleanUp = () => {};
      try {
        return await new Promise<JobResult>((resolve, reject) => {
          const timer = setTimeout(() => reject(tooSlow(deadlineMs)), deadlineMs);
          const aborted = () => reject(signal?.reason as Error);
          signal?.addEventListener('abort', aborted);
          waiting.set(path, { resolve, reject });
          cleanUp = () => {
            clearTimeout(timer);
            signal?.removeEventListener('abort', aborted);
            waiting.delete(path);
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
