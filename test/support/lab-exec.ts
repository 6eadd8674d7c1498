import { readFileSync } from 'node:fs';
import { ok, type Ran, run } from './run.ts';

/** The process that is the systemd of a host of a lab, which must be up. */
export const systemdOf = (lab: string, host: string) =>
  Number(readFileSync(`${lab}/${host}/pid`, 'utf8').split(' ')[0]);

/**
 * The beginning of a command line for a host of a lab: what `contrib/lab exec` becomes when it has
 * found the host's systemd, which takes it ten processes.
 */
export const enterHost = (lab: string, host: string) =>
  ['nsenter', '--target', String(systemdOf(lab, host)), '--all', '--'] as const;

/** For a host of the lab in GEARD_LAB_DIR. */
const onHost = (host: string) => enterHost(String(process.env['GEARD_LAB_DIR']), host);

/** Runs a command on a host of the lab and returns what it did. */
export const tryOn = async (host: string, ...command: string[]): Promise<Ran> =>
  run(...onHost(host), ...command);

/** Runs a command on a host of the lab that must succeed and returns its output. */
export const okOn = async (host: string, ...command: string[]): Promise<string> =>
  ok(...onHost(host), ...command);
