import type { OpenStream, StreamArgs } from '../../jobs/rpc/streams.ts';
import type { Notice } from '../../jobs/types/container-reads.ts';
import { pause } from '../../lib/async/pause.ts';
import { timeoutSignal } from '../../lib/async/timeout-signal.ts';
import { createLogWriter, type LogWriter } from '../domain/log-format.ts';
import { requireGear } from '../gear/gear-files.ts';
import type { HostServices } from '../host-services.ts';
import {
  cursorMark,
  hasCursor,
  hasCutLines,
  type Looking,
  newestCursor,
  readInTurn,
  readMessages,
  readRecords,
  syncJournal,
} from '../journald/journal.ts';
import { isLater, type JournalRecord } from '../journald/journal-export.ts';
import type { JournalFeed } from '../journald/journal-feed.ts';
import type { Mailbox } from '../journald/mailbox.ts';

type LogArgs = StreamArgs<'container.log'>;

/** Milliseconds after its time is up that a reader may take for what was logged until then. */
const catchUp = 5_000;

/**
 * Milliseconds for which journald may take what was logged before a log begins, and before one ends
 * that is not followed.
 */
const beginPatience = 1_000;
const historyPatience = 5_000;

/**
 * Milliseconds in which all that was logged until the end usually has come; otherwise it is read
 * from the journal.
 */
const usualDelay = 1_000;

/** Lines that are read sooner with all their fields than after a look at whether some were cut. */
const fewLines = 1_000;

/** Where the stream stands in the journal; null: at its beginning. */
interface Position {
  cursor: string | null;
}

/** A log that is being sent. */
interface Log extends Looking {
  unit: string;
  args: LogArgs;
  position: Position;
  writer: LogWriter;
}

/** Streams the journal of a gear's unit: history, then what comes, until the time is up. */
export async function containerLog(
  { paths, journalFeed }: HostServices,
  args: LogArgs,
  signal: AbortSignal,
  tenant: string,
): Promise<OpenStream<'container.log'>> {
  await requireGear(paths, args.resource);
  const unit = paths.unitName(args.resource);
  const until = performance.now() + args.seconds * 1000;
  const known = args.after === null || (await hasCursor(args.after, { tenant, signal }));
  const writer = createLogWriter(args.format);
  const position = { cursor: known ? args.after : null };
  const log: Log = { unit, args, position, writer, tenant, signal };
  return { head: {}, body: bodyOf(log, known, until, journalFeed) };
}

async function* bodyOf(
  log: Log,
  afterIsKnown: boolean,
  until: number,
  feed: JournalFeed,
): AsyncGenerator<Buffer> {
  if (!afterIsKnown) {
    const reason = 'the record named by Last-Event-ID is no longer in the journal';
    yield log.writer.notice({ event: 'missed', reason });
  }
  yield* log.args.seconds === 0 ? onlyHistory(log) : historyAndNews(log, until, feed);
}

async function* onlyHistory(log: Log): AsyncGenerator<Buffer> {
  const isWhole = await within(historyPatience, syncJournal());
  yield* log.args.after === null ? history(log) : rest(log, Number.POSITIVE_INFINITY);
  if (!isWhole) yield log.writer.notice(journalBusy);
  yield log.writer.notice({ event: 'end', reason: 'the history ends' });
}

async function* historyAndNews(log: Log, until: number, feed: JournalFeed): AsyncGenerator<Buffer> {
  const { unit, args, writer, signal } = log;
  // Before anything is read, so that nothing comes in between.
  const { mailbox, since } = await feed.follow(unit);
  try {
    if (args.after === null) {
      // Also where the unit has logged nothing yet.
      log.position.cursor = since;
      if (args.lines > 0) await within(beginPatience, syncJournal());
      yield* history(log);
    }
    const follows = yield* follow(log, mailbox, until);
    const isWhole = await syncJournal();
    const hasTheRest = follows && (await isUpToDate(mailbox, signal));
    const batch = hasTheRest ? await mailbox.next(AbortSignal.abort()) : 'behind';
    if (batch === 'behind') yield* rest(log, catchUp);
    else if (batch !== null) yield* passOn(log, batch);
    if (!isWhole) yield writer.notice(journalBusy);
  } finally {
    mailbox.close();
  }
  yield writer.notice({ event: 'end', reason: 'the time is up' });
}

