import { Failure } from '../../jobs/errors.ts';
import { exec, openProgram, type Program } from '../../lib/exec.ts';
import { createExportParser, exportFields, type JournalRecord } from '../domain/journal-export.ts';

/** Milliseconds one look into the journal may take. */
const lookDeadline = 10_000;

/** A part of a unit's journal, in the order in which it was written. */
export interface JournalRange {
  unit: string;
  /** So many of the newest records; with `after`: all that come after it. */
  lines?: number;
  after?: string;
  /** Go on with what comes, until it is stopped. */
  follow?: boolean;
}

/** A running journalctl. */
export interface JournalReader<T> {
  /** What it has read, as it reads on. Ends when it has ended; throws when it failed. */
  read: AsyncIterable<T>;
  /** Has `read` end soon. */
  stop(): void;
  /** Ends it at once. */
  close(): Promise<void>;
}

/** Has everything that was logged until now in the journal. */
export async function syncJournal(): Promise<void> {
  await look(['--sync']);
}

/** The newest record's cursor of the whole journal; null when it is empty. */
export async function newestCursor(): Promise<string | null> {
  return cursorIn(await look(['--lines=1', '--output=export', '--output-fields=MESSAGE']));
}

/** Whether the journal still has a record: an unknown cursor makes journalctl begin somewhere else without a word. */
export async function hasCursor(cursor: string): Promise<boolean> {
  const args = [`--cursor=${cursor}`, '--lines=1', '--output=export', '--output-fields=MESSAGE'];
  return cursorIn(await look(args)) === cursor;
}

/** Whether journald has cut lines of this unit for their length. */
export async function hasCutLines(unit: string): Promise<boolean> {
  const found = await look([`--unit=${unit}`, '_LINE_BREAK=line-max', '--lines=1', '--output=export']);
  return found !== '';
}

const cursorIn = (text: string) => /^__CURSOR=(.+)$/m.exec(text)?.[1] ?? null;

async function look(args: string[]): Promise<string> {
  const options = { deadline: lookDeadline };
  const { status, stdout, stderr } = await exec('journalctl', ['--quiet', '--no-pager', ...args], options);
  // journalctl ends with 1 where it finds nothing.
  if (status !== 0 && stderr !== '') throw journalAway(stderr);
  return stdout;
}

const journalAway = (said: string) =>
  new Failure('host_unavailable', 'the journal cannot be read', { cause: new Error(said.trim()) });

/** Reads records with their cursors. */
export function readRecords(range: JournalRange): JournalReader<JournalRecord[]> {
  const program = open(range, ['--output=export', `--output-fields=${exportFields}`]);
  const parse = createExportParser();
  return reader(program, async function* () {
    for await (const chunk of program.stdout) yield parse(chunk as Buffer);
  });
}

/**
 * Reads messages only, a line each, as fast as journalctl can; the last line is the cursor of the last record, after
 * `cursorMark`.
 */
export function readMessages(range: JournalRange): JournalReader<Buffer> {
  const program = open(range, ['--output=cat', '--show-cursor']);
  return reader(program, async function* () {
    for await (const chunk of program.stdout) yield chunk as Buffer;
  });
}

export const cursorMark = '-- cursor: ';

function open({ unit, lines, after, follow }: JournalRange, output: string[]): Program {
  const from = after === undefined ? [`--lines=${lines ?? 'all'}`] : [`--after-cursor=${after}`];
  const how = follow ? ['--follow', '--no-tail'] : [];
  const args = ['--quiet', '--no-pager', '--all', `--unit=${unit}`, ...from, ...how, ...output];
  return openProgram('journalctl', args);
}

function reader<T>(program: Program, source: () => AsyncIterable<T>): JournalReader<T> {
  let stopped = false;
  async function* read() {
    try {
      yield* source();
      const { status, stderr } = await program.ended;
      if (!stopped && status !== 0 && stderr !== '') throw journalAway(stderr);
      if (!stopped && status === null) throw journalAway('journalctl was killed');
    } finally {
      await program.kill();
    }
  }
  return {
    read: read(),
    stop: () => {
      stopped = true;
      program.stop();
    },
    close: () => program.kill(),
  };
}
