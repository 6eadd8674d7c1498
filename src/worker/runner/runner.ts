import { setMaxListeners } from 'node:events';
import type { Logger } from 'pino';
import { requestId } from '../../jobs/fields/request-id.ts';
import type { Kind } from '../../jobs/fields/resource.ts';
import { isFinal, type Outcome } from '../../jobs/job.ts';
import { payloadVersion } from '../../jobs/payload-version.ts';
import { kindOf } from '../../jobs/registry.ts';
import { Limiter, shared } from '../../lib/async/limiter.ts';
import type { JobRecord } from '../../queue/worker-queue.ts';
import type { AuthorizedJob } from '../authorization.ts';
import { Cancelled, EndedByApi, HandedBack } from '../jobs/interruptions.ts';
import type { JournalEntry } from '../jobs/job-journal.ts';
import { jobSeconds, waitSeconds } from '../metrics.ts';
import { ActiveJob } from './active-job.ts';
import { type Admission, admit } from './admission.ts';
import { type Line, waitBehind, wakeFirst, wakeIfStranded } from './line.ts';
import { drop, errorCodeOf, finish, untilWritten } from './outcome-store.ts';
import { runJob } from './run-job.ts';
import type { RunnerParts, StageParts } from './runner-parts.ts';
import { createStallLog } from './stall-log.ts';

/**
 * Runs the jobs of a host. Jobs on one resource run in the order of their acceptance, jobs on
 * different ones in parallel. active-job.ts defines the stages of a job.
 *
 * Invariants, each with a test of its number:
 * 1. A job is in this process at most once, and one process is the worker of this host (lockHost).
 * 2. A job begins only when it is first in the line of its resource in Redis.
 * 3. At most `maxParallelJobs` jobs run in parallel, at most half of them for one user.
 * 4. The work comes from the client's own request, authorized a moment ago; never from Redis.
 * 5. A job is authorized once, and again only if it has waited since.
 * 6. An outcome is on disk before it is reported: a job whose outcome is in the journal never runs
 *    again.
 * 7. A job waits only for a job in this process.
 * 8. A worker that stops begins no job. After the grace it hands back the jobs that still run, and
 *    reports no outcome for them.
 * 9. A job goes from stage to stage only as active-job.ts defines.
 */
export class Runner {
  readonly #parts: StageParts;
  readonly #slots: Limiter;
  readonly #line: Line;
  /** Aborts when the worker stops taking jobs. */
  readonly #stopping = new AbortController();

