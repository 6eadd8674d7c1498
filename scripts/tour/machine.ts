import { readFile } from 'node:fs/promises';
import { execute } from './execute.ts';

/** Whether gears can run on this machine as it is: systemd is PID 1 and Docker answers. */
export async function machineIsAHost(): Promise<boolean> {
  if ((await readFile('/proc/1/comm', 'utf8')).trim() !== 'systemd') return false;
  const docker = await execute('docker', ['info', '--format', '{{.ServerVersion}}']).catch(() => ({
    status: 1,
  }));
  return docker.status === 0;
}
