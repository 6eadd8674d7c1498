import { setMaxListeners } from 'node:events';
import type { Logger } from 'pino';
import { Failure, problemOf } from '../../jobs/errors.ts';
import { resourceName } from '../../jobs/fields/identifier.ts';
import { requestId } from '../../jobs/fields/request-id.ts';
import { isFinal, type Job, type Outcome } from '../../jobs/job.ts';
import { payloadVersion } from '../../jobs/payload-version.ts';
import { kindOf } from '../../jobs/registry.ts';
import { Limiter, shared } from '../../lib/async/limiter.ts';
import { pause } from '../../lib/async/pause.ts';
import { heartbeatInterval, type JobRecord, type WorkerLedger } from '../../queue/worker-queue.ts';
import type { AuthorizedJob, Authorizer } from '../authorization.ts';
import { asDiskFailure } from '../host/files.ts';
import type { HostServices } from '../host-services.ts';
import { isOnDisk } from '../host-state/on-disk.ts';
import type { Handlers } from './context.ts';
import { execute } from './execute.ts';
import { Cancelled, HandedBack } from './interruptions.ts';
import type { Journal, JournalEntry } from './job-journal.ts';

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
  authorizer: Authorizer;
  journal: Journal;
  services: HostServices;
  handlers: Handlers;
  /** Kept up to date by the runner: the gears on which a job runs. */
  busy: Set<string>;
  /** Jobs that run side by side; the others wait, each for its user's turn. */
  maxParallelJobs: number;
  log: Logger;
}

interface UnderWay {
  over: Promise<void>;
  /** Ends its work. */
  abort: AbortController;
  /** Ends also the taking back of what it has begun. */
  handBack: AbortController;
  /** The job that must be over before it may begin; null: none, or not known. */
  behind: string | null;
  /** Tells it to look whether it is its turn. */
  wake(): void;
}

/** A job that may be done, and when that was found out (performance.now()). */
type Admitted = AuthorizedJob & { at: number };

/** Milliseconds for which an admission holds: keys may have been taken back while the job has waited for longer. */
const admissionHolds = 1_000;
/** Milliseconds between two tries to write to a full disk, and for which one reason is not logged again. */
const diskInterval = 1_000;
const quietTime = 60_000;

/** A job that nobody took for so many milliseconds has waited for a host that was away: one that lives takes it at once. */
const away = 2 * heartbeatInterval;

/** Whether all that is left of a job afterwards is that the gear runs, or does not. */
const decidesWhetherItRuns = ({ type }: Pick<Job, 'type'>) =>
  type === 'container.start' || type === 'container.stop';

/**
 * Runs the jobs of a host. Jobs of one gear run in the order in which they were accepted, jobs of different gears side by
 * side, so many at a time and by turns between users.
 *
 * Invariants:
 * 1. A job is under way at most once in this process, and one process is the worker of this host (lockHost).
 * 2. A job begins only when it is the first in its gear's line in the ledger.
 * 3. What is to be done comes from the client's own request, authorized a moment ago; never from Redis.
 * 4. An outcome is on disk before it is told: a job whose outcome is in the journal is never done again.
 */
