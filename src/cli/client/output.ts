import { clearScreenDown, moveCursor } from 'node:readline';
import { styleText } from 'node:util';
import type { Flags } from '../options/config.ts';
import { environment } from '../options/environment.ts';

type Style = Parameters<typeof styleText>[0];

/** Where a command writes: data to standard output, everything else to standard error. */
export interface Output {
  /** Whether to print the api's own documents instead of text. */
  json: boolean;
  /** Whether to print only data. */
  quiet: boolean;
  /** Whether standard error is a terminal whose last lines can be rewritten. */
  live: boolean;
  /** Writes data: the document as JSON if `json` is set, otherwise the text. */
  print(document: unknown, text: string): Promise<void>;
  /** The same at the end of a command whose exit code counts even if nobody reads its output. */
  printEnd(document: unknown, text: string): Promise<void>;
  /**
   * Writes data unchanged. Resolves once it is written, so that the source is read no faster.
   * Rejects with `OutputClosed` when standard output is closed.
   */
  write(data: string | Uint8Array): Promise<void>;
  /** Writes a message for the user, unless `quiet` is set. */
  tell(line: string): void;
  /** Writes a line for the user unchanged, even if `quiet` is set. */
  note(line: string): void;
  /** Keeps these lines below all others; for live output only. */
  keep(lines: readonly string[]): void;
  /** Styles text for standard error. */
  paint(style: Style, text: string): string;
}

/** The reader has closed standard output. */
export class OutputClosed extends Error {
  override readonly name = 'OutputClosed';
}

export function createOutput(flags: Flags): Output {
  const { stdout, stderr } = process;
  const [json, quiet] = [flags['json'] === true, flags['quiet'] === true];
  const terminal = stderr.isTTY === true && environment['TERM'] !== 'dumb';
  // See no-color.org.
  const coloured = terminal && !environment['NO_COLOR'] && flags['color'] !== false;
  let kept: readonly string[] = [];
  const clear = () => {
    if (kept.length === 0) return;
    moveCursor(stderr, -(stderr.columns || 80), -kept.length);
    clearScreenDown(stderr);
  };
  const draw = () => {
    const fitting = kept.map((line) => `${line.slice(0, (stderr.columns || 80) - 1)}\n`);
    if (fitting.length > 0) stderr.write(fitting.join(''));
  };
  const note = (line: string) => {
    clear();
    stderr.write(`${line}\n`);
    draw();
  };
  const write = async (data: string | Uint8Array) => {
    clear();
    await new Promise<void>((resolve, reject) =>
      stdout.write(data, (error) => (error ? reject(new OutputClosed()) : resolve())),
    );
    draw();
  };
  const print = (document: unknown, text: string) => write(json ? `${JSON.stringify(document)}\n` : text);
  return {
    json,
    quiet,
    live: terminal && !quiet && !json,
    print,
    printEnd: (document, text) =>
      print(document, text).catch((error: unknown) => {
        if (!(error instanceof OutputClosed)) throw error;
      }),
    write,
    tell: (line) => void (quiet || note(`gear: ${line}`)),
    note,
    keep: (lines) => {
      clear();
      kept = lines;
      draw();
    },
    // Node.js 22 would check whether standard output is a terminal; this goes to standard error.
    paint: (style, text) => (coloured ? styleText(style, text, { validateStream: false }) : text),
  };
}
