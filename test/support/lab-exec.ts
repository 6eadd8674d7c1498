import { readFileSync } from 'node:fs';
import { ok, type Ran, run } from './run.ts';

/**
 * The beginning of a command line for a host of the lab in GEARD_LAB_DIR: what `contrib/lab exec`
 * becomes when it has found the host's systemd, which takes it ten processes.
 */
function onHost(host: string) {
  const file = `${process.env['GEARD_LAB_DIR']}/${host}/pid`;
  const [systemd = ''] = readFileSync(file, 'utf8').split(' ');
  return ['nsenter', '--target', systemd, '--all', '--'] as const;
}

/** Runs a command on a host of the lab and returns what it did. */
export const tryOn = async (host: string, ...command: string[]): Promise<Ran> =>
  run(...onHost(host), ...command);

/** Runs a command on a host of the lab that must succeed and returns its output. */
export const okOn = async (host: string, ...command: string[]): Promise<string> =>
  ok(...onHost(host), ...command);
