const seconds = { s: 1, m: 60, h: 3_600, d: 86_400 } as const;

/** Parses a duration such as `90s`, `15m`, `24h` or `7d` into seconds; null if it is invalid. */
export function parseDuration(text: string): number | null {
  const matched = /^(\d{1,7})([smhd])$/.exec(text);
  if (!matched) return null;
  return Number(matched[1]) * seconds[matched[2] as keyof typeof seconds];
}

/** Formats a time span in the largest unit of which it has two, rounded down. */
export function sayDuration(span: number): string {
  const unit = (['d', 'h', 'm', 's'] as const).find((one) => span >= 2 * seconds[one]) ?? 's';
  const names = { s: 'seconds', m: 'minutes', h: 'hours', d: 'days' };
  return `${Math.floor(span / seconds[unit])} ${names[unit]}`;
}