export function createRunner(parts: RunnerParts): Runner {
  const { ledger, authorizer, journal, services, handlers, busy, maxParallelJobs, log } = parts;
  const underWay = new Map<string, UnderWay>();
  const turns = new Limiter(shared(maxParallelJobs));
  const stopping = new AbortController();
  setMaxListeners(0, stopping.signal); // Every job that waits for its turn listens to it.
  let newestTold = payloadVersion;
  let lastTold = { reason: '', at: 0 };

  function deliver(id: string): Promise<void> {
    const known = underWay.get(id);
    // Who waits for a job that is not under way any more has to look for itself.
    if (known?.behind && !underWay.has(known.behind)) known.wake();
    if (known) return known.over;
    if (stopping.signal.aborted) return Promise.reject(new HandedBack());
    if (!requestId.safeParse(id).success) return Promise.resolve();
    const [abort, handBack] = [new AbortController(), new AbortController()];
    const entry: UnderWay = { over: Promise.resolve(), abort, handBack, behind: null, wake: () => {} };
    underWay.set(id, entry);
    entry.over = run(id, entry)
      .catch((error: unknown) => {
        if (!(error instanceof HandedBack)) tell(id, error);
        throw error;
      })
      .finally(() => underWay.delete(id));
    return entry.over;
  }

  /** The same reason is told once a minute: all open jobs may have it. */
  function tell(id: string, error: unknown): void {
    const reason = (asDiskFailure(error) ?? (error as Error)).message;
    if (reason === lastTold.reason && performance.now() - lastTold.at < quietTime) return;
    lastTold = { reason, at: performance.now() };
    log.warn({ id, reason, err: error }, 'a job cannot go on; it is tried again');
  }

  async function run(id: string, entry: UnderWay): Promise<void> {
    const record = await ledger.read(id);
    if (!record) return ledger.forget(id);
    if (isFinal(record.job.state)) return drop(record);
    if (record.version > payloadVersion) return leaveQueued(record);
    // Before its turn: what is refused holds up nobody, and what is taken does not get too late by waiting.
    const admitted = (await journal.read(id)) ? null : await admit(record);
    if (admitted === 'over') return;
    const tenant = admitted?.tenant ?? record.job.user;
    for (;;) {
      const first = await turns.run(tenant, () => takeTurn(record, admitted, entry), stopping.signal);
      if (first === null) return;
      const woken = untilWoken(entry, first);
      await ensureStarted(first, record);
      await woken;
    }
  }

  /** Begins a job and brings it to its end if it is its turn; otherwise returns the job that is before it. */
  async function takeTurn(record: JobRecord, admitted: Admitted | null, entry: UnderWay) {
    stopping.signal.throwIfAborted();
    const turn = await ledger.begin(record);
    if (turn.turn === 'behind') return turn.first;
    if (turn.turn === 'over') await drop(record);
    else wakeNext(await bringToEnd(turn.record, admitted, entry).catch((error) => giveBack(record, error)));
    return null;
  }

  /** Of a job that has come to its end without us. */
  async function drop({ job }: JobRecord): Promise<void> {
    await journal.clear(job.id);
    await ledger.drop(job);
  }

  /** Nobody's crash: the job is begun again by the next worker, or a little later. */
  async function giveBack({ job: { id, type, resource } }: JobRecord, error: unknown): Promise<never> {
    await ledger.handBack(id);
    log.info({ id, type, resource, outcome: 'handed back' }, 'job goes on later');
    throw error;
  }

  /** Leaves a job to a worker that is newer than this one; told once for each version. */
  function leaveQueued({ version, job: { id } }: JobRecord): never {
    if (version > newestTold)
      log.warn({ id, version }, 'a job of a newer version stays queued; upgrade this worker');
    newestTold = Math.max(newestTold, version);
    throw new HandedBack();
  }

  /** The job if its request is authorized; otherwise the job has ended. */
  async function admit(record: JobRecord): Promise<Admitted | 'over'> {
    const { id } = record.job;
    try {
      const taken = await ledger.take(id);
      if (taken === 'over') {
        await drop(record);
        return 'over';
      }
      if (taken === 'expired') {
        const reason = 'the host was away for longer than the job was to wait';
        authorizer.auditRejection(record, reason);
        throw new Failure('expired', reason);
      }
      const passed = await authorizer.job(record, (digest) => journal.wasTaken(id, digest));
      await untilStored(id, () => journal.take(id, passed.digest), stopping.signal);
      return { ...passed, at: performance.now() };
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      const problem = problemOf(error.code, error.message, { job: id, host: services.host });
      await journal.clear(id); // It may have been taken before its issuer was revoked.
      wakeNext(await ledger.finish(record, { state: 'failed', error: problem }, await isHere(record)));
      return 'over';
    }
  }

  /**
   * Writes into the journal; a disk that is full is waited for, and the job says so. Rejects with the signal's reason.
   * What a job has done would be done again if its outcome got lost.
   */
  async function untilStored(id: string, write: () => Promise<void>, signal: AbortSignal): Promise<void> {
    for (let told = false; ; told = true) {
      try {
        return await write();
      } catch (error) {
        const failure = asDiskFailure(error);
        if (failure === null) throw error;
        tell(id, error);
        // Redis may take no writes for the same reason: the wait goes on, told or not.
        if (!told) ledger.progress(id, { step: 'wait', message: failure.message }).catch(() => undefined);
        await pause(diskInterval, signal);
      }
    }
  }

  /** Whether what a record is about is on this host; the record may be anybody's. */
  async function isHere({ job: { type, resource } }: JobRecord): Promise<boolean> {
    const kind = kindOf(type);
    return (
      kind !== 'host' && resourceName.safeParse(resource).success && isOnDisk(services.paths, kind, resource)
    );
  }

  /** Resolves when it may be the job's turn, or when the worker stops. */
  function untilWoken(entry: UnderWay, first: string): Promise<void> {
    return new Promise((resolve) => {
      entry.behind = first;
      entry.wake = () => {
        entry.behind = null;
        resolve();
      };
    });
  }

  /** Makes sure that the job before us is under way; one that is over, or has no record, must not be waited for. */
  async function ensureStarted(first: string, behind: JobRecord): Promise<void> {
    if (underWay.has(first)) return;
    const record = await ledger.read(first);
    if (record && !isFinal(record.job.state)) return deliverQuietly(first);
    await ledger.drop({ ...behind.job, id: first });
    underWay.get(behind.job.id)?.wake();
  }

  function wakeNext(next: string | null): void {
    if (!next) return;
    const waiting = underWay.get(next);
    if (waiting) waiting.wake();
    else deliverQuietly(next);
  }

  function deliverQuietly(id: string): void {
    deliver(id).catch(() => undefined); // It has told why, and comes again.
  }

  /** Runs the job unless the journal knows that it was done; returns the next in line. */
  async function bringToEnd(
    record: JobRecord,
    admitted: Admitted | null,
    entry: UnderWay,
  ): Promise<string | null> {
    const { id, type, resource, user, attempts } = record.job;
    const started = performance.now();
    const jobLog = log.child({ id, type, resource });
    const known = await journal.read(id);
    const isFresh = admitted !== null && started - admitted.at < admissionHolds;
    const passed = known ? null : isFresh ? admitted : await admit(record);
    if (passed === 'over') return null;
    if (known) authorizer.auditRejection(record, 'it was done before; its outcome is told again');
    else jobLog.info({ attempts, user, token: passed?.token }, 'job begins');
    const kind = kindOf(type);
    if (kind === 'gear') busy.add(resource);
    try {
      const outcome = passed
        ? ((await superseded(record)) ?? (await executeOne(record, passed, entry, jobLog)))
        : recall(record, known);
      const store = async () => {
        if (!known) await journal.write(id, { fingerprint: record.fingerprint, outcome });
        await journal.clear(id);
      };
      await untilStored(id, store, entry.handBack.signal);
      if (kind === 'gear') await services.gears.read(resource);
      const next = await ledger.finish(record, outcome, await isHere(record));
      const ms = Math.round(performance.now() - started);
      const code = outcome.state === 'failed' ? outcome.error.code : undefined;
      jobLog.info({ outcome: outcome.state, code, ms }, 'job ends');
      return next;
    } finally {
      if (kind === 'gear') busy.delete(resource);
    }
  }

  async function executeOne(
    record: JobRecord,
    { change: { command }, tenant }: AuthorizedJob,
    entry: UnderWay,
    jobLog: Logger,
  ): Promise<Outcome> {
    const { id, type, resource } = record.job;
    const cancelled = record.cancel !== null && (await authorizer.cancels(record.cancel, record));
    const work = () =>
      execute(record.job, command, {
        services,
        tenant,
        handlers,
        crashes: record.crashes - 1, // Without this time.
        cancelled,
        signal: entry.abort.signal,
        handedBack: entry.handBack.signal,
        report: (progress) => ledger.progress(id, progress),
        countRetry: () => ledger.retried(id),
        checkpoint: (look) => journal.checkpoint(id, look),
        log: jobLog,
      });
    return kindOf(type) === 'gear' ? services.gearLocks.hold(resource, work) : work();
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
    return (await authorizer.allows(next))
      ? { state: 'cancelled', result: { supersededBy: next.job.id } }
      : null;
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
      stopping.abort(new HandedBack());
      for (const { wake } of underWay.values()) wake();
      const timer = setTimeout(() => {
        for (const { abort, handBack } of underWay.values()) {
          abort.abort(new HandedBack());
          handBack.abort(new HandedBack());
        }
      }, grace);
      await Promise.allSettled([...underWay.values()].map(({ over }) => over));
      clearTimeout(timer);
    },
  };
}
