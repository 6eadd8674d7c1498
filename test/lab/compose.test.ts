import { readFileSync } from 'node:fs';
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readIfThere } from '../../src/lib/files/if-there.ts';
import { newId } from '../support/client.ts';
import { okOn } from '../support/lab-exec.ts';
import { ok, run } from '../support/run.ts';
import { until } from '../support/until.ts';

const project = process.cwd();
const gear = `${project}/bin/gear`;
/** What stands in for Docker Hub's Node.js, which the Dockerfile names by digest. */
const nodeImage = 'geard/node';
/** The clone on the host in which somebody brings it up. */
const clone = '/root/clone';
const cache = join(project, 'node_modules', '.cache', 'npm-offline');
const onHost = (...command: string[]) => okOn('h1', ...command);
const compose = (...args: string[]) => onHost('env', '-C', clone, 'docker-compose', ...args);

/**
 * Fetches every package of the lock file into a cache of its own, which is kept until the lock file
 * or the registry changes.
 */
async function fillCache(): Promise<void> {
  const filledFor = join(cache, 'filled-for');
  const lock = await readFile('package-lock.json', 'utf8');
  const source = `${await ok('npm', 'config', 'get', 'registry')}\n${lock}`;
  if ((await readIfThere(filledFor)) === source) return;
  // This file is the first to go and the last to come: where it is, the cache is whole.
  await rm(filledFor, { force: true });
  await rm(cache, { recursive: true, force: true });
  const work = `${cache}-work`;
  await rm(work, { recursive: true, force: true });
  await mkdir(work, { recursive: true });
  for (const file of ['package.json', 'package-lock.json']) await cp(file, join(work, file));
  const quiet = ['--no-audit', '--no-fund', '--ignore-scripts'];
  await ok('npm', 'ci', ...quiet, '--prefix', work, '--cache', cache);
  await rm(work, { recursive: true });
  await writeFile(filledFor, source);
}

beforeAll(async () => {
  process.env['GEARD_LAB_DIR'] = '/run/geard-lab-compose';
  await fillCache();
  await run('contrib/lab', 'down');
  await ok('contrib/lab', 'up', '1', '--bare');
  await onHost(`${project}/contrib/sample/image`);
  await onHost(`${project}/test/support/base-images.sh`, nodeImage, cache);
  await onHost('mkdir', clone);
  const copy = 'tar -C "$1" --exclude=./.git --exclude=./node_modules -cf - . | tar -C "$2" -xf -';
  await onHost('sh', '-c', copy, 'sh', project, clone);
});
afterAll(async () => {
  await run('contrib/lab', 'down');
});

/** What docker-compose.yml says is to be done before it. */
const preparations = readFileSync('docker-compose.yml', 'utf8')
  .split('\n')
  .flatMap((line) => /^# {3}(.+)/.exec(line)?.[1] ?? []);

const healthOf = (container: string) =>
  onHost('docker', 'inspect', '--format', '{{.State.Health.Status}}', container);

test('docker-compose.yml brings up an api and a Redis that become healthy', async () => {
  expect(preparations.length).toBeGreaterThan(5);
  const script = ['set -euo pipefail', `gear() { ${gear} "$@"; }`, ...preparations].join('\n');
  await onHost('env', '-C', clone, 'bash', '-c', script);
  await compose('build', '--build-arg', `NODE_IMAGE=${nodeImage}`);
  await compose('up', '-d');
  for (const service of ['redis', 'api']) {
    const container = await compose('ps', '-q', service);
    await until(`${service} is healthy`, async () => (await healthOf(container)) === 'healthy', 60_000);
  }
});

test('a worker on the host joins it, and a real token makes a gear', async () => {
  const fleet = `${clone}/fleet`;
  await onHost('mkdir', '-m', '700', `${fleet}/worker`);
  await onHost('sh', '-c', 'cp "$1"/keys/*.daemon.key "$1"/keys/*.issuer.pub "$1"/worker', 'sh', fleet);
  const access = ['--redis-user', 'geard-h1', '--redis-password-file', `${fleet}/h1.password`];
  await onHost(
    ...['systemd-run', '--quiet', '--unit=geard-worker', '--property=KillMode=mixed'],
    ...[process.execPath, gear, 'worker', '--host', 'h1', '--redis', 'redis://127.0.0.1:6379'],
    ...[...access, '--keys', `${fleet}/worker`],
  );
  const token = await onHost(gear, 'token', 'create', '--keys', `${fleet}/keys`, '--action', '*.*');
  const url = `http://127.0.0.1:2223/token/${token}`;
  const curl = (...args: string[]) => onHost('curl', '-sS', '-H', 'Prefer: wait=60', ...args);
  await until('the host is live', async () => (await curl(`${url}/hosts`)).includes('"live"'));
  const put = `${url}/container?u=0&r=web&t=geard%2Fsample&i=${newId()}`;
  const body = '{"ports":[{"external":4343,"internal":8080}]}';
  expect(JSON.parse(await curl('-X', 'PUT', put, '-d', body))).toMatchObject({ state: 'succeeded' });
  expect(await curl('http://127.0.0.1:4343/')).toContain('I am a gear');
});

test('down takes api and Redis away, and the gear goes on', async () => {
  await compose('down', '--volumes');
  expect(await onHost('docker', 'ps', '--all', '--format', '{{.Names}}')).toBe('gear-web');
  expect(await onHost('curl', '-sS', 'http://127.0.0.1:4343/')).toContain('I am a gear');
});
