import { Failure } from '../../jobs/errors.ts';
import type { OpenStream, StreamArgs } from '../../jobs/streams.ts';
import { createLogWriter, type LogWriter } from '../domain/log-format.ts';
import { mustHaveGear } from '../gear/gear-files.ts';
import {
  cursorMark,
  hasCursor,
  hasCutLines,
  type JournalReader,
  newestCursor,
  readMessages,
  readRecords,
  syncJournal,
} from '../host/journal.ts';
import type { Room } from '../room.ts';

type LogArgs = StreamArgs<'container.log'>;

/** Milliseconds after its time is up that a reader may take for what was logged until then. */
const catchUp = 5_000;

/** Where the stream stands in the journal; null: at its beginning. */
interface Position {
  cursor: string | null;
}

/** Streams the journal of a gear's unit: history, then what comes, until the time is up. */
export async function containerLog(
  { paths }: Room,
  args: LogArgs,
  signal: AbortSignal,
): Promise<OpenStream<'container.log'>> {
  await mustHaveGear(paths, args.resource);
  const unit = paths.unitName(args.resource);
  const until = performance.now() + args.seconds * 1000;
  const known = args.after === null || (await hasCursor(args.after));
  return { head: {}, body: bodyOf(unit, args, known, until, signal) };
}

async function* bodyOf(
  unit: string,
  args: LogArgs,
  afterIsKnown: boolean,
  until: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const writer = createLogWriter(args.format);
  const position: Position = { cursor: afterIsKnown ? args.after : null };
  if (!afterIsKnown) {
    const reason = 'the record named by Last-Event-ID is no longer in the journal';
    yield writer.notice({ event: 'missed', reason });
  }
  if (args.after === null) {
    await syncJournal();
    // Before anything is read: a unit that has logged nothing yet is followed from here.
    position.cursor = await newestCursor();
    if (args.lines > 0) yield* history(unit, args, position, writer, signal);
  }
  if (args.seconds > 0) yield* follow(unit, position, writer, until, signal);
  // Without following, what comes after a record is history as well, for which a reader may take its time.
  const patience = args.seconds > 0 ? catchUp : Number.POSITIVE_INFINITY;
  if (args.seconds > 0 || args.after !== null) yield* rest(unit, position, writer, patience, signal);
  yield writer.notice({ event: 'end', reason: args.seconds > 0 ? 'the time is up' : 'the history ends' });
}

/** The last lines that were logged. Plain text takes the fast way where no line has to be put together. */
async function* history(
  unit: string,
  { lines, format }: LogArgs,
  position: Position,
  writer: LogWriter,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  if (format === 'text/plain' && !(await hasCutLines(unit))) {
    yield* withoutCursorLine(closedBy(signal, readMessages({ unit, lines })), position);
    return;
  }
  for await (const records of closedBy(signal, readRecords({ unit, lines }))) {
    if (records.length === 0) continue;
    yield writer.records(records);
    position.cursor = records.at(-1)?.cursor ?? position.cursor;
  }
}

/** Passes everything on but the last line, which tells the position. */
async function* withoutCursorLine(chunks: AsyncIterable<Buffer>, position: Position): AsyncGenerator<Buffer> {
  // The cursor's line is shorter than this.
  const held = 512;
  let tail: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    if (tail.length > 0) yield tail;
    tail = chunk;
    if (tail.length > held) {
      yield tail.subarray(0, tail.length - held);
      tail = Buffer.from(tail.subarray(tail.length - held));
    }
  }
  const mark = tail.lastIndexOf(`${cursorMark}s=`);
  position.cursor = mark < 0 ? position.cursor : tail.toString('latin1', mark + cursorMark.length).trim();
  const last = mark < 0 ? tail : tail.subarray(0, mark);
  if (last.length > 0) yield last;
}

/** What is logged while the time lasts. */
async function* follow(
  unit: string,
  position: Position,
  writer: LogWriter,
  until: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  const reader = readRecords({ unit, ...startOf(position), follow: true });
  const timer = setTimeout(reader.stop, until - performance.now());
  try {
    for await (const records of closedBy(signal, reader)) {
      if (records.length === 0) continue;
      yield writer.records(records);
      position.cursor = records.at(-1)?.cursor ?? position.cursor;
      if (performance.now() >= until) return;
    }
  } finally {
    clearTimeout(timer);
  }
  // Without an inotify instance journalctl ends at once, and says nothing (systemd, pull request 9341).
  if (performance.now() < until - 100)
    throw new Failure('host_unavailable', 'the journal could not be followed to the end');
}

/**
 * What was logged before the end and has not been passed on. A reader that is too slow for it is told how many
 * lines it has missed.
 */
async function* rest(
  unit: string,
  position: Position,
  writer: LogWriter,
  patience: number,
  signal: AbortSignal,
): AsyncGenerator<Buffer> {
  await syncJournal();
  const until = performance.now() + patience;
  const reader = readRecords({ unit, ...startOf(position) });
  let missed = 0;
  for await (const records of closedBy(signal, reader)) {
    if (records.length === 0) continue;
    if (missed === 0 && performance.now() < until) yield writer.records(records);
    else missed += records.length;
  }
  if (missed > 0) {
    yield writer.notice({ event: 'missed', lines: missed, reason: 'the reader was too slow for the log' });
  }
}

const startOf = ({ cursor }: Position) => (cursor === null ? {} : { after: cursor });

/** Reads to the end; closes the journal when the signal aborts, and throws its reason then. */
async function* closedBy<T>(signal: AbortSignal, { read, close }: JournalReader<T>): AsyncGenerator<T> {
  const aborted = () => void close();
  signal.addEventListener('abort', aborted);
  try {
    signal.throwIfAborted();
    yield* read;
    signal.throwIfAborted();
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener('abort', aborted);
    await close();
  }
}
