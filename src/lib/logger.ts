import { isatty } from 'node:tty';
import pino, { type Logger } from 'pino';
import pretty from 'pino-pretty';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/**
 * What the log has of an error: nothing that a library has hung onto it, for that may hold what a client has sent
 * (ioredis: the arguments of the command).
 */
export function plainError(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) };
  const { name, message, stack, cause } = error;
  const because = cause === undefined ? {} : { cause: plainError(cause) };
  return { type: name, message, stack, code: 'code' in error ? String(error.code) : undefined, ...because };
}

/**
 * Logs to stderr: JSON, one object a line, or readable lines where stderr is a terminal. JSON is written every 100
 * milliseconds or 8 KiB, and when the process ends by itself: a write for each request would be a tenth of its cost.
 */
export function createLogger(level: LogLevel): Logger {
  const options = {
    level,
    base: null,
    timestamp: pino.stdTimeFunctions.isoTime,
    serializers: { err: plainError },
  };
  if (isatty(2)) {
    return pino(
      options,
      pretty({ destination: 2, sync: true, translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname' }),
    );
  }
  return pino(options, pino.destination({ dest: 2, sync: false, minLength: 8_192, periodicFlush: 100 }));
}
