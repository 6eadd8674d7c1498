import type { Logger } from 'pino';
import { createClosers } from '../../lib/async/closers.ts';
import { pause } from '../../lib/async/pause.ts';
import { succeeds } from '../../lib/async/succeeds.ts';
import { traceEffects } from '../../lib/effect.ts';
import { createLogger } from '../../lib/logger.ts';
import { countEffect } from '../../lib/metrics/effects.ts';
import { watchProcess } from '../../lib/metrics/process.ts';
import { flushSpans, startTracing, traceEffect } from '../../lib/tracing.ts';
import { BadConfig, type Flags, readConfig } from '../options/config.ts';
import { environment } from '../options/environment.ts';
import type { Role } from '../options/options.ts';
import { version } from '../version.ts';
import { armFailpoints } from './failpoints.ts';
import { openRole } from './open-role.ts';
import { hideArguments } from './process-hardening.ts';

/** Timeout for a collector to accept the last spans, in milliseconds. */
const flushPatience = 2_000;

/** Milliseconds for a start to end after a signal. */
const startPatience = 2_000;

/** Timeout for stopping, in milliseconds: then the process ends, whatever still runs. */
const stopTimeout = 28_000;

/** Runs a role until SIGTERM or SIGINT. Resolves with the exit code: 0, 1 failed, 2 wrong usage. */
export async function runRole(role: Role, flags: Flags): Promise<number> {
  const ended = nextSignal();
  let log: Logger;
  try {
    hideArguments(`gear ${role}`); // They may contain the password of Redis.
    const config = readConfig(role, flags);
    log = await createLogger(config.logLevel, config.auditLog);
    endAtFaults(log);
    watchProcess(version, role);
    if (await startTracing(version)) log.info('requests and jobs are traced');
    const isDebug = log.isLevelEnabled('debug');
    traceEffects((trace) => {
      countEffect(trace);
      traceEffect(trace);
      if (isDebug) log.debug(trace, 'effect');
    });
    const failpoints = environment['GEARD_FAILPOINTS']; // For tests only.
    if (failpoints) armFailpoints(failpoints, log);
    let fail: (error: Error) => void = () => undefined;
    const failed = new Promise<Error>((resolve) => {
      fail = resolve;
    });
    const closers = createClosers();
    const opened = openRole(role, config, fail, log, closers);
    opened.catch(() => undefined); // It may fail after a signal has ended the wait for it.
    // A start lasts as long as Redis is away.
    const why = await Promise.race([ended, failed, opened.then(() => Promise.race([ended, failed]))]);
    if (why instanceof Error) log.fatal({ reason: why.message }, 'stopping');
    else log.info({ signal: why }, 'stopping');
    process.once('SIGINT', () => process.exit(1)); // A second Ctrl-C exits at once.
    const timer = setTimeout(() => {
      log.error('not everything ended in time; a worker resumes its jobs at its next start');
      process.exit(1);
    }, stopTimeout);
    // A start that is about to end is closed as a whole.
    await Promise.race([succeeds(opened), pause(startPatience)]);
    await closers.close();
    await flushSpans(flushPatience);
    clearTimeout(timer);
    log.info('stopped');
    return why instanceof Error ? 1 : 0;
  } catch (error) {
    for (const line of (error as Error).message.split('\n')) process.stderr.write(`gear ${role}: ${line}\n`);
    if (!(error instanceof BadConfig)) return 1;
    process.stderr.write(`"gear ${role} --help" shows all options\n`);
    return 2;
  }
}

/** Logs an uncaught error. Node would print it with all its properties; see `plainError`. */
function endAtFaults(log: Logger): void {
  process.on('uncaughtException', (error) => {
    log.fatal({ err: error }, 'an internal error ends this process');
    process.exit(1);
  });
}

function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve(signal));
  });
}
