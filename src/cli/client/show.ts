import type { Flags } from '../options/config.ts';
import { quote } from '../quote.ts';

/** Formats rows in columns under a header; every line ends with a newline. */
export function columns(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((row) => (row[i] ?? '').length)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd();
  return [head, ...rows].map((row) => `${line(row)}\n`).join('');
}

/** Formats names and values in two columns, and leaves out names without a value. */
export function pairs(values: Readonly<Record<string, string | null | undefined>>): string {
  const there = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  const width = Math.max(...there.map(([name]) => name.length));
  return there.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join('');
}

/** Shortens a request id: removes the zeros at its beginning. */
export const shortId = (id: string) => id.replace(/^0+(?=.)/, '');

/** The options that name an api and its token, and the flags that commander makes of them. */
export const connectionFlags: ReadonlyMap<string, string> = new Map([
  ['--context', 'context'],
  ['--api', 'api'],
  ['--token-file', 'tokenFile'],
]);

/** Returns those of a command as they were given, each behind a space. */
function apiOptions(flags: Flags): string {
  const given = [...connectionFlags].flatMap(([option, name]) =>
    flags[name] === undefined ? [] : [` ${option} ${quote(String(flags[name]))}`],
  );
  return given.join('');
}

/** Formats a command for the user to run against the api of the one that was given these flags. */
export const nextCommand = (flags: Flags, words: string) => `gear ${words}${apiOptions(flags)}`;

/** Hints at how to follow work that continues without the command. */
export const comeBack = {
  job: (flags: Flags, id: string) => `the job goes on: ${nextCommand(flags, `job ${id} --follow`)}`,
  request: (flags: Flags, key: string) =>
    `the api may have accepted it; the same command with --key ${quote(key)}${apiOptions(flags)} joins it`,
  cancellation(flags: Flags, id: string, accepted: boolean): string {
    const what = accepted ? 'the cancellation goes on' : 'the api may have accepted the cancellation';
    return `${what}: ${nextCommand(flags, `job ${id}`)}`;
  },
};
