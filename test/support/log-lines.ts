import pino, { type Logger } from 'pino';

/** A log with all that was written into it. */
export function keepLog(): { log: Logger; lines: Record<string, unknown>[] } {
  const lines: Record<string, unknown>[] = [];
  const write = (line: string) => void lines.push(JSON.parse(line));
  return { lines, log: pino({ level: 'debug' }, { write }) };
}
