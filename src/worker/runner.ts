import type { Logger } from 'pino';
import { Failure, problemOf } from '../jobs/errors.ts';
import { resourceName } from '../jobs/identifier.ts';
import { isFinal, type Job, type Outcome } from '../jobs/job.ts';
import { payloadVersion } from '../jobs/payload-version.ts';
import { kindOf } from '../jobs/registry.ts';
import { heartbeatInterval, type JobRecord, type WorkerLedger } from '../queue/open-worker-queue.ts';
import type { Handlers } from './context.ts';
import { execute } from './execute.ts';
import type { Gate, PassedJob } from './gate.ts';
import { Cancelled, HandedBack } from './interruptions.ts';
import type { Journal, JournalEntry } from './journal.ts';
import { isOnDisk } from './on-disk.ts';
import type { Room } from './room.ts';

/** Milliseconds after which a job looks again whether it is its turn, in case nobody told it. */
const turnInterval = 2_000;

export interface Runner {
  /**
   * Brings a job to its end when its turn has come. Delivered again while it is under way, it is joined. Rejects
   * when it is to be delivered again later.
   */
  deliver(id: string): Promise<void>;
  /** Aborts a job that runs; returns whether it does. */
  cancel(id: string): boolean;
  /** Takes nothing more and, after the grace (milliseconds), hands back what still runs. */
  drain(grace: number): Promise<void>;
}

export interface RunnerParts {
  ledger: WorkerLedger;
  gate: Gate;
  journal: Journal;
  room: Room;
  handlers: Handlers;
  /** Kept up to date by the runner: the gears on which a job runs. */
  busy: Set<string>;
  log: Logger;
}

interface UnderWay {
  over: Promise<void>;
  abort: AbortController;
  /** Tells it to look whether it is its turn. */
  wake(): void;
}

/** A job that nobody took for so many milliseconds has waited for a host that was away: one that lives takes it at once. */
const away = 2 * heartbeatInterval;

/** Whether all that is left of a job afterwards is that the gear runs, or does not. */
const decidesWhetherItRuns = ({ type }: Pick<Job, 'type'>) =>
  type === 'container.start' || type === 'container.stop';

/**
 * Runs the jobs of a host: on one gear in the order in which they were accepted, on different room side by side.
 *
 * Invariants: a job is under way at most once in this process, and one process is the worker of this host
 * (lockHost). A job begins only when it is the first in its gear's line in the ledger.
 */