  constructor(parts: RunnerParts) {
    const logStall = createStallLog((id) => this.#line.active.get(id)?.log ?? parts.services.log);
    this.#parts = { ...parts, logStall };
    this.#slots = new Limiter(shared(parts.services.limits.maxParallelJobs));
    this.#line = { records: parts.records, active: new Map(), deliver: this.deliver };
    setMaxListeners(0, this.#stopping.signal); // Every job that waits for the disk listens to it.
  }

  /**
   * Runs a job to its end when its turn comes; joins a job that is already in this process. Rejects
   * when the job must be delivered again later.
   */
  deliver = (id: string): Promise<void> => {
    const { active } = this.#line;
    const known = active.get(id);
    if (known) {
      wakeIfStranded(this.#line, known);
      return known.left;
    }
    if (this.#stopping.signal.aborted) return Promise.reject(new HandedBack());
    if (!requestId.safeParse(id).success) return Promise.resolve();
    const job = new ActiveJob(this.#parts.services.log.child({ id }));
    active.set(id, job);
    job.left = this.#bringThrough(id, job)
      .catch((error: unknown) => {
        if (!(error instanceof HandedBack)) this.#parts.logStall(id, error);
        throw error;
      })
      .finally(() => {
        active.delete(id);
        job.enter('left');
      });
    return job.left;
  };

  /** Aborts a job; returns whether it is in this process. */
  cancel = (id: string): boolean => {
    const job = this.#line.active.get(id);
    job?.abort.abort(new Cancelled());
    return job !== undefined;
  };

  /** The resources of a kind on which a job works now. */
  inWork = (kind: Kind): string[] => {
    const jobs = [...this.#line.active.values()].filter((job) => job.isRunning());
    return jobs.flatMap(({ record }) =>
      record && kindOf(record.job.type) === kind ? record.job.resource : [],
    );
  };

  /**
   * Delivers the host's open jobs, because a crash may have lost their deliveries. Lets go of jobs
   * that wait here and are open no more, because an api has ended them.
   */
  scanOpenJobs = async (): Promise<void> => {
    // Taken before Redis is read: a job that arrives meanwhile may be missing from the reply.
    const here = [...this.#line.active];
    const open = new Set(await this.#parts.records.open());
    for (const [id, job] of here) if (!open.has(id) && job.isWaiting()) job.endWait(new EndedByApi());
    for (const id of open) this.deliver(id).catch(() => undefined); // The runner logged why.
  };

  /**
   * Aborts running jobs whose records say that a client has cancelled them: the query that tells of
   * it may be lost.
   */
  lookForCancellations = async (): Promise<void> => {
    const { records, authorizer } = this.#parts;
    for (const [id, job] of this.#line.active) {
      if (!job.canBeCancelled()) continue;
      const cancel = await records.readCancel(id);
      if (cancel === null || cancel === job.refusedCancel) continue;
      const record = await records.read(id);
      if (record !== null && (await authorizer.cancels(cancel, record))) this.cancel(id);
      else job.refusedCancel = cancel;
    }
  };

  /** Takes no more jobs and, after the grace (milliseconds), hands back those that still run. */
  async drain(grace: number): Promise<void> {
    this.#stopping.abort(new HandedBack());
    const jobs = [...this.#line.active.values()];
    for (const job of jobs) job.endWait(new HandedBack());
    const timer = setTimeout(() => {
      for (const { abort, handBack } of jobs) {
        abort.abort(new HandedBack());
        handBack.abort(new HandedBack());
      }
    }, grace);
    await Promise.allSettled(jobs.map(({ left }) => left));
    clearTimeout(timer);
  }

  async #bringThrough(id: string, job: ActiveJob): Promise<void> {
    const record = await this.#read(id, job);
    if (!record) return;
    // Authorized before its turn: a refused job delays no other, and a taken one does not expire.
    const admission = await admit(this.#parts, record, this.#stopping.signal);
    if (admission.verdict === 'ended') return wakeFirst(this.#line, admission.next);
    const tenant = admission.verdict === 'run' ? admission.request.tenant : record.job.user;
    for (;;) {
      job.enter('waiting');
      const begin = () => this.#begin(job, record, admission);
      const before = await this.#slots
        .run(tenant, begin, job.wait.signal)
        .catch((error: unknown) => this.#leaveEnded(id, job, error));
      if (before === null) return;
      await waitBehind(this.#line, job, record, before);
    }
  }

  /** The record of an unfinished job; null when there is none. */
  async #read(id: string, job: ActiveJob): Promise<JobRecord | null> {
    const record = await this.#parts.records.read(id);
    if (record) {
      job.record = record;
      job.log = this.#logOf(record);
    }
    if (!record) await this.#parts.records.forget(id);
    else if (isFinal(record.job.state)) await drop(this.#parts, record, this.#stopping.signal);
    else if (record.version > payloadVersion)
      throw new Error('the job is of a newer version than this worker; upgrade this worker');
    else return record;
    return null;
  }

  /** Begins a job and runs it to its end if it is first in line; else returns the job before it. */
  async #begin(job: ActiveJob, record: JobRecord, admission: Admission): Promise<string | null> {
    this.#stopping.signal.throwIfAborted();
    job.enter('beginning');
    const turn = await this.#parts.records.begin(record);
    if (turn.turn === 'behind') return turn.first;
    if (turn.turn === 'over') await drop(this.#parts, record, this.#stopping.signal);
    else {
      const ended = this.#bringToEnd(job, turn.record, admission);
      wakeFirst(this.#line, await ended.catch((error) => this.#handBack(job, record, error)));
    }
    return null;
  }

  /** Drops a job that an api has ended while it waited. Throws any other error. */
  async #leaveEnded(id: string, job: ActiveJob, error: unknown): Promise<null> {
    if (!(error instanceof EndedByApi)) throw error;
    // If Redis has lost the job and an api has recorded it again, the next scan delivers it.
    if ((await this.#read(id, job)) !== null) throw new HandedBack();
    for (const other of this.#line.active.values()) if (other.before === id) other.wake();
    return null;
  }

  /** Lets the next worker, or this one a little later, begin the job again. Counts as no crash. */
  async #handBack(job: ActiveJob, record: JobRecord, error: unknown): Promise<never> {
    await this.#parts.records.handBack(record.job.id);
    job.log.info({ outcome: 'handed back' }, 'job continues later');
    throw error;
  }

  /** A log whose lines name the job and its user. */
  #logOf(record: JobRecord): Logger {
    const { id, type, resource, user } = record.job;
    const token = this.#parts.authorizer.tokenOf(record);
    return this.#parts.services.log.child({ id, type, resource, user, token, ...record.origin });
  }

  /** Runs a job that has begun to its end. Returns the job that is then first in its line. */
  async #bringToEnd(job: ActiveJob, record: JobRecord, before: Admission): Promise<string | null> {
    const { services } = this.#parts;
    const started = performance.now();
    const isOld = before.verdict === 'run' && started > before.until;
    const earlier = record.job.attempts - 1; // Not counting this one.
    const admission = isOld ? await admit(this.#parts, record, this.#stopping.signal, earlier) : before;
    if (admission.verdict === 'ended') return admission.next;
    const { type, resource } = record.job;
    const isGear = kindOf(type) === 'gear';
    if (isGear) services.busy.add(resource);
    try {
      const outcome =
        admission.verdict === 'run'
          ? await this.#run(job, record, admission.request)
          : this.#replay(job, record, admission.entry);
      if (isGear) await services.gears.read(resource);
      const next = await finish(this.#parts, record, outcome, job.handBack.signal);
      const ms = Math.round(performance.now() - started);
      jobSeconds.observe({ type, state: outcome.state }, ms / 1000);
      job.log.info({ outcome: outcome.state, code: errorCodeOf(outcome), ms }, 'job ends');
      return next;
    } finally {
      if (isGear) services.busy.delete(resource);
    }
  }

  async #run(job: ActiveJob, record: JobRecord, request: AuthorizedJob): Promise<Outcome> {
    const { id, type, createdAt, attempts } = record.job;
    if (attempts === 1) waitSeconds.observe({ type }, Math.max(0, Date.now() - Date.parse(createdAt)) / 1000);
    job.log.info({ attempts }, 'job begins');
    job.enter('running');
    const signals = { signal: job.abort.signal, handedBack: job.handBack.signal };
    const outcome = await runJob(this.#parts, record, request, signals, job.log);
    job.enter('storing');
    const entry = { fingerprint: record.fingerprint, outcome };
    await untilWritten(this.#parts, id, () => this.#parts.journal.write(id, entry), signals.handedBack);
    return outcome;
  }

  /**
   * The known outcome of a job that was done before. Fails when its id was used for another
   * request.
   */
  #replay(job: ActiveJob, record: JobRecord, { fingerprint, outcome }: JournalEntry): Outcome {
    this.#parts.authorizer.auditRejection(record, 'it was done before; its outcome is reported again');
    job.enter('storing');
    if (fingerprint === record.fingerprint) return outcome;
    const detail = 'this request id was used for another request on this host';
    return { state: 'failed', error: { code: 'request_id_reused', detail } };
  }
}
