import type { Command } from 'commander';
import { pause } from '../../lib/async/pause.ts';
import { createLogger } from '../../lib/logger.ts';
import { act } from '../act.ts';
import { complete, contradictions, type Flags, readSettings } from '../options/config.ts';
import { optionFor } from '../options/options.ts';
import { directories, disk } from './disk.ts';
import {
  type Check,
  type Diagnosis,
  doctorOptions,
  type Finding,
  problem,
  type Situation,
} from './finding.ts';
import { clock, keys, listen, redis, settings } from './fleet.ts';
import { docker, inotify, network, programs, systemd } from './host.ts';

/** All checks by name, in the order of the output. */
export const checks: Record<string, Check> = {
  settings,
  systemd,
  docker,
  network,
  programs,
  inotify,
  redis,
  keys,
  clock,
  listen,
  disk,
  directories,
};

/** Timeout for a check, in milliseconds. */
const checkTimeout = 8_000;

/** `gear doctor`: checks the requirements of geard on this host, and changes nothing. */
export function fillDoctor(command: Command): void {
  command.option('--json', 'print one JSON document');
  for (const name of doctorOptions) command.addOption(optionFor(name));
  const table = Object.entries(checks).map(([name, { at }]) => `  ${name.padEnd(12)} ${at}\n`);
  command.addHelpText('after', `\nIt checks:\n${table.join('')}`).action((flags: Flags) =>
    act(async () => {
      const given = readSettings(doctorOptions, flags);
      const wrong = contradictions('daemon', given);
      const log = await createLogger('silent');
      const found = await diagnose({ ...complete(given), contradictions: wrong, log }, checks);
      process.stdout.write(flags['json'] === true ? `${JSON.stringify(found)}\n` : show(found));
      return found.checks.some(({ verdict }) => verdict === 'problem') ? 1 : 0;
    }),
  );
}

/** Runs checks in parallel. */
export async function diagnose(
  situation: Situation,
  all: Record<string, Check>,
  deadline = checkTimeout,
): Promise<Diagnosis> {
  const found = Object.entries(all).map(async ([name, check]) => ({
    name,
    ...(await carryOut(check, situation, deadline)),
  }));
  return { checks: await Promise.all(found) };
}

/** Runs a check. A check that fails or times out has found a problem. */
function carryOut({ look, mend }: Check, situation: Situation, deadline: number): Promise<Finding> {
  const late = pause(deadline).then(() => problem(`no answer within ${deadline / 1000} s`, mend));
  return Promise.race([look(situation), late]).catch((error: Error) => problem(error.message, mend));
}

/** Formats a line for each check, with the fix indented below it. */
export function show({ checks: found }: Diagnosis): string {
  const lines = found.flatMap(({ name, verdict, detail, mend }) => [
    `${verdict.padEnd(8)}${name.padEnd(12)}${detail.replaceAll('\n', ' ')}\n`,
    ...(mend?.split('\n').map((line) => `${' '.repeat(8)}${line}\n`) ?? []),
  ]);
  return lines.join('');
}
