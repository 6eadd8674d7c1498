import type { Logger } from 'pino';
import { type ErrorCode, Failure } from '../../jobs/errors.ts';
import type { Job, Outcome } from '../../jobs/job.ts';
import { type Command, type JobType, jobs, type Params } from '../../jobs/registry.ts';
import { explain } from '../../lib/explain.ts';
import type { Handler, Handlers, JobContext } from './context.ts';
import { Cancelled, HandedBack } from './interruptions.ts';
import { withRetries } from './retry.ts';
import { detailOf, undoWork } from './undo.ts';

/** Maximum worker crashes by one job: a job that always crashes its worker must end. */
const maxCrashes = 20;

export interface Execution {
  handlers: Handlers;
  /** Its handler's context, without a signal: running and undoing have signals of their own. */
  context: Omit<JobContext, 'signal'>;
  /** How often the job has crashed a worker before. */
  crashes: number;
  /** A client asked to cancel the job before this attempt began. */
  cancelled: boolean;
  /** Stops the work: aborts with `Cancelled` or `HandedBack`. */
  signal: AbortSignal;
  /** Also stops undoing the work: aborts with `HandedBack`. */
  handedBack: AbortSignal;
  /** Counts another attempt in the job's record. */
  countRetry(): void;
}

/** Logged only: the work is done, and the client gets the outcome. Tests fail when it is logged. */
export const undefinedEnd = 'a job ended with an outcome that its definition does not include';

/** Codes that any job may end with: an internal error, and errors of its token. */
const always: readonly ErrorCode[] = ['internal', 'token_invalid', 'token_forbids', 'expired'];

const mayEndWith = (type: JobType, code: ErrorCode) => [...always, ...jobs[type].errors].includes(code);

/** Runs a job to its end, by the command in its request. Rejects only with `HandedBack`. */
export async function execute(job: Job, command: Command, execution: Execution): Promise<Outcome> {
  const { handlers, context, crashes, cancelled, handedBack } = execution;
  const { log } = context.services;
  const task = bind(handlers, command, context);
  const run = async (signal: AbortSignal): Promise<Outcome> => {
    const result = await withRetries(() => task.run(signal), { signal, onRetry: onRetry(execution) });
    const checked = jobs[command.type].result.safeParse(result);
    if (!checked.success) log.error({ problem: explain(checked.error) }, undefinedEnd);
    return { state: 'succeeded', result };
  };
  const begin = async (): Promise<Outcome> => {
    if (cancelled && (task.canUndo || job.attempts === 1)) throw new Cancelled();
    if (crashes >= maxCrashes)
      throw new Failure(
        'internal',
        `given up after ${crashes} crashes of the worker; see the logs of the worker and of the host`,
      );
    // A job that cannot be undone would stay half done if it were cancelled in the middle.
    return run(task.canUndo ? execution.signal : handedBack);
  };
  try {
    return await begin().catch(async (error) => {
      if (error instanceof Cancelled && (await task.isCommitted())) return run(handedBack);
      throw error;
    });
  } catch (error) {
    if (error instanceof HandedBack) throw error;
    const failure = error instanceof Cancelled ? null : asFailure(error, log);
    const told = await takeBack(task, failure, execution);
    if (failure === null) return { state: 'cancelled' };
    if (!mayEndWith(command.type, failure.code)) log.error({ problem: failure.code }, undefinedEnd);
    return { state: 'failed', error: { code: failure.code, detail: detailOf(failure, told) } };
  }
}

interface Task {
  canUndo: boolean;
  run(signal: AbortSignal): Promise<unknown>;
  undo(why: Failure | null): Promise<string>;
  isCommitted(): Promise<boolean>;
}

/** A handler with its parameters and its contexts. */
function bind<T extends JobType>(
  handlers: Handlers,
  { type, params }: { type: T; params: Params<T> },
  context: Execution['context'],
): Task {
  const handler: Handler<T> = handlers[type];
  const undoing = { ...context, signal: new AbortController().signal }; // Undoing has its own signals.
  return {
    canUndo: handler.undo !== undefined,
    run: (signal) => handler.run(params, { ...context, signal }),
    undo: async (why) => (await handler.undo?.(params, undoing, why)) ?? '',
    isCommitted: async () => (await handler.isCommitted?.(params, undoing)) ?? false,
  };
}

const onRetry =
  ({ context: { report, services }, countRetry }: Execution) =>
  (failure: Failure, delay: number) => {
    const { code, message, cause } = failure;
    const level = code === 'host_unavailable' ? 'warn' : 'info'; // Others run the registries.
    const fault = { code, reason: message, cause: cause && String(cause) };
    services.log[level](fault, 'a job will be retried later');
    report({ step: 'retry', message: `${message}; trying again in ${delay / 1000} s` });
    countRetry();
  };

/**
 * Does not use the job's own signal: it has aborted if the job was cancelled, and the work must be
 * undone anyway.
 */
async function takeBack(task: Task, failure: Failure | null, execution: Execution): Promise<string> {
  const { handedBack: signal, context } = execution;
  const undo = async () => {
    if (failure?.transient && (!task.canUndo || (await task.isCommitted())))
      return 'the completed steps stay in effect; to continue, send the same request with a new id';
    return task.undo(failure);
  };
  return undoWork(undo, { signal, log: context.services.log });
}

/** Converts an error to a failure for the client. Only the log gets an internal error's stack. */
function asFailure(error: unknown, log: Logger): Failure {
  if (error instanceof Failure && error.code !== 'internal') return error;
  log.error({ err: error }, 'a job failed with an internal error');
  if (error instanceof Failure) return error;
  return new Failure('internal', 'an internal error occurred; the log of the worker has the details');
}
