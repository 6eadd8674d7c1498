import { randomUUID } from 'node:crypto';
import { type CallOptions, type Change, GeardError, type Succeeded } from '../../client/client.ts';
import { isRetryable } from '../../client/send.ts';
import type { JobType } from '../../jobs/registry.ts';
import type { Flags } from '../options/config.ts';
import { createProgress, type ProgressDisplay, secondsSince } from './progress.ts';
import { type Call, tellError } from './row.ts';
import { Interrupted, mayHaveArrived } from './session.ts';
import { comeBack, nextCommand, shortId } from './show.ts';

/** Flags of every command that makes a job. */
export interface ChangeFlags {
  key?: string;
  detach?: true;
  expires?: string;
  /** Only if the command takes it. */
  host?: string;
}

/** The requested host, and how long the job may wait for it. */
export const placeOf = ({ host, expires }: ChangeFlags) => ({
  h: host,
  expires: expires === undefined ? undefined : Number(expires),
});

/** A change for each of the names. */
export interface Work<N extends JobType> {
  names: readonly string[];
  send(name: string, options: CallOptions): Change<N>;
  /** Formats the outcome as one line. */
  show(name: string, job: Succeeded<N>, seconds: string): string;
}

/** Maximum number of concurrent jobs of one command. */
const sideBySide = 8;

/** Sends one change for each name and follows it to its end. Returns the exit code. */
export async function change<N extends JobType>(call: Call<ChangeFlags>, work: Work<N>): Promise<number> {
  const progress = createProgress(call, work.names);
  const key = call.flags.key ?? `gear-${randomUUID()}`;
  // Loaded only here: other commands do not need it.
  const { default: pLimit } = await import('p-limit');
  const limit = pLimit(sideBySide);
  const codes = await Promise.all(
    work.names.map((name) => limit(changeOne, call, work, { name, key }, progress)),
  );
  return Math.max(...codes);
}

async function changeOne<N extends JobType>(
  call: Call<ChangeFlags>,
  { names, send, show }: Work<N>,
  { name, key }: { name: string; key: string },
  progress: ProgressDisplay,
): Promise<number> {
  if (call.signal.aborted) {
    call.note(`gear: ${name}: was not sent`);
    return 130;
  }
  const began = performance.now();
  const state: State = { name, key, id: undefined, isUnanswered: false };
  try {
    // One key is one request, so each name has its own.
    const ownKey = names.length > 1 ? `${key}-${name}` : key;
    const onRetry = (error: Error) => {
      if (mayHaveArrived(error)) state.isUnanswered = true;
    };
    const sent = send(name, { key: ownKey, signal: call.signal, onRetry });
    const accepted = await sent;
    const id = shortId(accepted.id);
    state.id = id;
    if (call.flags.detach) {
      await call.printEnd(accepted, `${id}\n`);
      return 0;
    }
    progress.begin(name);
    await followSteps(call, sent, (step) => progress.step(name, step));
    const job = await sent.done();
    progress.end(name, 'succeeded');
    await call.printEnd(job, call.quiet ? '' : show(name, job, secondsSince(began)));
    return 0;
  } catch (error) {
    progress.end(name, error instanceof Interrupted ? 'detached' : 'failed');
    return tellFailure(call, error as Error, state);
  }
}

/** Shows the steps of a job. A token without job.log still gets the outcome. */
async function followSteps(
  call: Call<ChangeFlags>,
  sent: Change<JobType>,
  onStep: (step: Parameters<ProgressDisplay['step']>[1]) => void,
): Promise<void> {
  try {
    for await (const line of sent.events()) if ('step' in line) onStep(line);
  } catch (error) {
    if (!(error instanceof GeardError && error.status === 403)) throw error;
    call.tell('the token does not allow job.log: the steps of the job are not shown');
  }
}

/** What is known of a change when it fails. */
interface State {
  name: string;
  /** The key that makes the same command the same request. */
  key: string;
  /** The job, if the api has accepted the change. */
  id: string | undefined;
  /** Whether an earlier attempt may have arrived and had no answer. */
  isUnanswered: boolean;
}

async function tellFailure(call: Call<ChangeFlags>, error: Error, state: State): Promise<number> {
  const { name, id } = state;
  const back = wayBack(call.flags, error, state);
  if (error instanceof Interrupted) {
    const cancel = id ? `; to cancel it: ${nextCommand(call.flags, `job cancel ${id}`)}` : '';
    call.note(`gear: ${name}: ${back}${cancel}`);
    return 130;
  }
  if (error instanceof GeardError && error.job && call.json) await call.printEnd(error.job, '');
  const code = tellError(call, error, name, back);
  if (error instanceof GeardError && error.code === 'start_failed')
    call.tell(`see: ${nextCommand(call.flags, `logs ${name}`)}`);
  return code;
}

/** How to come back to a change that may go on. Undefined if it has ended or was not accepted. */
function wayBack(flags: Flags, error: Error, { key, id, isUnanswered }: State): string | undefined {
  if (id !== undefined) return error instanceof GeardError && error.job ? undefined : comeBack.job(flags, id);
  if (error instanceof Interrupted) return comeBack.request(flags, key);
  // A final answer of geard is the one to all attempts: they have the same key. One of these says
  // nothing of an earlier attempt.
  const isFinal =
    error instanceof GeardError &&
    error.code !== undefined &&
    !['token_invalid', 'internal'].includes(error.code) &&
    !isRetryable(error);
  const isOpen = !isFinal && (isUnanswered || mayHaveArrived(error));
  return isOpen ? comeBack.request(flags, key) : undefined;
}
