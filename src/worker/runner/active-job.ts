import type { Logger } from 'pino';
import type { JobRecord } from '../../queue/worker-queue.ts';
import { running } from '../metrics.ts';

/** The stages of a job in this process, and the stages that may follow each. */
const stages = {
  /** The worker reads its record and authorizes its request. */
  admitting: ['waiting', 'left'],
  /** It waits for one of the host's slots; users take turns. */
  waiting: ['beginning', 'left'],
  /** It has a slot and asks Redis whether it is first in the line of its resource. */
  beginning: ['behind', 'running', 'storing', 'left'],
  /** It has given its slot back and waits for the job before it. */
  behind: ['waiting', 'left'],
  /** Its handler runs. */
  running: ['storing', 'left'],
  /** Its outcome goes to disk, then to its record. */
  storing: ['left'],
  /** It has left this process: it has ended, or was handed back. */
  left: [],
} as const;
export type Stage = keyof typeof stages;

/** A job in this process, from its delivery until it ends or is handed back. */
export class ActiveJob {
  /** Stops its work: aborts with `Cancelled` or `HandedBack`. */
  readonly abort = new AbortController();
  /** Also stops undoing its work: aborts with `HandedBack`. */
  readonly handBack = new AbortController();
  /** Ends its waits for a slot: aborts with `EndedByApi` or `HandedBack`. */
  readonly wait = new AbortController();
  /** Settles when the job has left. */
  left: Promise<void> = Promise.resolve();
  /** The job that it waits for; null: none. */
  before: string | null = null;
  /** The cancel request that was refused, which is not looked at again; null: none. */
  refusedCancel: string | null = null;
  /** Null until it is read. */
  record: JobRecord | null = null;
  /** Its lines name the job, and its user once the record is read. */
  log: Logger;
  #stage: Stage = 'admitting';
  #wake = () => {};

  constructor(log: Logger) {
    this.log = log;
  }

  /** Whether it waits for its turn, and holds nothing. */
  isWaiting(): boolean {
    return this.#stage === 'waiting' || this.#stage === 'behind';
  }

  endWait(reason: Error): void {
    this.wait.abort(reason);
    this.wake();
  }

  isRunning(): boolean {
    return this.#stage === 'running';
  }

  canBeCancelled(): boolean {
    return this.isRunning() && !this.abort.signal.aborted;
  }

  /** Throws when the stage may not follow the current one. */
  enter(stage: Stage): void {
    const from = this.#stage;
    if (!stages[from].some((next: Stage) => next === stage))
      throw new Error(`a job cannot go from ${from} to ${stage}`);
    this.#stage = stage;
    if (stage === 'running') running.add({}, 1);
    if (from === 'running') running.add({}, -1);
    this.log.debug({ from, to: stage }, 'job enters a stage');
  }

  /** Resolves when the job must check again whether it is first. */
  waitBehind(before: string): Promise<void> {
    this.enter('behind');
    this.before = before;
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  wake(): void {
    this.before = null;
    this.#wake();
  }
}