/**
 * The last lines that were logged. Many lines as plain text take the fast way, where none of them
 * has to be put together.
 */
async function* history(log: Log): AsyncGenerator<Buffer> {
  const { unit, position } = log;
  const { lines, format } = log.args;
  if (lines === 0) return;
  if (lines > fewLines && format === 'text/plain' && !(await hasCutLines(unit, log))) {
    const messages = readInTurn(() => readMessages({ unit, lines }), log);
    yield* withoutCursorLine(messages, position);
    return;
  }
  yield* readOn(log, { lines });
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

/** What is logged while the time lasts. Returns whether the mailbox has all that comes after it. */
async function* follow(log: Log, mailbox: Mailbox, until: number): AsyncGenerator<Buffer, boolean> {
  const timeUp = new AbortController();
  const timer = setTimeout(() => timeUp.abort(), Math.max(0, Math.ceil(until - performance.now())));
  const stop = AbortSignal.any([log.signal, timeUp.signal]);
  let behind = log.args.after !== null;
  try {
    while (performance.now() < until) {
      if (behind && !(yield* readOn(log, startOf(log.position), until))) return false;
      const records = await mailbox.next(stop);
      log.signal.throwIfAborted();
      behind = records === 'behind';
      if (records === null) break;
      if (records !== 'behind') yield* passOn(log, records);
    }
  } finally {
    clearTimeout(timer);
  }
  return !behind;
}

/** What came by the mailbox and was not read in the journal before. */
async function* passOn({ position, writer }: Log, records: JournalRecord[]): AsyncGenerator<Buffer> {
  const { cursor } = position;
  const news = cursor === null ? records : records.filter((record) => isLater(record.cursor, cursor));
  if (news.length === 0) return;
  yield writer.records(news);
  position.cursor = news.at(-1)?.cursor ?? cursor;
}

/**
 * What the journal has of the unit. Returns whether that was all of it: the time may be up before.
 */
async function* readOn(
  log: Log,
  range: { after?: string; lines?: number },
  until = Number.POSITIVE_INFINITY,
): AsyncGenerator<Buffer, boolean> {
  const { unit, position, writer } = log;
  for await (const records of readInTurn(() => readRecords({ unit, ...range }), log)) {
    if (records.length === 0) continue;
    yield writer.records(records);
    position.cursor = records.at(-1)?.cursor ?? position.cursor;
    if (performance.now() >= until) return false;
  }
  return true;
}

/** What is said of a log where journald did not tell that it has written down everything. */
const journalBusy: Notice = { event: 'missed', reason: 'the journal is busy: the last lines may be missing' };

/** What comes of it in time; false where it takes longer. */
const within = (milliseconds: number, work: Promise<boolean>) =>
  Promise.race([work, pause(milliseconds).then(() => false)]);

/** Whether the mailbox has everything that is in the journal now. */
async function isUpToDate(mailbox: Mailbox, signal: AbortSignal): Promise<boolean> {
  const newest = await newestCursor();
  const soon = AbortSignal.any([signal, timeoutSignal(usualDelay)]);
  return newest === null || (await mailbox.passes(newest, soon));
}

/**
 * What was logged before the end and has not been passed on. A reader that is too slow for it is
 * told how many lines it has missed.
 */
async function* rest(log: Log, patience: number): AsyncGenerator<Buffer> {
  const { unit, position, writer } = log;
  const until = performance.now() + patience;
  let missed = 0;
  for await (const records of readInTurn(() => readRecords({ unit, ...startOf(position) }), log)) {
    if (records.length === 0) continue;
    if (missed === 0 && performance.now() < until) yield writer.records(records);
    else missed += records.length;
  }
  if (missed > 0) {
    yield writer.notice({ event: 'missed', lines: missed, reason: 'the reader was too slow for the log' });
  }
}

const startOf = ({ cursor }: Position) => (cursor === null ? {} : { after: cursor });
