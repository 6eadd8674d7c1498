import { Failure } from '../../jobs/errors.ts';
import { Limiter, shared } from '../../lib/async/limiter.ts';
import { shareCalls } from '../../lib/async/share-calls.ts';
import { exec, openProgram, type Program } from '../../lib/exec.ts';
import { createExportParser, exportFields, type JournalRecord, unitFields } from './journal-export.ts';

/** Milliseconds one look into the journal may take. */
const lookDeadline = 10_000;

/**
 * Hundreds may begin to follow at the same time, and a journalctl that begins keeps a processor
 * busy until it has found something. So many begin at a time; users take turns.
 */
const turns = new Limiter(shared(4));

/** For whom the journal is read, until the signal aborts. */
export interface Looking {
  tenant: string;
  signal: AbortSignal;
}

/** A part of a unit's journal, in the order in which it was written. */
export interface JournalRange {
  unit: string;
  /** So many of the newest records; with `after`: all that come after it. */
  lines?: number;
  after?: string;
}

/** A running journalctl. */
export interface JournalReader<T> {
  /** What it has read, as it reads on. Ends when it has ended; throws when it failed. */
  read: AsyncIterable<T>;
  /** Ends it at once. */
  close(): Promise<void>;
}

/**
 * Has everything that was logged until now in the journal. Resolves with whether it is: journald
 * answers when nobody logs any more, and a unit that logs without end can have it busy for as long.
 * Many who ask at the same time share a journalctl.
 */
export const syncJournal = shareCalls(async () => {
  try {
    await look(['--sync']);
    return true;
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError') return false;
    throw error;
  }
}, 0);

/** The newest record's cursor of the whole journal; null when it is empty. Shared as well. */
export const newestCursor = shareCalls(
  async () => cursorIn(await look(['--lines=1', '--output=export', '--output-fields=MESSAGE'])),
  0,
);

/**
 * Whether the journal still has a record: an unknown cursor makes journalctl begin somewhere else
 * without a word.
 */
export async function hasCursor(cursor: string, looking: Looking): Promise<boolean> {
  const args = [`--cursor=${cursor}`, '--lines=1', '--output=export', '--output-fields=MESSAGE'];
  return cursorIn(await lookInTurn(args, looking)) === cursor;
}

/** Whether journald has cut lines of this unit for their length. */
export async function hasCutLines(unit: string, looking: Looking): Promise<boolean> {
  const args = [`--unit=${unit}`, '_LINE_BREAK=line-max', '--lines=1', '--output=export'];
  return (await lookInTurn(args, looking)) !== '';
}

const cursorIn = (text: string) => /^__CURSOR=(.+)$/m.exec(text)?.[1] ?? null;

const lookInTurn = (args: string[], { tenant, signal }: Looking) =>
  turns.run(tenant, () => look(args, signal), signal);

async function look(args: string[], signal?: AbortSignal): Promise<string> {
  const options = { deadline: lookDeadline, ...(signal && { signal }) };
  const { status, stdout, stderr } = await exec('journalctl', ['--quiet', '--no-pager', ...args], options);
  // journalctl ends with 1 where it finds nothing.
  if (status !== 0 && stderr !== '') throw journalAway(stderr);
  return stdout;
}

const journalAway = (said: string) =>
  new Failure('host_unavailable', 'the journal cannot be read', { cause: new Error(said.trim()) });

/**
 * Reads to the end, beginning when it is the user's turn, which is over as soon as something has
 * been found. Closes the reader when the signal aborts, and throws its reason then.
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
    for await (const found of reader.read) {
      release();
      yield found;
    }
    signal.throwIfAborted();
  } catch (error) {
    throw signal.aborted ? signal.reason : error;
  } finally {
    release();
    signal.removeEventListener('abort', aborted);
    await reader?.close();
  }
}

/** Reads records with their cursors. */
export function readRecords(range: JournalRange): JournalReader<JournalRecord[]> {
  const program = open(range, ['--output=export', `--output-fields=${exportFields}`]);
  return reader(program, parsed(program));
}

/**
 * Reads messages only, a line each, as fast as journalctl can; the last line is the cursor of the
 * last record, after `cursorMark`.
 */
export function readMessages(range: JournalRange): JournalReader<Buffer> {
  const program = open(range, ['--output=cat', '--show-cursor']);
  return reader(program, program.stdout);
}

export const cursorMark = '-- cursor: ';

/**
 * Reads the records of all units that come after one, and goes on with what comes. Ends where
 * journalctl ends, because it was killed or cannot have news (without inotify it reads what there
 * is and ends); throws where it cannot read.
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
      if (status !== null && status !== 0 && stderr !== '') throw journalAway(stderr);
      if (status === null && !mayBeKilled) throw journalAway('journalctl was killed');
    } finally {
      await program.kill();
    }
  }
  return { read: read(), close: () => program.kill() };
}
