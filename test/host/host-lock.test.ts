import { spawn } from 'node:child_process';
import { hash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, realpath, rm, symlink } from 'node:fs/promises';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { lockHost } from '../../src/worker/host/host-lock.ts';
import { run } from '../support/run.ts';

let base: string;
let path: string;
beforeAll(async () => {
  base = await mkdtemp('/var/lib/gears-test-');
  path = `${base}/lock`;
});
afterAll(() => rm(base, { recursive: true }));

const program = `
  import { lockHost } from '${process.cwd()}/src/worker/host/host-lock.ts';
  await lockHost(process.argv[1], process.argv[1] + '/lock');
  const { spawn } = await import('node:child_process');
  console.log(spawn('sleep', ['60'], { stdio: 'ignore' }).pid);
  setInterval(() => {}, 1000);`;

test('one base directory has one worker, and a second one is told which process it is', async () => {
  const release = await lockHost(base, path);
  await symlink(base, `${base}/alias`);
  await expect(lockHost(`${base}/alias`, `${base}/alias/lock`)).rejects.toThrow(
    `another worker runs on this host with --base ${base}/alias (process ${process.pid}); stop it first`,
  );
  await release();
  await (await lockHost(base, path))();
});

test('a worker that was killed keeps nobody out, and what it started does not either', async () => {
  const worker = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program, base], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [started] = await once(worker.stdout, 'data');
  onTestFinished(() => void process.kill(Number(started), 'SIGKILL'));
  await expect(lockHost(base, path)).rejects.toThrow(`process ${worker.pid}`);
  const exited = once(worker, 'exit');
  worker.kill('SIGKILL');
  await exited;
  await (await lockHost(base, path))();
});

test('another user of the machine can keep no worker from starting (security L3)', async () => {
  await (await lockHost(base, path))();
  const asNobody = ['--reuid=65534', '--regid=65534', '--clear-groups'];
  const locked = await run('setpriv', ...asNobody, 'flock', '--nonblock', path, 'true');
  expect(locked.stderr).toContain('Permission denied');
  // The socket by which the worker was alone before.
  const name = `geard-worker-${hash('sha256', await realpath(base), 'hex').slice(0, 32)}`;
  const listen = `require('net').createServer().listen('\\0${name}', () => console.log('bound'))`;
  const squatter = spawn('setpriv', [...asNobody, process.execPath, '-e', listen], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void squatter.kill('SIGKILL'));
  await once(squatter.stdout, 'data');
  await (await lockHost(base, path))();
});
