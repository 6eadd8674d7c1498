import { setImmediate } from 'node:timers/promises';
import { type OpenStream, type StreamArgs, timeIsUp } from '../../jobs/rpc/streams.ts';
import type { Notice } from '../../jobs/types/container-reads.ts';
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
} from '../journald/journal.ts';
import { isLater, type JournalRecord } from '../journald/journal-export.ts';
import type { JournalFeed } from '../journald/journal-feed.ts';
import { type Mailbox, piecesOf } from '../journald/mailbox.ts';
import { syncJournal } from '../journald/sync-journal.ts';

type LogArgs = StreamArgs<'container.log'>;

/** Milliseconds after the time is up in which a reader may catch up with the earlier records. */
const catchUp = 5_000;

/**
 * Milliseconds to wait for journald to write earlier records: before a log begins, and before the
 * end of a log that is not followed.
 */
const beginPatience = 1_000;
const historyPatience = 5_000;

/**
 * Milliseconds in which all records up to the end usually arrive; after that they are read from the
 * journal.
 */
const usualDelay = 1_000;

/** Up to this number of lines, reading all fields is faster than first checking for cut lines. */
const fewLines = 1_000;

/** A log that is being sent. */
interface Log extends Looking {
  unit: string;
  args: LogArgs;
  writer: LogWriter;
  /** Its position in the journal; null: at the beginning. */
  cursor: string | null;
}

/** Streams the journal of a gear's unit: history, then new records, until the time is up. */
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
  const log: Log = { unit, args, writer, cursor: known ? args.after : null, tenant, signal };
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
  const isWhole = await syncJournal(historyPatience);
  yield* log.args.after === null ? history(log) : rest(log, Number.POSITIVE_INFINITY);
  if (!isWhole) yield log.writer.notice(journalBusy);
  yield log.writer.notice({ event: 'end', reason: 'the history ends' });
}

async function* historyAndNews(log: Log, until: number, feed: JournalFeed): AsyncGenerator<Buffer> {
  const { unit, args, writer, signal } = log;
  // Follows before it reads anything, so that no record is missed in between.
  const { mailbox, since } = await feed.follow(unit);
  try {
    if (args.after === null) {
      // Needed even if the unit has logged nothing yet.
      log.cursor = since;
      if (args.lines > 0) await syncJournal(beginPatience);
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
  yield writer.notice({ event: 'end', reason: timeIsUp });
}

/**
 * The last lines of the log. Many lines of plain text take the fast way, if none of them was cut.
 */
async function* history(log: Log): AsyncGenerator<Buffer> {
  const { unit, args } = log;
  const { lines, format } = args;
  if (lines === 0) return;
  if (lines > fewLines && format === 'text/plain' && !(await hasCutLines(unit, log))) {
    const messages = readInTurn(() => readMessages({ unit, lines }), log);
    yield* withoutCursorLine(messages, log);
  } else yield* readOn(log, { lines });
}

/** Passes on everything but the last line, which holds the position. */
export async function* withoutCursorLine(
  chunks: AsyncIterable<Buffer>,
  log: Pick<Log, 'cursor'>,
): AsyncGenerator<Buffer> {
  // The cursor's line is shorter than this.
  const held = 512;
  let tail: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    // A chunk may end in the middle of the cursor's line.
    tail = Buffer.concat([tail, chunk]);
    if (tail.length > held) {
      yield tail.subarray(0, tail.length - held);
      tail = tail.subarray(tail.length - held);
    }
  }
  const mark = tail.lastIndexOf(`${cursorMark}s=`);
  if (mark >= 0) log.cursor = tail.toString('latin1', mark + cursorMark.length).trim();
  const last = mark < 0 ? tail : tail.subarray(0, mark);
  if (last.length > 0) yield last;
}

/** Streams new records until the time is up. Returns whether the mailbox has all later ones. */
async function* follow(log: Log, mailbox: Mailbox, until: number): AsyncGenerator<Buffer, boolean> {
  const timeUp = new AbortController();
  const timer = setTimeout(() => timeUp.abort(), Math.max(0, Math.ceil(until - performance.now())));
  const stop = AbortSignal.any([log.signal, timeUp.signal]);
  let behind = log.args.after !== null;
  try {
    while (performance.now() < until) {
      if (behind && !(yield* readOn(log, startOf(log), until))) return false;
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

/**
 * Passes on records from the mailbox that were not read from the journal before. Others have a turn
 * before each further piece: a gear may have many followers, and lines that are slow to format.
 */
export async function* passOn(
  log: Pick<Log, 'cursor' | 'writer'>,
  records: JournalRecord[],
): AsyncGenerator<Buffer> {
  const { cursor } = log;
  const news = cursor === null ? records : records.filter((record) => isLater(record.cursor, cursor));
  let isFirst = true;
  for (const piece of piecesOf(news)) {
    if (!isFirst) await setImmediate();
    isFirst = false;
    yield log.writer.records(piece);
    log.cursor = piece.at(-1)?.cursor ?? log.cursor;
  }
}

/** Streams the unit's records from the journal. Returns false if the time was up before the end. */
async function* readOn(
  log: Log,
  range: { after?: string; lines?: number },
  until = Number.POSITIVE_INFINITY,
): AsyncGenerator<Buffer, boolean> {
  const { unit, writer } = log;
  for await (const records of readInTurn(() => readRecords({ unit, ...range }), log)) {
    if (records.length === 0) continue;
    yield writer.records(records);
    log.cursor = records.at(-1)?.cursor ?? log.cursor;
    if (performance.now() >= until) return false;
  }
  return true;
}

/** The notice for a log when journald did not confirm that it has written everything. */
const journalBusy: Notice = { event: 'missed', reason: 'the journal is busy: the last lines may be missing' };

/** Whether the mailbox has everything that is in the journal now. */
async function isUpToDate(mailbox: Mailbox, signal: AbortSignal): Promise<boolean> {
  const newest = await newestCursor();
  const soon = timeoutSignal(usualDelay, signal);
  return newest === null || (await mailbox.passes(newest, soon));
}

/**
 * Streams the remaining records before the end. Reports the number of missed records to a reader
 * that is too slow.
 */
async function* rest(log: Log, timeout: number): AsyncGenerator<Buffer> {
  const { unit, writer } = log;
  const until = performance.now() + timeout;
  let missed = 0;
  for await (const records of readInTurn(() => readRecords({ unit, ...startOf(log) }), log)) {
    if (records.length === 0) continue;
    if (missed === 0 && performance.now() < until) yield writer.records(records);
    else missed += records.length;
  }
  if (missed > 0) {
    yield writer.notice({ event: 'missed', lines: missed, reason: 'the reader was too slow for the log' });
  }
}

const startOf = ({ cursor }: Log) => (cursor === null ? {} : { after: cursor });
