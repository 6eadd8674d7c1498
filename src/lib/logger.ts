import { isatty } from 'node:tty';
import pino, { type DestinationStream, type Logger } from 'pino';
import { openAuditFile } from './files/audit-file.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/**
 * Reduces an error to its loggable fields. Other properties, which libraries attach, may contain
 * client data (ioredis: the arguments of the command).
 */
export function plainError(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name, message, stack, cause } = error;
  const because = cause === undefined ? {} : { cause: plainError(cause) };
  return { type: name, message, stack, code: 'code' in error ? String(error.code) : undefined, ...because };
}

/**
 * Creates a logger to stderr: one JSON object per line, or readable lines if stderr is a terminal.
 * It writes JSON every 100 milliseconds or 8 KiB, and when the process exits on its own: a write
 * per request would be a tenth of the request's cost. It also writes the lines of the audit log to
 * `auditFile`, if given.
 */
export async function createLogger(level: LogLevel, auditFile: string | null = null): Promise<Logger> {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: plainError },
  };
  const stderr = isatty(2)
    ? await readableLines()
    : pino.destination({ dest: 2, sync: false, minLength: 8_192, periodicFlush: 100 });
  return pino(options, auditFile === null ? stderr : withAuditFile(stderr, auditFile));
}

/** Loads pino-pretty only here: services do not need it. */
async function readableLines(): Promise<DestinationStream> {
  const { default: pretty } = await import('pino-pretty');
  return pretty({ destination: 2, sync: true, translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname' });
}

/** Matches only a JSON field: a quote inside a value has a backslash before it. */
const auditMark = '"audit":true';

function withAuditFile(stderr: DestinationStream & { flushSync?(): void }, path: string): DestinationStream {
  const append = openAuditFile(path);
  const both = {
    write(line: string) {
      stderr.write(line);
      if (line.includes(auditMark)) append(line);
    },
    flushSync: () => stderr.flushSync?.(), // pino calls it for fatal lines.
  };
  return both;
}
