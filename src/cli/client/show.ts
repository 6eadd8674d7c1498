/** Rows under a head, in columns; every line ends with a newline. */
export function columns(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((_, i) => Math.max(...[head, ...rows].map((row) => (row[i] ?? '').length)));
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd();
  return [head, ...rows].map((row) => `${line(row)}\n`).join('');
}

/** Names and values in two columns, without those that have no value. */
export function pairs(values: Readonly<Record<string, string | null | undefined>>): string {
  const there = Object.entries(values).filter(([, value]) => value !== null && value !== undefined);
  const width = Math.max(...there.map(([name]) => name.length));
  return there.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`).join('');
}

/** A request id as people write it: without the zeros at its beginning. */
export const shortId = (id: string) => id.replace(/^0+(?=.)/, '');

/** How to come back to what goes on without the command that has begun or followed it. */
export const comeBack = {
  job: (id: string) => `the job goes on: gear job ${id} --follow`,
  cancellation: (id: string, accepted: boolean) =>
    `${accepted ? 'the cancellation goes on' : 'the api may have accepted the cancellation'}: gear job ${id}`,
};
