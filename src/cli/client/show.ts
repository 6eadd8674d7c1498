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

/** Hints at how to follow work that continues without the command. */
export const comeBack = {
  job: (id: string) => `the job goes on: gear job ${id} --follow`,
  request: (key: string) => `the api may have accepted it; the same command with --key ${key} joins it`,
  cancellation: (id: string, accepted: boolean) =>
    `${accepted ? 'the cancellation goes on' : 'the api may have accepted the cancellation'}: gear job ${id}`,
};
