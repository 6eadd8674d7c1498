import { expect } from 'vitest';
import type { Transport } from '../../src/jobs/rpc/streams.ts';
import { type Fleet, openFleet } from './fleet.ts';
import { outputOf } from './processes.ts';
import { ok } from './run.ts';

/** A gear that logs what a test has it log. */
export interface LoudGear {
  /** The URL of its log. */
  log(parameters?: Record<string, string>): string;
  /** Has its process write something to its stdout. */
  say(script: string): Promise<string>;
  /** Has it write so many numbered lines as fast as it can, each so much longer. */
  burst(count: number, longer?: number): Promise<string>;
  /** The last lines of api and worker, which tell why a stream was cut off. */
  said(): string;
}

/** A fleet whose gears may log more than the bursts: by default they may log less. */
export const openLoudFleet = (transport: Transport): Promise<Fleet> =>
  openFleet(transport, ['--gear-log-lines', '100000000']);

export async function installLoudGear(fleet: Fleet, gear: string): Promise<LoudGear> {
  const command = ['/bin/sh', '-c', 'echo ready; exec sleep 100000'];
  const installed = await fleet.change('PUT', 'container', { r: gear, t: 'geard/sample' }, { command });
  expect(installed.body.state).toBe('succeeded');
  const say = (script: string) =>
    ok('docker', 'exec', `gear-${gear}`, '/bin/sh', '-c', `(${script}) >/proc/1/fd/1`);
  return {
    log: (parameters = {}) =>
      `${fleet.url}/container/log?${new URLSearchParams({ u: '0', r: gear, ...parameters })}`,
    say,
    burst: (count, longer = 0) =>
      say(
        `/bin/busybox awk 'BEGIN { while (length(p) < ${longer}) p = p "----------"; for (i = 1; i <= ${count}; i++) print i " a line as long as lines of a log are" p }'`,
      ),
    said: () => [fleet.api, fleet.worker].map((role) => outputOf(role).slice(-1_000)).join('\n'),
  };
}

/** The lines of a log that has come to its end. */
export const linesOf = (body: Buffer): string[] => body.toString().split('\n').slice(0, -1);

const isNumbered = / a line as long as lines of a log are-*$/;

/** The numbers of those lines that a burst has logged. */
export const numbersIn = (body: Buffer): number[] =>
  linesOf(body).flatMap((line) => (isNumbered.test(line) ? [Number.parseInt(line, 10)] : []));

/** Whether these are the numbers of a burst from the first on, none left out and none twice. */
export const isSequence = (numbers: number[]): boolean => numbers.every((number, i) => number === i + 1);
