import { z } from 'zod';
import { Failure } from '../../jobs/errors.ts';
import { printable } from '../../jobs/fields/schema.ts';
import { isFinal, type Job } from '../../jobs/job.ts';
import type { LogFormat } from '../../jobs/rpc/streams.ts';
import { serverSentEvent } from '../../lib/http/server-sent-event.ts';
import type { ApiQueue, JobRecord, ProgressLine } from '../../queue/api-queue.ts';

/** Milliseconds between two reads of a job without news. */
const lookAgain = 2_000;

/** The id of a line, as Redis assigns it; Redis refuses numbers of more than 64 bits. */
export const jobEventId = z
  .string()
  .max(40)
  .regex(/^\d{1,19}-\d{1,18}$/, 'Last-Event-ID must be an id from this stream');

/** Yields a job's progress from the first line, or after a given one, to the outcome. */
export async function* jobLog(
  queue: ApiQueue,
  { job: { id, createdAt, host } }: JobRecord,
  format: LogFormat,
  after: string | null,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const write = writers[format];
  const first = { id: '0-0', time: createdAt, step: 'queued', message: `accepted for the host ${host}` };
  if (after === null) yield Buffer.from(write.line(first));
  for (let last = after ?? first.id; ; ) {
    signal.throwIfAborted();
    // Subscribes before reading, and reads the job before its lines: a final job gets no more
    // lines.
    const news = queue.news(id, lookAgain, signal);
    const record = await queue.job(id);
    if (!record) throw new Failure('job_not_found', 'the record of the job has expired');
    const lines = await queue.progressLines(host, id, last);
    for (const line of lines) yield Buffer.from(write.line(line));
    last = lines.at(-1)?.id ?? last;
    if (isFinal(record.job.state)) {
      yield Buffer.from(write.end(record.job));
      return;
    }
    await news;
  }
}

const plain = ({ time, step, message, percent }: ProgressLine) =>
  `${time} ${step}: ${message}${percent === undefined ? '' : ` (${percent} %)`}`;

const writers: Record<LogFormat, { line(line: ProgressLine): string; end(job: Job): string }> = {
  'text/plain': {
    line: (line) => `${plain(line)}\n`,
    end: (job) => `${outcomeOf(job)}\n`,
  },
  'text/event-stream': {
    line: (line) => serverSentEvent(plain(line), { id: line.id }),
    end: (job) => {
      const end = serverSentEvent(JSON.stringify({ reason: job.state }), { event: 'end' });
      return `${serverSentEvent(outcomeOf(job))}${end}`;
    },
  },
  'application/x-ndjson': {
    line: (line) => `${JSON.stringify(line)}\n`,
    end: ({ finishedAt: time, state, result, error }) =>
      `${JSON.stringify({ event: 'end', reason: state, time, result, error })}\n`,
  },
};

const resultShape = z.object({
  unit: z.string().optional(),
  path: z.string().optional(),
  ports: z.array(z.object({ internal: z.number(), external: z.number() })).optional(),
});

/** Describes when and how a job ended. */
const outcomeOf = (job: Job) => `${job.finishedAt} ${printable(endOf(job))}`;

function endOf({ state, createdAt, finishedAt, result, error }: Job): string {
  const milliseconds = Date.parse(finishedAt ?? createdAt) - Date.parse(createdAt);
  const seconds = (Math.max(0, milliseconds) / 1000).toFixed(1); // By two hosts' clocks.
  if (state === 'cancelled') return `cancelled after ${seconds} s`;
  if (state === 'failed')
    return `failed after ${seconds} s: ${error?.detail ?? 'no reason is known'} (${error?.code})`;
  const { unit, path, ports = [] } = resultShape.safeParse(result).data ?? {};
  const reached = ports.map(({ internal, external }) => `port ${internal} is reached at ${external}`);
  const what = [unit, path, ...reached].filter((one) => one !== undefined);
  return `succeeded in ${seconds} s${what.length > 0 ? `: ${what.join(', ')}` : ''}`;
}
