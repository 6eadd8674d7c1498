import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Closers } from '../../src/lib/async/closers.ts';
import { apiPort, project, samplePort } from './addresses.ts';
import { execute } from './execute.ts';
import { must, type Place } from './place.ts';
import { say } from './say.ts';

/** A lab of its own, so that one that is up already is left alone. */
const labDirectory = '/run/geard-start';

/** A host booted in namespaces, with its ports to be reached from this machine's loopback. */
export async function openLabHost(closers: Closers): Promise<Place> {
  process.env['GEARD_LAB_DIR'] = labDirectory;
  const lab = `${project}/contrib/lab`;
  say('this machine is no host (systemd is not PID 1, or Docker does not answer): booting one in namespaces');
  closers.push(async () => {
    const { status, output } = await execute(lab, ['down']);
    if (status !== 0) throw new Error(`contrib/lab down failed:\n${output}`);
  });
  await up(lab);
  const place: Place = {
    run: (program, ...args) => execute(lab, ['exec', 'h1', '--', program, ...args]),
    prefix: `GEARD_LAB_DIR=${labDirectory} ${lab} exec h1 -- `,
  };
  await must(place, `${project}/contrib/sample/image`);
  forward(lab, closers);
  return place;
}

/** Boots with its progress to be seen. */
async function up(lab: string): Promise<void> {
  const child = spawn(lab, ['up', '1', '--bare'], {
    stdio: ['ignore', 'inherit', 'inherit'],
    detached: true,
  });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error('the lab host did not boot');
}

/** Has this machine's loopback answer for the ports of the host, until closed. */
function forward(lab: string, closers: Closers): void {
  const ports = [apiPort, samplePort].map(String);
  const child = spawn(lab, ['forward', 'h1', ...ports], {
    stdio: ['ignore', 'ignore', 'inherit'],
    detached: true,
  });
  const ended = once(child, 'close');
  closers.push(async () => {
    child.kill('SIGTERM');
    await ended;
  });
}
