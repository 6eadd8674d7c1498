export interface Row {
  what: string;
  /** Medians with what they are measured in, such as "412 ms". */
  ours: string;
  theirs: string;
  value: number;
  /** Smallest and largest ratio of single rounds. */
  spread?: [number, number];
  reach?: { atLeast: number } | { atMost: number };
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

/** The value that a share of all values does not exceed (nearest rank); 0 of none. */
export function percentile(values: number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? 0;
}

/** What 99 of 100 values do not exceed; the greatest where there are fewer than 100. */
export const p99 = (values: number[]) => percentile(values, 0.99);

/** Ratios round by round: what disturbs the machine disturbs both sides of one round. */
export function ratios(ours: number[], theirs: number[]): { value: number; spread: [number, number] } {
  const each = ours.map((value, i) => value / (theirs[i] as number));
  return { value: median(each), spread: [Math.min(...each), Math.max(...each)] };
}

export function printTitle(): void {
  console.log(
    '| what | geard | beside it | ratio (lowest to highest) | to reach | |\n| --- | --- | --- | --- | --- | --- |',
  );
}

/** Prints a line of the table; false when the figure is not what we want to reach. */
export function printRow({ what, ours, theirs, value, spread, reach }: Row): boolean {
  const met = !reach || ('atLeast' in reach ? value >= reach.atLeast : value <= reach.atMost);
  const figure = value.toFixed(2) + (spread ? ` (${spread[0].toFixed(2)} to ${spread[1].toFixed(2)})` : '');
  const goal = !reach ? '' : 'atLeast' in reach ? `≥ ${reach.atLeast}` : `≤ ${reach.atMost}`;
  console.log(`| ${what} | ${ours} | ${theirs} | ${figure} | ${goal} | ${met ? '✓' : '✗'} |`);
  return met;
}
