import { isatty } from 'node:tty';
import pino, { type Logger } from 'pino';
import pretty from 'pino-pretty';

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent';

/**
 * Logs to stderr: JSON, one object a line, or readable lines where stderr is a terminal. JSON is written every 100
 * milliseconds or 8 KiB, and when the process ends by itself: a write for each request would be a tenth of its cost.
 */
export function createLogger(level: LogLevel): Logger {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  if (isatty(2)) {
    return pino(
      options,
      pretty({ destination: 2, sync: true, translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname' }),
    );
  }
  return pino(options, pino.destination({ dest: 2, sync: false, minLength: 8_192, periodicFlush: 100 }));
}
