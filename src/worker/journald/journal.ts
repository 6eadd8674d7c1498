import { Failure } from '../../jobs/errors.ts';
import { Limiter, shared } from '../../lib/async/limiter.ts';
import { shareCalls } from '../../lib/async/share-calls.ts';
import { exec, openProgram, type Program } from '../../lib/exec.ts';
import { createExportParser, exportFields, type JournalRecord, unitFields } from './journal-export.ts';

/** Timeout for one query of the journal, in milliseconds. */
const lookDeadline = 10_000;

/**
 * Hundreds of readers may begin to follow at the same time, and a journalctl that begins keeps a
 * processor busy until it has found something. Limits how many begin at a time; users take turns.
 */
const turns = new Limiter(shared(4));

/** The tenant that the journal is read for, and the signal that ends the reading. */
export interface Looking {
  tenant: string;
  signal: AbortSignal;
}

/** A part of a unit's journal, in the order in which it was written. */
export interface JournalRange {
  unit: string;
  /** Number of newest records; default: all. With `after`: all records after it. */
  lines?: number;
  after?: string;
}

/** A running journalctl. */
export interface JournalReader<T> {
  /**
   * Output of journalctl, as it arrives. Ends when journalctl ends; throws when it failed. Leaving
   * it ends journalctl.
   */
  output: AsyncIterable<T>;
  /** Ends journalctl at once. */
  close(): Promise<void>;
}

const oneRecord = ['--lines=1', '--output=export', '--output-fields=MESSAGE'];

/** Cursor of the whole journal's newest record; null when it is empty. Callers share the call. */
export const newestCursor = shareCalls(async () => cursorIn(await look(oneRecord)), 0);

/**
 * Whether the journal still has a record: with an unknown cursor, journalctl silently begins
 * somewhere else.
 */
export async function hasCursor(cursor: string, looking: Looking): Promise<boolean> {
  return cursorIn(await lookInTurn([`--cursor=${cursor}`, ...oneRecord], looking)) === cursor;
}

export async function hasCutLines(unit: string, looking: Looking): Promise<boolean> {
  const args = [`--unit=${unit}`, '_LINE_BREAK=line-max', '--lines=1', '--output=export'];
  return (await lookInTurn(args, looking)) !== '';
}

const cursorIn = (text: string) => /^__CURSOR=(.+)$/m.exec(text)?.[1] ?? null;

const lookInTurn = (args: string[], { tenant, signal }: Looking) =>
  turns.run(tenant, () => look(args, signal), signal);

async function look(args: string[], signal?: AbortSignal): Promise<string> {
  const options = { deadline: lookDeadline, ...(signal && { signal }) };
  const run = exec('journalctl', ['--quiet', '--no-pager', ...args], options);
  const { status, stdout, stderr } = await run.catch((error: Error) => {
    const isLate = error.name === 'AbortError' && !signal?.aborted;
    throw isLate ? journalAway(error) : error;
  });
  if (status === null) throw wasKilled();
  // journalctl exits with 1 when it finds nothing.
  if (status !== 0 && stderr !== '') throw journalAway(new Error(stderr.trim()));
  return stdout;
}

export const journalAway = (cause: unknown) =>
  new Failure('host_unavailable', 'the journal cannot be read', { cause });

const wasKilled = () => journalAway(new Error('journalctl was killed'));

/**
 * Reads to the end, beginning when the user's turn comes. The turn ends with the first result. When
 * the signal aborts, closes the reader and throws the signal's reason.
 */
export async function* readInTurn<T>(
  open: () => JournalReader<T>,
  { tenant, signal }: Looking,
): AsyncGenerator<T> {
  const release = await turns.wait(tenant, signal);
  let reader: JournalReader<T> | undefined;
  const aborted = () => void reader?.close();
  signal.addEventListener('abort', aborted);
  try {
    signal.throwIfAborted();
    reader = open();
    for await (const found of reader.output) {
      release();
      yield found;
    }
    signal.throwIfAborted();
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    release();
    signal.removeEventListener('abort', aborted);
  }
}

export function readRecords(range: JournalRange): JournalReader<JournalRecord[]> {
  const program = open(range, ['--output=export', `--output-fields=${exportFields}`]);
  return reader(program, parsed(program));
}

/**
 * Reads only messages, one per line, as fast as journalctl can. The last line is the cursor of the
 * last record, after `cursorMark`.
 */
export function readMessages(range: JournalRange): JournalReader<Buffer> {
  const program = open(range, ['--output=cat', '--show-cursor']);
  return reader(program, program.stdout);
}

export const cursorMark = '-- cursor: ';

/**
 * Reads the records of all units after one record, and then new ones. Ends when journalctl ends,
 * because it was killed or gets no news (without inotify it reads the existing records and ends).
 * Throws when it cannot read.
 */
export function followJournal(after: string | null): JournalReader<JournalRecord[]> {
  const from = after === null ? [] : [`--after-cursor=${after}`];
  const how = ['--follow', '--no-tail', '--output=export', `--output-fields=${exportFields},${unitFields}`];
  const program = openProgram('journalctl', [...quiet, ...from, ...how]);
  return reader(program, parsed(program), { mayBeKilled: true });
}

const quiet = ['--quiet', '--no-pager', '--all'];

function open({ unit, lines, after }: JournalRange, output: string[]): Program {
  const from = after === undefined ? [`--lines=${lines ?? 'all'}`] : [`--after-cursor=${after}`];
  return openProgram('journalctl', [...quiet, `--unit=${unit}`, ...from, ...output]);
}

async function* parsed({ stdout }: Program): AsyncGenerator<JournalRecord[]> {
  const parse = createExportParser();
  for await (const chunk of stdout) yield parse(chunk);
}

function reader<T>(
  program: Program,
  source: AsyncIterable<T>,
  { mayBeKilled } = { mayBeKilled: false },
): JournalReader<T> {
  async function* read() {
    try {
      yield* source;
      const { status, stderr } = await program.ended;
      if (status !== null && status !== 0 && stderr !== '') throw journalAway(new Error(stderr.trim()));
      if (status === null && !mayBeKilled) throw wasKilled();
    } finally {
      await program.kill();
    }
  }
  return { output: read(), close: () => program.kill() };
}
