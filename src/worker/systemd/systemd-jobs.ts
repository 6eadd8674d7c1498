import { EventEmitter, once } from 'node:events';
import type { Logger } from 'pino';
import { Failure, hostUnavailable } from '../../jobs/errors.ts';
import { timeoutSignal } from '../../lib/async/timeout-signal.ts';
import { BoundedMap } from '../../lib/bounded-map.ts';
import { type Bus, BusError, type CallBus } from './bus.ts';

/** The object that manages units. */
export const managerObject = {
  destination: 'org.freedesktop.systemd1',
  path: '/org/freedesktop/systemd1',
  interface: 'org.freedesktop.systemd1.Manager',
} as const;

/** Calls methods of this object. */
export const managerOf =
  (bus: Bus) =>
  (member: string, signature = '', body: unknown[] = []): Promise<unknown[]> =>
    bus.call({ ...managerObject, member, signature, body });

const nameOwnerChanged = { interface: 'org.freedesktop.DBus', member: 'NameOwnerChanged' } as const;

/** The result of a job in systemd (org.freedesktop.systemd1(5), JobRemoved). */
export type JobResult = 'done' | 'canceled' | 'timeout' | 'failed' | 'dependency' | 'skipped' | (string & {});

/**
 * Timeout for a job, in milliseconds: exceeds the TimeoutStopSec of gears. nft is slow, too, on a
 * machine that has just booted with many gears.
 */
const jobDeadline = 60_000;

/** Maximum number of results kept for callers that do not wait for them yet. */
const maxEarlyResults = 1_000;

/**
 * Follows systemd's jobs to their end. JobRemoved may arrive before the reply that names the job,
 * so results without a waiting caller are kept for a while. Returns a function that makes systemd
 * begin a job and waits for its end. It throws `timeout`, or the signal's reason.
 */
export async function followJobs(bus: Bus, log: Logger) {
  const early = new BoundedMap<string, JobResult>(maxEarlyResults);
  // Emits a job's result under its path. systemd merges two calls for the same job into one:
  // several callers may wait for it.
  const ended = new EventEmitter().setMaxListeners(0);

  bus.onSignal({ interface: managerObject.interface, member: 'JobRemoved' }, (body) => {
    const [, path, , result] = body as [number, string, string, JobResult];
    early.set(path, result);
    ended.emit(path, result);
  });

  let timesLost = 0;

  /**
   * systemd does not report again jobs that ended while it was away: callers that wait, or are
   * about to, fail and must check.
   */
  const subscribe = async (call: CallBus) => {
    timesLost++;
    if (ended.listenerCount('error') > 0) ended.emit('error', lost());
    await call({ ...managerObject, member: 'Subscribe' }).catch((error: unknown) => {
      if (!(error instanceof BusError) || !/AlreadySubscribed|FileExists/.test(error.errorName)) throw error;
    });
  };
  await bus.onConnect(subscribe);
  // A re-executed systemd has a new connection to the bus.
  bus.onSignal({ ...nameOwnerChanged, arg0: managerObject.destination }, ([name, , newOwner]) => {
    if (name !== managerObject.destination || newOwner === '') return;
    subscribe(bus.call).catch((error: Error) =>
      log.warn({ reason: error.message }, 'could not subscribe to the signals of systemd'),
    );
  });

  return async (begin: () => Promise<unknown[]>, signal?: AbortSignal): Promise<JobResult> => {
    signal?.throwIfAborted();
    const before = timesLost;
    const [reply] = await begin();
    const path = String(reply);
    const known = early.get(path);
    if (known !== undefined) return known;
    if (timesLost !== before) throw lost();
    const inTime = timeoutSignal(jobDeadline, signal);
    try {
      const [result] = await once(ended, path, { signal: inTime });
      return result;
    } catch (error) {
      signal?.throwIfAborted();
      throw inTime.aborted ? tooSlow() : error;
    }
  };
}

const lost = () => hostUnavailable('the connection to systemd was lost during its job');
const tooSlow = () => new Failure('timeout', `systemd has not finished within ${jobDeadline / 1000} s`);
