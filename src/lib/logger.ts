import { isatty } from 'node:tty';
import pino, { type DestinationStream, type Logger } from 'pino';
import { openAuditFile } from './files/audit-file.ts';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/**
 * What the log has of an error: nothing that a library has hung onto it, for that may hold what a
 * client has sent (ioredis: the arguments of the command).
 */
export function plainError(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name, message, stack, cause } = error;
  const because = cause === undefined ? {} : { cause: plainError(cause) };
  return { type: name, message, stack, code: 'code' in error ? String(error.code) : undefined, ...because };
}

/**
 * Logs to stderr: JSON, one object a line, or readable lines where stderr is a terminal. JSON is
 * written every 100 milliseconds or 8 KiB, and when the process ends by itself: a write for each
 * request would be a tenth of its cost. Lines of the audit log go to a file as well, where one is
 * named.
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

/** Loaded here only: services do not need it. */
async function readableLines(): Promise<DestinationStream> {
  const { default: pretty } = await import('pino-pretty');
  return pretty({ destination: 2, sync: true, translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname' });
}

/** Matches only a field in JSON: a quote inside a value has a backslash before it. */
const auditMark = '"audit":true';

function withAuditFile(stderr: DestinationStream & { flushSync?(): void }, path: string): DestinationStream {
  const append = openAuditFile(path);
  const both = {
    write(line: string) {
      stderr.write(line);
      if (line.includes(auditMark)) append(line);
    },
    flushSync: () => stderr.flushSync?.(), // Called for fatal lines.
  };
  return both;
}
