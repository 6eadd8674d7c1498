import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { curl, pasted } from '../support/curl.ts';
import { activeState, sampleImage } from '../support/daemon.ts';
import { type KeyedFleet, openKeyedFleet } from '../support/keyed-fleet.ts';
import { ok, type Ran, run } from '../support/run.ts';
import { until } from '../support/until.ts';

let fleet: KeyedFleet;
let directory: string;
beforeAll(async () => {
  await sampleImage();
  fleet = await openKeyedFleet();
  directory = await mkdtemp(join(tmpdir(), 'geard-cli-'));
});
afterAll(async () => {
  await fleet.close();
  await rm(directory, { recursive: true });
});

const gear = (...args: string[]) => run(process.execPath, 'bin/gear', ...args);
const create = (...args: string[]) => gear('token', 'create', '--keys', fleet.keys, ...args);
const inspect = async (token: string, ...args: string[]): Promise<Ran> => {
  const child = spawn(process.execPath, ['bin/gear', 'token', 'inspect', '--keys', fleet.keys, ...args]);
  const out: string[] = [];
  child.stdout.on('data', (chunk) => out.push(String(chunk)));
  child.stdin.end(`${token}\n`);
  const [status] = await once(child, 'close');
  return { status, stdout: out.join(''), stderr: '' };
};

test('the printed curl line works as it stands, once, for the body in the file', async () => {
  const file = join(directory, 'the body.json');
  await writeFile(file, '{\n "ports": [{"internal": 8080}]\n}\n');
  const { stdout } = await create(
    ...['--action', 'container.install', '--r', 'cli', '--t', 'geard/sample', '--once'],
    ...['--body', file, '--curl', '--api', fleet.api],
  );
  const first = await pasted(`${stdout.trim()} -H 'Prefer: wait=30'`).done;
  expect(JSON.parse(String(first.body))).toMatchObject({ state: 'succeeded', resource: 'cli' });
  expect(await activeState('cli')).toBe('active');
  const again = await pasted(stdout.trim()).done;
  expect(again.headers.get('Idempotent-Replayed')).toBe('true');
  await writeFile(file, '{}');
  expect(String((await pasted(stdout.trim()).done).body)).toContain('token_forbids');
});

test('the printed URL of a read works as it stands', async () => {
  const { stdout } = await create(
    ...['--action', 'container.read', '--r', 'cli', '--expires', '7d', '--url', '--api', fleet.api],
  );
  const { code, body } = await curl(stdout.trim()).done;
  expect(code).toBe(0);
  expect(JSON.parse(String(body))).toMatchObject({ resource: 'cli' });
});

test('a token made in another language, as docs/minting.md shows it, installs a gear', async () => {
  const page = await readFile('docs/minting.md', 'utf8');
  const program = /```python\n([\s\S]*?)```/.exec(page)?.[1];
  await writeFile(join(directory, 'mint.py'), program ?? '');
  const token = await ok(
    'python3',
    join(directory, 'mint.py'),
    fleet.keys,
    'container.install',
    'python',
    'geard/sample',
  );
  expect((await inspect(token)).stdout).toContain('accepted now: yes');
  const lines = /```sh\n([\s\S]*?)```/.exec(page)?.[1] ?? '';
  const shown = lines.split('\n').find((line) => line.startsWith('curl')) ?? '';
  const line = shown.replace('http://localhost:2223', fleet.api).replace('/$token/', `/${token}/`);
  const { body } = await pasted(`${line} -H 'Prefer: wait=30'`).done;
  expect(JSON.parse(String(body))).toMatchObject({ state: 'succeeded', resource: 'python' });
});

test('inspect shows the claims and says whether, and else why not, a token would be accepted now', async () => {
  const token = (await create('--action', '*.read', '--r', 'team-*', '--expires', '2h')).stdout.trim();
  const shown = await inspect(token);
  expect(shown.status).toBe(0);
  expect(shown.stdout).toMatch(/"r": "team-\*"[\s\S]*accepted now: yes/);
  expect(shown.stdout).not.toContain(token);
  const reasons: [string, string[], RegExp][] = [
    [token, ['--fleet', 'other'], /no, it is for the fleet geard, not for other/],
    [`${token}x`, [], /no, it does not have the form of a token/],
    [token.replace(/\.[^.]+$/, '.AAAAAAAAAAAAAAAAAAAAAA'), [], /no, it has been altered/],
    [await fleet.mint({ d: 1 }), [], /ago\)[\s\S]*no, it has expired/],
    [await fleet.mint({ d: Math.floor(Date.now() / 1000) + 100 * 3600 }), [], /yes, to read/],
  ];
  for (const [given, args, reason] of reasons) {
    const { status, stdout } = await inspect(given, ...args);
    expect(stdout).toMatch(reason);
    expect(status).toBe(stdout.includes('accepted now: yes') ? 0 : 1);
  }
});

