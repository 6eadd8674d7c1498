import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { newId } from '../support/client.ts';
import { makeBase, sampleImage } from '../support/daemon.ts';
import { type KeyedFleet, openKeyedFleet } from '../support/keyed-fleet.ts';
import { until } from '../support/until.ts';

let fleet: KeyedFleet;
let directory: string;
beforeAll(async () => {
  await sampleImage();
  fleet = await openKeyedFleet();
  await fleet.redis.redis.call('ACL', 'DELUSER', 'geard-h2'); // Of a host that no test of this file has.
  directory = await mkdtemp(join(tmpdir(), 'geard-join-'));
  await writeFile(join(directory, 'admin'), 'whoever may make users\n', { mode: 0o600 });
  await writeFile(join(directory, 'token'), await fleet.mint({ a: ['host.*'] }), { mode: 0o600 });
});
afterAll(async () => {
  await fleet.close();
  await rm(directory, { recursive: true });
});

const gear = (args: string[], input = '') =>
  spawnSync(process.execPath, ['bin/gear', ...args], { encoding: 'utf8', input, timeout: 30_000 });
const host = (...args: string[]) =>
  gear(['host', ...args, '--api', fleet.api, '--token-file', join(directory, 'token')]);
const add = (name: string, ...more: string[]) => {
  const where = ['--redis', fleet.redis.url, '--keys', fleet.keys];
  return gear(['host', 'add', name, ...where, '--admin-password-file', join(directory, 'admin'), ...more]);
};
const settings = () => join(directory, 'settings');
interface Listed {
  hosts: { name: string; state: string }[];
}
const states = () => (JSON.parse(host('list', '--json').stdout) as Listed).hosts;

/** What is between the first and the last line of the printed command: its standard input. */
const inputOf = (command: string) => command.split('\n').slice(1, -2).join('\n');

test('a host joins with the one command that gear host add prints, and does what the fleet asks of it', async () => {
  const added = add('h2');
  expect(added, added.stderr).toMatchObject({ status: 0 });
  expect(added.stdout).toMatch(/^gear host join <<'END'\n[\s\S]*\nEND\n$/);
  const joined = gear(['host', 'join', '--no-start', '--settings', settings()], inputOf(added.stdout));
  expect(joined, joined.stderr).toMatchObject({ status: 0 });
  for (const file of ['worker.env', 'redis.password'])
    expect((await stat(join(settings(), file))).mode & 0o777).toBe(0o600);
  const text = await readFile(join(settings(), 'worker.env'), 'utf8');
  const env = Object.fromEntries(
    [...text.matchAll(/^(\w+)=(.*)$/gm)].map(([, name, value]) => [name, value]),
  );
  const watcher = await fleet.as({ a: ['host.*'] });
  const stateIs = async (state: string) => {
    const { body } = await watcher.send<Listed>('GET', 'hosts');
    return body.hosts.some((one) => one.name === 'h2' && one.state === state);
  };
  const base = await makeBase();
  const worker = spawn(process.execPath, ['bin/gear', 'worker', '--base', base], {
    env: { PATH: process.env['PATH'], ...env },
    stdio: 'ignore',
  });
  try {
    await until('it is live', () => stateIs('live'));
    const client = await fleet.as({});
    const parameters = { r: 'joined', h: 'h2' };
    const made = await client.change('PUT', 'environment', parameters, { env: [] });
    expect(made.body).toMatchObject({ state: 'succeeded', host: 'h2' });
    expect(host('remove', 'h2')).toMatchObject({ status: 1, stderr: expect.stringContaining('is live') });

    const exited = once(worker, 'exit');
    worker.kill('SIGKILL');
    await exited;
    const waiting = await client.send('PUT', 'environment', { u: '0', i: newId(), ...parameters });
    expect(waiting.body.state).toBe('queued');
    await until('it is gone', () => stateIs('gone'), 30_000);
    const removed = host('remove', 'h2');
    expect(removed, removed.stderr).toMatchObject({ status: 0 });
    expect(removed.stdout).toBe('h2: removed; 1 names are free, 1 unfinished jobs have failed\n');
    expect(states().map(({ name }) => name)).toEqual(['h1']);
    const { body } = await client.send('GET', `job/${waiting.body.id}`);
    expect(body).toMatchObject({ state: 'failed', error: { code: 'host_unavailable', host: 'h2' } });
    const elsewhere = await client.change('PUT', 'environment', { r: 'joined' }, { env: [] });
    expect(elsewhere.body).toMatchObject({ state: 'succeeded', host: 'h1' });
  } finally {
    worker.kill('SIGKILL');
    await rm(base, { recursive: true });
  }
});

test('what is no invitation, and one for another name, is refused and changes nothing', async () => {
  const before = await readFile(join(settings(), 'worker.env'), 'utf8');
  const invitation = inputOf(add('h3').stdout);
  for (const input of ['', 'END', 'e30=', invitation.slice(10)]) {
    expect(gear(['host', 'join', '--no-start', '--settings', settings()], input)).toMatchObject({
      status: 2,
    });
  }
  const other = gear(['host', 'join', '--no-start', '--settings', settings()], invitation);
  expect(other).toMatchObject({ status: 2, stderr: expect.stringContaining('has joined as h2') });
  expect(await readFile(join(settings(), 'worker.env'), 'utf8')).toBe(before);
  expect(add('h3')).toMatchObject({ status: 1, stderr: expect.stringContaining('ACL DELUSER geard-h3') });
});

test('what is missing is said, and a user is made in a file where there is no administrator', async () => {
  expect(gear(['host', 'add', 'h4'])).toMatchObject({
    status: 2,
    stderr: expect.stringContaining('--redis'),
  });
  expect(add('H4')).toMatchObject({ status: 2 });
  const file = join(directory, 'users.acl');
  await writeFile(file, 'user default on nopass ~* &* +@all');
  const args = ['host', 'add', 'h4', '--redis', fleet.redis.url, '--keys', fleet.keys, '--acl-file', file];
  expect(gear(args)).toMatchObject({ status: 0 });
  const [, line] = (await readFile(file, 'utf8')).split('\n');
  expect(line).toMatch(/^user geard-h4 on .*\{h4\}/);
  expect(gear(args)).toMatchObject({ status: 2, stderr: expect.stringContaining('already') });
});
