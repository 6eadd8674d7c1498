import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { text as readText } from 'node:stream/consumers';
import { Command } from 'commander';
import { pause } from '../../lib/async/pause.ts';
import { exec } from '../../lib/exec.ts';
import { readIfThere } from '../../lib/files/if-there.ts';
import { replaceFile } from '../../lib/files/replace-file.ts';
import { act } from '../act.ts';
import { BadConfig } from '../options/config.ts';
import { type Invitation, readInvitation } from './invitation.ts';

/** Timeout for a call of systemctl, in milliseconds. */
const deadline = 60_000;

/**
 * `gear host join`: reads the output of `gear host add`, writes this host's settings and starts the
 * worker of this host.
 */
export function joinCommand(): Command {
  return new Command('join')
    .description('add this host to a fleet; reads the output of gear host add from standard input')
    .option('--settings <directory>', 'the directory with the settings of geard', '/etc/geard')
    .option('--no-start', 'write the settings only')
    .action(({ settings, start }: { settings: string; start: boolean }) =>
      act(() => joinFleet(settings, start)),
    );
}

async function joinFleet(settings: string, start: boolean): Promise<number> {
  const invitation = readInvitation(await readText(process.stdin));
  if (!invitation)
    throw new BadConfig(
      'standard input is not the output of "gear host add"; paste all of it, including END',
    );
  await assertNameKept(settings, invitation);
  const keys = join(settings, 'keys');
  await mkdir(keys, { recursive: true, mode: 0o700 });
  for (const [name, text] of Object.entries(invitation.keys))
    await replaceFile(join(keys, name), text, 0o600);
  await replaceFile(join(settings, 'redis.password'), `${invitation.password}\n`, 0o600);
  if (invitation.ca !== undefined) await replaceFile(join(settings, 'redis.ca.pem'), invitation.ca, 0o644);
  await replaceFile(join(settings, 'worker.env'), environmentOf(settings, invitation), 0o600);
  process.stdout.write(`${settings}: the settings of ${invitation.host} are written\n`);
  if (start) await startWorker(settings);
  return 0;
}

/** Throws `BadConfig` if the host has another name: under a new one its gears would be lost. */
async function assertNameKept(settings: string, { host }: Invitation): Promise<void> {
  // The unit reads both, and worker.env overrides geard.env.
  for (const file of [join(settings, 'worker.env'), join(settings, 'geard.env')]) {
    const name = [...((await readIfThere(file)) ?? '').matchAll(/^GEARD_HOST=(.*)$/gm)].at(-1)?.[1];
    if (name === host) return;
    if (name === undefined) continue;
    throw new BadConfig(
      `this host has joined as ${name}; remove GEARD_HOST from ${file} if it should be ${host}`,
    );
  }
}

/**
 * Formats the settings. The options' schemas have checked the values: none of them needs quotes.
 */
function environmentOf(settings: string, invitation: Invitation): string {
  const { host, fleet, redis, user, ca, insecureRedis } = invitation;
  const values = {
    GEARD_HOST: host,
    GEARD_FLEET: fleet,
    GEARD_REDIS_URL: redis,
    GEARD_REDIS_USER: user,
    GEARD_REDIS_PASSWORD_FILE: join(settings, 'redis.password'),
    GEARD_KEYS: join(settings, 'keys'),
    ...(ca !== undefined && { GEARD_REDIS_CA: join(settings, 'redis.ca.pem') }),
    ...(insecureRedis && { GEARD_INSECURE_REDIS: '1' }),
  };
  const lines = Object.entries(values).map(([name, value]) => `${name}=${value}\n`);
  return `# Written by gear host join.\n${lines.join('')}`;
}

const worker = 'geard-worker.service';
/** A boot starts the worker by way of gear.target. */
const units = ['gear.target', worker];

/** How `startWorker` runs programs and waits; tests replace both. */
interface How {
  run: typeof exec;
  wait(milliseconds: number): Promise<void>;
}

/** Starts the worker, now and at every boot. Throws when it does not keep running. */
export async function startWorker(settings: string, how: How = { run: exec, wait: pause }): Promise<void> {
  const steps = [
    ['enable', '--quiet', ...units],
    ['start', 'gear.target'],
    ['restart', worker],
  ];
  for (const step of steps) {
    const { status, stderr } = await how.run('systemctl', step, { deadline });
    if (status === 0) continue;
    const mend = `is geard installed here as a worker? contrib/install.sh worker; then: systemctl enable --now ${units.join(' ')}`;
    throw new Error(`${stderr.trim()}\n${mend}`);
  }
  await assertKeepsRunning(settings, how);
  process.stdout.write('geard-worker is started, now and after every boot; journalctl -u geard-worker\n');
}

/** The looks at a started worker, and the milliseconds before each. */
const [looks, beforeLook] = [15, 200];

/**
 * Throws with the end of the worker's log when it ends soon after its start: systemd calls it
 * started before it has read its settings. `keeps_running` in contrib/install.d does the same.
 */
async function assertKeepsRunning(settings: string, { run, wait }: How): Promise<void> {
  for (let look = 0; look < looks; look++) {
    await wait(beforeLook);
    const { status } = await run('systemctl', ['--quiet', 'is-active', worker], { deadline });
    if (status === 0) continue;
    const last = ['--unit', worker, '--lines=5', '--output=cat', '--no-pager'];
    const { stdout } = await run('journalctl', last, { deadline });
    const mend = `mend what it says above (settings: ${settings}/worker.env), then: systemctl restart geard-worker`;
    throw new Error(`geard-worker does not run:\n${stdout}${mend}; journalctl -u geard-worker shows more`);
  }
}
