import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import { pause } from '../../src/lib/async/pause.ts';
import { ok, run } from '../support/run.ts';
import { until } from '../support/until.ts';

let child: ChildProcess | null = null;
afterEach(() => {
  if (child?.exitCode === null) child.kill('SIGTERM');
});

/** npm start, as a process group of its own, as a terminal would have it. */
const start = (...args: string[]) => begin('bash', 'scripts/start.sh', ...args);

function begin(program: string, ...args: string[]): { said: () => string; ended: Promise<number | null> } {
  const started = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true });
  child = started;
  let said = '';
  for (const stream of [started.stdout, started.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said += String(chunk);
    });
  }
  return { said: () => said, ended: once(started, 'close').then(([code]) => code) };
}

const nothingLeft = () => !existsSync('/run/geard-start') && !existsSync('/var/lib/geard-lab/geard-start');

test('npm start -- --once performs the tour and ends with 0, leaving nothing', async () => {
  const { said, ended } = start('--once');
  const waited = pause(200_000).then(() => 'not within 200 s');
  expect(await Promise.race([ended, waited]), said()).toBe(0);
  expect(said()).toContain('every step was as it should be');
  expect(nothingLeft()).toBe(true);
});

test('every line it prints works as printed, and Ctrl-C cleans up', async () => {
  const { said, ended } = start();
  const waits = until('it waits for Ctrl-C', () => said().includes('Ctrl-C ends it'), 200_000);
  const early = ended.then((code) => Promise.reject(new Error(`it ended with ${code}`)));
  await Promise.race([waits, early]).catch((error: Error) => expect.fail(`${error.message}\n${said()}`));
  const lines = said()
    .split('\n')
    .filter((line) => line.startsWith('  curl ') || line.startsWith('  GEARD_LAB_DIR='));
  expect(lines).toHaveLength(20);
  expect(lines.filter((line) => line.includes('/token/eyJ'))).toHaveLength(3);
  for (const line of lines) {
    const { status, stdout, stderr } = await run('sh', '-c', line);
    expect(status, `${line}\n${stdout}${stderr}`).toBe(0);
    expect(stdout, line).not.toMatch(/urn:geard|"state":"failed"/);
    // A change that was accepted is to be over before the next line.
    const id = /"id":"([0-9a-f]{32})"/.exec(stdout)?.[1];
    if (line.includes('-X') && id)
      await ok('curl', '-sS', `http://localhost:2223/token/__test__/job/${id}?wait=30`);
  }
  process.kill(-(child?.pid ?? 0), 'SIGINT');
  expect(await ended).toBe(0);
  expect(nothingLeft()).toBe(true);
});

test('on a machine that is a host, Ctrl-C while the gear is being installed leaves no gear', async () => {
  process.env['GEARD_LAB_DIR'] = '/run/geard-lab-start';
  onTestFinished(async () => {
    await run('contrib/lab', 'down');
    delete process.env['GEARD_LAB_DIR'];
  });
  await run('contrib/lab', 'down');
  await ok('contrib/lab', 'up', '1', '--bare');
  const onHost = ['exec', 'h1', '--'];
  const remembered = `cd ${process.cwd()}; echo $$ >/run/tour.pid; exec bash scripts/start.sh`;
  const { said, ended } = begin('contrib/lab', ...onHost, 'bash', '-c', remembered);
  await until('the gear is being installed', () => said().includes('$ curl -X PUT'), 120_000);
  await ok('contrib/lab', ...onHost, 'sh', '-c', 'kill -INT "$(cat /run/tour.pid)"');
  expect(await ended, said()).toBe(130);
  const left = await ok(
    'contrib/lab',
    ...onHost,
    'find',
    '/etc/systemd/system',
    '/var/lib/gears/units',
    '-name',
    'gear-1.*',
  );
  expect(left, said()).toBe('');
});

test('npm start refuses what it does not know', async () => {
  const { said, ended } = start('--twice');
  expect(await ended).toBe(2);
  expect(said()).toContain('--once');
});