export function createRunner({ ledger, gate, journal, room, handlers, busy, log }: RunnerParts): Runner {
  const underWay = new Map<string, UnderWay>();
  const stopping = new AbortController();
  const tooNew = new Set<string>();

  function deliver(id: string): Promise<void> {
    const known = underWay.get(id);
    if (known) return known.over;
    if (stopping.signal.aborted || !/^[0-9a-f]{32}$/.test(id)) {
      return stopping.signal.aborted ? Promise.reject(new HandedBack()) : Promise.resolve();
    }
    const entry: UnderWay = { over: Promise.resolve(), abort: new AbortController(), wake: () => {} };
    underWay.set(id, entry);
    entry.over = run(id, entry).finally(() => underWay.delete(id));
    return entry.over;
  }

  async function run(id: string, entry: UnderWay): Promise<void> {
    const record = await ledger.read(id);
    if (!record) return;
    if (isFinal(record.job.state)) return ledger.drop(record.job);
    if (record.version > payloadVersion) return leaveQueued(record);
    // Before its turn: what is refused holds up nobody, and what is taken does not get too late by waiting.
    if (!(await journal.read(id)) && !(await admit(record))) return;
    for (;;) {
      if (stopping.signal.aborted) throw new HandedBack();
      const turn = await ledger.begin(record);
      if (turn.turn === 'over') return ledger.drop(record.job);
      if (turn.turn === 'begun') return wakeNext(await bringToEnd(turn.record, entry));
      const woken = nextTurn(entry);
      await nudge(turn.first, record);
      await woken;
    }
  }

  /** Leaves a job to a worker that is newer than this one; told once. */
  function leaveQueued({ version, job: { id } }: JobRecord): never {
    if (!tooNew.has(id))
      log.warn({ id, version }, 'a job of a newer version stays queued; upgrade this worker');
    tooNew.add(id);
    throw new HandedBack();
  }

  /** The job if it passes the gate; otherwise it is over. */
  async function admit(record: JobRecord): Promise<PassedJob | null> {
    const { id } = record.job;
    try {
      const taken = await ledger.take(id);
      if (taken === 'over') return drop(record);
      if (taken === 'expired') {
        const reason = 'the host was away for longer than the job was to wait';
        gate.turnedAway(record, reason);
        throw new Failure('expired', reason);
      }
      const passed = await gate.job(record, (digest) => journal.wasTaken(id, digest));
      await journal.take(id, passed.digest);
      return passed;
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      const problem = problemOf(error.code, error.message, { job: id, host: room.host });
      wakeNext(await ledger.finish(record, { state: 'failed', error: problem }, await isHere(record)));
      return null;
    }
  }

  async function drop(record: JobRecord): Promise<null> {
    await ledger.drop(record.job);
    return null;
  }

  /** Whether what a record is about is on this host; the record may be anybody's. */
  async function isHere({ job: { type, resource } }: JobRecord): Promise<boolean> {
    const kind = kindOf(type);
    return (
      kind !== 'host' && resourceName.safeParse(resource).success && isOnDisk(room.paths, kind, resource)
    );
  }

  /** Resolves when somebody says that it may be our turn, or after a while. */
  function nextTurn(entry: UnderWay): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, turnInterval);
      entry.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Makes sure that the job before us is under way; one whose record is gone must not be waited for. */
  async function nudge(first: string, behind: JobRecord): Promise<void> {
    if (underWay.has(first)) return;
    if (!(await ledger.read(first))) await ledger.drop({ ...behind.job, id: first });
    else deliverQuietly(first);
  }

  function wakeNext(next: string | null): void {
    if (!next) return;
    const waiting = underWay.get(next);
    if (waiting) waiting.wake();
    else deliverQuietly(next);
  }

  function deliverQuietly(id: string): void {
    deliver(id).catch((error: Error) =>
      log.debug({ id, reason: error.message }, 'a job waits for its delivery'),
    );
  }

  /** Runs the job unless the journal knows that it was done; returns the next in line. */
  async function bringToEnd(record: JobRecord, entry: UnderWay): Promise<string | null> {
    const { id, type, resource, attempts } = record.job;
    const started = performance.now();
    const jobLog = log.child({ id, type, resource });
    const known = await journal.read(id);
    const passed = known ? null : await admit(record); // Once more: keys may have been taken back since.
    if (!known && !passed) return null;
    if (known) gate.turnedAway(record, 'it was done before; its outcome is told again');
    else jobLog.info({ attempts }, 'job begins');
    const kind = kindOf(type);
    if (kind === 'gear') busy.add(resource);
    try {
      const outcome = passed
        ? ((await superseded(record)) ?? (await executeOne(record, passed, entry, jobLog)))
        : recall(record, known);
      if (!known) await journal.write(id, { fingerprint: record.fingerprint, outcome });
      const next = await ledger.finish(record, outcome, await isHere(record));
      const ms = Math.round(performance.now() - started);
      const code = outcome.state === 'failed' ? outcome.error.code : undefined;
      jobLog.info({ outcome: outcome.state, code, ms }, 'job ends');
      return next;
    } catch (error) {
      if (error instanceof HandedBack) {
        await ledger.handBack(id);
        jobLog.info({ outcome: 'handed back' }, 'job goes on later');
      }
      throw error;
    } finally {
      if (kind === 'gear') busy.delete(resource);
    }
  }

  async function executeOne(
    record: JobRecord,
    { change: { command } }: PassedJob,
    entry: UnderWay,
    jobLog: Logger,
  ): Promise<Outcome> {
    const { id, type, resource } = record.job;
    const cancelled = record.cancel !== null && (await gate.cancels(record.cancel, record));
    const work = () =>
      execute(record.job, command, {
        room,
        handlers,
        cancelled,
        signal: entry.abort.signal,
        report: (progress) => ledger.progress(id, progress),
        countAttempt: async () => {
          await ledger.begin(record);
        },
        log: jobLog,
      });
    return kindOf(type) === 'gear' ? room.gearLocks.hold(resource, work) : work();
  }

  /**
   * A start or stop that waited while its host was gone is pointless where another one comes right after it: only the
   * newest takes effect.
   */
  async function superseded(record: JobRecord): Promise<Outcome | null> {
    const waited = (record.takenAt ?? 0) - Date.parse(record.job.createdAt);
    if (!decidesWhetherItRuns(record.job) || waited < away) return null;
    const next = await ledger.next(record);
    if (next?.job.state !== 'queued' || !decidesWhetherItRuns(next.job)) return null;
    const allowed = await gate.job(next, async () => false).catch(() => null);
    return allowed && { state: 'cancelled', result: { supersededBy: next.job.id } };
  }

  /** What became of a job that was done before; under the same id another request is not the same job. */
  function recall(record: JobRecord, known: JournalEntry | null): Outcome {
    if (!known) throw new Error('there is nothing to recall');
    if (known.fingerprint === record.fingerprint) return known.outcome;
    const detail = 'this request id was used for another request on this host';
    return { state: 'failed', error: problemOf('request_id_reused', detail, { job: record.job.id }) };
  }

  return {
    deliver,
    cancel(id) {
      const entry = underWay.get(id);
      entry?.abort.abort(new Cancelled());
      return entry !== undefined;
    },
    async drain(grace) {
      stopping.abort();
      for (const { wake } of underWay.values()) wake();
      const timer = setTimeout(() => {
        for (const { abort } of underWay.values()) abort.abort(new HandedBack());
      }, grace);
      await Promise.allSettled([...underWay.values()].map(({ over }) => over));
      clearTimeout(timer);
    },
  };
}
