import type { Problem } from '../../src/jobs/errors.ts';
import type { Job } from '../../src/jobs/job.ts';
import { pause } from '../../src/lib/async/pause.ts';
import type { Answer, Ask } from '../lab/door.ts';
import type { Site } from '../lab/site.ts';
import { type Operation, requestOf } from '../plan/operation.ts';

/** What became of a request. Times are milliseconds since the epoch. */
export interface Sent {
  operation: Operation;
  sentAt: number;
  answeredAt: number;
  /** How often it was sent until somebody answered. */
  sends: number;
  /** null: nobody has answered in all the time. */
  status: number | null;
  /** Of a refusal. */
  code: string | null;
}

/** Milliseconds an answer may take before the request is sent again, and between two tries. */
const patience = 4_000;
const beforeAgain = 100;
/** Milliseconds after which a request is given up. */
const deadline = 120_000;
/** Milliseconds for which a log is read before the client goes away. */
const readingTime = 700;

/** Answered for good: by a job, or by a refusal that sending it again would not change. */
const isAnswered = ({ status }: Answer) => status !== 503 && status !== 429;
export const isAcknowledged = ({ status }: Sent) => status === 200 || status === 202;

/** Sends a request with its id again and again, until it is answered. */
export async function send(site: Site, operation: Operation): Promise<Sent> {
  const sentAt = Date.now();
  if (operation.kind === 'log') {
    await readLog(site, operation);
    return { operation, sentAt, answeredAt: Date.now(), sends: 1, status: null, code: null };
  }
  const { answer, sends } = await askUntilAnswered(site, operation);
  const { code = null } = (answer?.body ?? {}) as Partial<Problem>;
  return { operation, sentAt, answeredAt: Date.now(), sends, status: answer?.status ?? null, code };
}

/** `answer` is null where nobody has answered in all the time. */
export async function askUntilAnswered(
  site: Site,
  operation: Operation,
): Promise<{ answer: Answer | null; sends: number }> {
  const ask: Ask = { ...requestOf(operation), patience };
  const until = Date.now() + deadline;
  for (let sends = 1; ; sends++) {
    const answer = await site.ask(ask).catch(() => null);
    if (answer && isAnswered(answer)) return { answer, sends };
    if (Date.now() > until) return { answer: null, sends };
    await pause(beforeAgain);
  }
}

/** Opens a gear's log and goes away while it is still told. */
async function readLog(site: Site, operation: Operation): Promise<void> {
  try {
    const stream = await site.door().open({ ...requestOf(operation), patience });
    stream.resume().on('error', () => undefined);
    await pause(readingTime);
    stream.destroy();
  } catch {
    // Streams are no jobs: one that breaks is opened again by who wants it.
  }
}

/** The job of a request when it is over; the last that was seen of it where that takes too long; null: there is none. */
export async function jobOf(site: Site, id: string, until: number): Promise<Job | null> {
  let last: Job | null = null;
  for (;;) {
    const ask = { method: 'GET', path: `/token/__test__/job/${id}?wait=2`, patience };
    const answer = await site.ask(ask).catch(() => null);
    if (answer?.status === 200) {
      last = answer.body as Job;
      if (last.finishedAt !== null) return last;
    }
    if (answer?.status === 404) return null;
    if (Date.now() > until) return last;
    if (answer?.status !== 200) await pause(beforeAgain);
  }
}