test('a token given as an argument is not what ps shows for long', async () => {
  const token = await fleet.mint();
  // A key that nobody writes: the command waits for it, and can be looked at meanwhile.
  const keys = await mkdtemp(join(directory, 'keys-'));
  await ok('mkfifo', '--mode=600', join(keys, 'key.issuer.pub'));
  const args = ['bin/gear', 'token', 'inspect', token, '--keys', keys];
  const child = spawn(process.execPath, args, { stdio: 'ignore' });
  onTestFinished(() => void child.kill('SIGKILL'));
  // Of a process that has ended there is nothing to be seen.
  const seen = () => readFile(`/proc/${child.pid}/cmdline`, 'utf8');
  await until('the arguments are hidden', async () => {
    const shown = await seen();
    return shown.startsWith('gear token inspect') && !shown.includes(token);
  });
});

test.each<[string, string[], number, RegExp]>([
  ['no action', [], 2, /--action is missing: one of container.install/],
  ['an action that is none', ['--action', 'container.fly'], 2, /there is no container.fly; there are/],
  [
    'a span that is none',
    ['--action', '*.read', '--expires', 'soon'],
    2,
    /--expires: must be a time span such as/,
  ],
  ['a change for two days', ['--action', 'container.*', '--expires', '2d'], 2, /24 hours at most/],
  ['a read for eight days', ['--action', '*.read', '--expires', '8d'], 2, /7 days at most/],
  ['a name that is none', ['--action', '*.read', '--r', '../x'], 2, /^gear: r: /],
  [
    'a curl line that lacks the image',
    ['--action', 'container.install', '--r', 'a', '--curl'],
    2,
    /needs --t/,
  ],
  ['a curl line for several actions', ['--action', 'container.*', '--curl'], 2, /exactly one --action/],
  ['an id and one that is made up', ['--action', 'job.read', '--once', '--i', '1'], 2, /leave out --i/],
  [
    'a body that is not there',
    ['--action', '*.*', '--body', '/absent'],
    2,
    /\/absent cannot be read \(ENOENT\)/,
  ],
  ['an issuer that is not there', ['--action', '*.*', '--issuer', 'x'], 1, /there is no x.issuer.key/],
  ['an option that is none', ['--fly'], 2, /unknown option/],
])('gear token create with %s says how to mend it', async (_, args, code, reason) => {
  const { status, stdout, stderr } = await create(...args);
  expect(stderr).toMatch(reason);
  expect([status, stdout]).toEqual([code, '']);
});

test('keygen adds keys of one role and never writes over any', async () => {
  const keys = join(directory, 'keys');
  expect((await gear('token', 'keygen', keys)).status).toBe(0);
  const before = await readdir(keys);
  expect((await gear('token', 'keygen', '--only', 'issuer', keys)).stdout).toContain(
    '.issuer.key  signs tokens; secret',
  );
  const after = await readdir(keys);
  expect(after).toHaveLength(before.length + 2);
  expect(after).toEqual(expect.arrayContaining(before));
  for (const name of after.filter((one) => one.endsWith('.key')))
    expect((await stat(join(keys, name))).mode & 0o077).toBe(0);
});

test('without keys and without the test token nothing starts, and what to do is said', async () => {
  for (const role of [
    ['daemon'],
    ['api', '--redis', 'redis://127.0.0.1:1'],
    ['worker', '--redis', 'redis://127.0.0.1:1'],
  ]) {
    const { status, stderr } = await gear(...role);
    expect(status).toBe(2);
    expect(stderr).toMatch(/--keys is missing.*gear token keygen .*--test-token/);
  }
  const { status, stderr } = await gear('daemon', '--keys', directory, '--base', directory);
  expect(status).toBe(1);
  expect(stderr).toMatch(/gear token keygen .* makes keys/);
});

test('a password that others can read, or that is too short, makes no rule for Redis', async () => {
  const file = join(directory, 'password');
  await writeFile(file, 'a'.repeat(32), { mode: 0o644 });
  expect((await gear('redis-acl', 'api', '--password-file', file)).stderr).toContain('chmod 600');
  await rm(file);
  await writeFile(file, 'short', { mode: 0o600 });
  expect((await gear('redis-acl', 'api', '--password-file', file)).stderr).toContain(
    'at least 16 characters',
  );
  expect((await gear('redis-acl', 'worker', '--password-file', file)).stderr).toContain('--host');
});

test('a flag without a value makes no token that allows more than was meant', async () => {
  for (const flag of ['--r', '--u', '--h', '--i']) {
    const { status, stdout } = await create('--action', 'container.install', flag, '');
    expect([status, stdout], flag).toEqual([2, '']);
  }
  const { stdout } = await create('--action', 'repository.create', '--r', 'cli-empty', '--t', '');
  expect((await inspect(stdout.trim())).stdout).toContain('"t": ""');
});
