import type { Logger } from 'pino';
import { Failure, problemOf } from '../jobs/errors.ts';
import type { Job, Outcome, Progress } from '../jobs/job.ts';
import type { Command, JobType, Params } from '../jobs/registry.ts';
import type { Handler, Handlers, JobContext } from './context.ts';
import { Cancelled, HandedBack } from './interruptions.ts';
import { withRetries } from './retry.ts';
import type { Room } from './room.ts';

/** So often a job may be begun; one that takes the worker down each time must not do so for ever. */
const mostAttempts = 20;

export interface Execution {
  room: Room;
  handlers: Handlers;
  /** Somebody asked for its end before this attempt. */
  cancelled: boolean;
  signal: AbortSignal;
  report(progress: Progress): Promise<void>;
  /** Counts another attempt in the job's record. */
  countAttempt(): Promise<void>;
  log: Logger;
}

/** Brings a job to its end, by the command in its request. Rejects only with `HandedBack`. */
export async function execute(job: Job, command: Command, execution: Execution): Promise<Outcome> {
  const where = { job: job.id, host: execution.room.host };
  const fail = (failure: Failure): Outcome => ({
    state: 'failed',
    error: problemOf(failure.code, failure.message, where),
  });
  const task = bind(execution.handlers, command.type, command.params as never, contextOf(job, execution));
  try {
    if (execution.cancelled) throw new Cancelled();
    if (job.attempts > mostAttempts) throw new Failure('internal', `given up after ${mostAttempts} attempts`);
    return { state: 'succeeded', result: await withRetries(task.run, retryHooks(execution)) };
  } catch (error) {
    if (error instanceof HandedBack) throw error;
    const failure = error instanceof Cancelled ? null : asFailure(error, execution.log);
    const told = await takeBack(task.undo, failure, execution);
    return failure
      ? fail(told ? new Failure(failure.code, `${failure.message}\n${told}`) : failure)
      : { state: 'cancelled' };
  }
}

interface Task {
  run(): Promise<unknown>;
  undo(why: Failure | null): Promise<string>;
}

function bind<T extends JobType>(handlers: Handlers, type: T, params: Params<T>, context: JobContext): Task {
  const handler: Handler<T> = handlers[type];
  return {
    run: () => handler.run(params, context),
    undo: async (why) => (await handler.undo?.(params, context, why)) ?? '',
  };
}

function contextOf(job: Job, { room, signal, report, log }: Execution): JobContext {
  return {
    job: job.id,
    attempt: job.attempts,
    begunAt: Date.parse(job.startedAt ?? job.createdAt),
    room,
    signal,
    log,
    report: (progress) => {
      report(progress).catch((error: Error) =>
        log.debug({ reason: error.message }, 'progress was not recorded'),
      );
    },
  };
}

function retryHooks({ signal, report, countAttempt }: Execution) {
  return {
    signal,
    async onRetry(failure: Failure, delay: number) {
      await report({ step: 'retry', message: `${failure.message}; trying again in ${delay / 1000} s` });
      await countAttempt();
    },
  };
}

async function takeBack(undo: Task['undo'], failure: Failure | null, execution: Execution): Promise<string> {
  try {
    // Not the job's own signal: it has aborted where the job was cancelled, and this must be done all the same.
    const signal = new AbortController().signal;
    return await withRetries(() => undo(failure), { signal, onRetry: async () => undefined });
  } catch (error) {
    execution.log.error({ err: error }, 'what the job had begun could not be taken back');
    return 'what it had begun could not be taken back; the next installation goes on from there';
  }
}

/** A failure for the client; faults of our own are logged with their stack and told without. */
function asFailure(error: unknown, log: Logger): Failure {
  if (error instanceof Failure && error.code !== 'internal') return error;
  log.error({ err: error }, 'a job failed for a reason of our own');
  if (error instanceof Failure) return error;
  return new Failure('internal', 'this is our fault; the log of the worker says more');
}
