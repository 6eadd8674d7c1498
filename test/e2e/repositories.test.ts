import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { newId } from '../support/client.ts';
import { curl } from '../support/curl.ts';
import { type Fleet, openFleet } from '../support/fleet.ts';
import {
  type GitServer,
  openGitServer,
  openServer,
  openSlowServer,
  type TestServer,
} from '../support/git-server.ts';
import { hostileUrls } from '../support/hostile.ts';
import { descriptors, nothingLeft } from '../support/leftovers.ts';
import { residentMegabytes } from '../support/processes.ts';
import { makeServed, pushFiles } from '../support/repository.ts';
import { ok, run } from '../support/run.ts';
import { until } from '../support/until.ts';

const canaryFile = '/tmp/geard-canary';

let strict: Fleet;
let allowing: Fleet;
let server: GitServer;
let canary: TestServer;

beforeAll(async () => {
  await rm(canaryFile, { force: true });
  server = await openGitServer();
  canary = await openServer((_req, res) => res.writeHead(200).end('canary'));
  strict = await openFleet('auto');
  const limits = ['--clone-megabytes', '8', '--clone-objects', '3000'];
  allowing = await openFleet('auto', ['--clone-allow', '127.0.0.1,172.17.0.0/16', ...limits]);
});
afterAll(async () => {
  await strict.close();
  await allowing.close();
  canary.close();
  await server.close();
});

const create = (fleet: Fleet, r: string, t?: string) =>
  fleet.change('PUT', 'repository', t === undefined ? { r } : { r, t });
const clone = (r: string, name = r) => create(allowing, r, `http://127.0.0.1:${server.http.port}/${name}`);
const drafts = (fleet: Fleet) => readdirSync(`${fleet.base}/git`).filter((name) => name.startsWith('.'));
const git = (...args: string[]) => ok('git', ...args);

/** Serves a repository by both protocols, with these files in it. */
const serve = (name: string, files: Record<string, string | Buffer>) =>
  makeServed(join(server.directory, name), files);

test('an empty repository is made by a transient unit that can be looked at afterwards, once', async () => {
  const { body } = await create(strict, 'empty');
  const path = `${strict.base}/git/empty`;
  expect(body).toMatchObject({
    type: 'repository.create',
    state: 'succeeded',
    result: { unit: 'job-empty.service', path, head: null },
  });
  const { stdout } = await run('systemctl', 'status', 'job-empty', '--no-pager');
  expect(stdout).toContain('active (exited)');
  const again = await create(strict, 'empty');
  expect(again).toMatchObject({ status: 409, body: { code: 'repository_exists' } });
  expect(drafts(strict)).toEqual([]);
  expect((await run('systemctl', 'is-active', 'job-empty')).stdout.trim()).toBe('active');
});

test('what is pushed is checked: an entry that an archive could lead out by is refused (security L16)', async () => {
  expect((await create(strict, 'pushed')).body).toMatchObject({ state: 'succeeded' });
  const work = await mkdtemp(join(tmpdir(), 'geard-work-'));
  onTestFinished(() => rm(work, { recursive: true }));
  const inWork = (...args: string[]) => git('-C', work, ...args);
  await inWork('init', '--quiet');
  await writeFile(join(work, 'file'), 'x');
  const blob = await inWork('hash-object', '-w', 'file');
  await writeFile(join(work, 'tree'), Buffer.concat([Buffer.from('100644 ..\0'), Buffer.from(blob, 'hex')]));
  const tree = await inWork('hash-object', '-t', 'tree', '-w', '--literally', 'tree');
  const who = ['-c', 'user.name=S', '-c', 'user.email=s@example.org'];
  const commit = await inWork(...who, 'commit-tree', tree, '-m', 'x');
  const target = `${strict.base}/git/pushed`;
  const pushed = await run('git', '-C', work, 'push', '--quiet', target, `${commit}:refs/heads/main`);
  expect(pushed.status).not.toBe(0);
  expect(pushed.stderr).toContain("contains '..'");
  expect(await git('--git-dir', target, 'for-each-ref')).toBe('');
});

test('a unit that systemd does not start at once is waited for', async () => {
  const [slow, dropIns] = ['slow-before-job.service', '/run/systemd/system/job-delayed.service.d'];
  await mkdir(dropIns, { recursive: true });
  await writeFile(`${dropIns}/after.conf`, `[Unit]\nAfter=${slow}\n`);
  onTestFinished(() => rm(dropIns, { recursive: true }));
  await ok('systemd-run', '--no-block', `--unit=${slow}`, '--property=Type=oneshot', '/bin/sleep', '1');
  expect((await create(strict, 'delayed')).body).toMatchObject({ state: 'succeeded' });
});

test('a repository can be pushed to and cloned by git on the host, and its archive has the same files', async () => {
  await create(strict, 'pushed');
  const path = `${strict.base}/git/pushed`;
  await pushFiles(path, 'trunk', { 'a.txt': 'one\n', 'deep/b.txt': 'two\n' });
  const work = await mkdtemp(join(tmpdir(), 'geard-work-'));
  await git('clone', '--quiet', '--branch', 'trunk', path, `${work}/clone`);
  const archive = await curl('-f', `${strict.url}/content?t=gitarchive&r=pushed&format=tar.gz`).done;
  await writeFile(`${work}/a.tar.gz`, archive.body);
  await ok('mkdir', `${work}/archive`);
  await ok('tar', '-xzf', `${work}/a.tar.gz`, '-C', `${work}/archive`);
  await ok('diff', '-r', '--exclude=.git', `${work}/clone`, `${work}/archive`);
  await rm(work, { recursive: true });
});

test.each([
  'http',
  'git',
])('a clone by %s is shown in percent, and gives the same files and branches', async (scheme) => {
  const name = `source-${scheme}`;
  const files = Object.fromEntries(
    Array.from({ length: 300 }, (_, i) => [`f/${i}`, `${i} ${Math.random()}\n`]),
  );
  const source = await serve(name, files);
  const port = scheme === 'http' ? server.http.port : server.gitPort;
  const i = newId();
  const t = `${scheme}://127.0.0.1:${port}/${name}`;
  expect((await allowing.send('PUT', 'repository', { u: '0', i, r: name, t })).status).toBe(202);
  const { code, body } = await curl(`${allowing.url}/job/${i}/log`).done;
  expect(code).toBe(0);
  const log = body.toString();
  expect(log).toMatch(/ queued: accepted for the host h1\n/);
  expect(log).toMatch(/ git: cloning /);
  if (scheme === 'git') expect(log).toMatch(/ clone: receiving objects \(\d+ %\)\n/);
  expect(log).toMatch(new RegExp(` succeeded in [0-9.]+ s: job-${name}.service, .*/git/${name}\n$`));
  const [theirs, ours] = await Promise.all(
    [source, `${allowing.base}/git/${name}`].map((path) => git('--git-dir', path, 'show-ref')),
  );
  expect(ours).toBe(theirs);
  const { body: job } = await allowing.send('GET', `job/${i}`);
  expect(job.result).toMatchObject({ head: await git('--git-dir', source, 'rev-parse', 'HEAD') });
});

test('a clone that fails leaves nothing, and the next attempt works', async () => {
  const failed = await clone('later');
  expect(failed).toMatchObject({ status: 502, body: { code: 'clone_failed' } });
  expect(failed.body.detail).toMatch(/not found/);
  expect(existsSync(`${allowing.base}/git/later`)).toBe(false);
  expect(drafts(allowing)).toEqual([]);
  await serve('later', { a: 'b' });
  expect((await clone('later')).body.state).toBe('succeeded');
});

test('what a job has left whose Redis was lost is gone when the worker is back', async () => {
  const left = `${strict.base}/git/.lost.${'a'.repeat(32)}`;
  await ok('mkdir', left);
  await strict.kill('worker');
  await strict.restart('worker');
  expect(existsSync(left)).toBe(false);
});

test('a clone that is cancelled leaves no container, no unit and no files', async () => {
  const hanging = await openServer(() => undefined);
  const i = newId();
  await allowing.send('PUT', 'repository', {
    u: '0',
    i,
    r: 'hangs',
    t: `http://127.0.0.1:${hanging.port}/x`,
  });
  await until('git asks', () => hanging.asked.length > 1);
  const cancelled = await allowing.send('DELETE', `job/${i}`, {}, { headers: { Prefer: 'wait=30' } });
  expect(cancelled.body.state).toBe('cancelled');
  expect(drafts(allowing)).toEqual([]);
  expect(await ok('docker', 'ps', '--all', '--quiet', '--filter', 'name=job-hangs')).toBe('');
  hanging.close();
});

test('a worker that dies in the middle of a clone goes on with it when it is back', async () => {
  await serve('survives', { a: 'b' });
  const slow = await openSlowServer(server.directory);
  const i = newId();
  const t = `http://127.0.0.1:${slow.port}/survives`;
  await allowing.send('PUT', 'repository', { u: '0', i, r: 'survives', t });
  await until('git asks', () => slow.asked.length > 1);
  await allowing.kill('worker');
  slow.letGo();
  await allowing.restart('worker');
  const { body } = await allowing.send('GET', `job/${i}`, { wait: '30' });
  expect(body.state, JSON.stringify(body.error)).toBe('succeeded');
  expect(body.attempts).toBeGreaterThan(1);
  expect(drafts(allowing)).toEqual([]);
  slow.close();
});

test('a clone from another machine goes over the network of containers, and one by name to the address it had', async () => {
  await run('sh', '-c', 'grep -q served.example /etc/hosts || echo 172.17.0.1 served.example >>/etc/hosts');
  await serve('bridged', { a: 'b' });
  for (const [r, host] of [
    ['by-address', '172.17.0.1'],
    ['by-name', 'served.example'],
  ] as const) {
    const { body } = await create(allowing, r, `http://${host}:${server.http.port}/bridged`);
    expect(body.state, JSON.stringify(body)).toBe('succeeded');
  }
});

const loopbackSpellings = [
  'http://127.0.0.1:PORT/x',
  'http://2130706433:PORT/x',
  'http://0x7f000001:PORT/x',
  'http://0177.0.0.1:PORT/x',
  'http://127.1:PORT/x',
  'http://localhost:PORT/x',
  'http://LOCALHOST.:PORT/x',
  'http://[::1]:PORT/x',
  'http://[::ffff:127.0.0.1]:PORT/x',
  'http://[0:0:0:0:0:ffff:7f00:1]:PORT/x',
  'git://2130706433:PORT/x',
  'git://127.0.0.1:PORT/x',
  'https://127.0.0.1:PORT/x',
  'http://0.0.0.0:PORT/x',
  'http://[::]:PORT/x',
  'http://canary.example:PORT/x',
  'http://169.254.169.254/latest/meta-data',
  'http://10.0.0.1/x',
  'http://[fe80::1]/x',
];

test.each(loopbackSpellings)('a private address is not reached, however it is written: %s', async (url) => {
  await run('sh', '-c', 'grep -q canary.example /etc/hosts || echo 127.0.0.1 canary.example >>/etc/hosts');
  const refused = await create(strict, 'private', url.replace('PORT', String(canary.port)));
  expect(refused.body.code).toMatch(/^(invalid_request|clone_failed)$/);
  expect(refused.status).toBeGreaterThanOrEqual(400);
  expect(existsSync(`${strict.base}/git/private`)).toBe(false);
  expect(canary.asked).toEqual([]);
});

test.each(hostileUrls)('%j is refused at the door', async (t) => {
  const refused = await allowing.send('PUT', 'repository', { u: '0', i: newId(), r: 'hostile', t });
  expect(refused).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
  expect(existsSync(canaryFile)).toBe(false);
});

test('redirects to another server are not followed, by a dumb server or its alternates', async () => {
  const elsewhere = `http://127.0.0.1:${canary.port}/x`;
  const redirecting = await openServer((_req, res) => res.writeHead(302, { Location: elsewhere }).end());
  const refused = await create(allowing, 'redirected', `http://127.0.0.1:${redirecting.port}/x`);
  expect(refused.body.code).toBe('clone_failed');
  redirecting.close();
  const path = await serve('alternates', { a: 'b' });
  await rm(`${path}/objects`, { recursive: true });
  await ok('mkdir', '-p', `${path}/objects/info`);
  await writeFile(`${path}/objects/info/http-alternates`, `${elsewhere}/objects\n`);
  expect((await clone('alternates')).body.code).toBe('clone_failed');
  expect(canary.asked).toEqual([]);
});

/** Makes a repository whose only commit has a tree with these entries, which git itself would not make. */
async function serveTree(
  name: string,
  entries: { mode: string; name: string; content: string }[],
): Promise<void> {
  const path = await server.create(name);
  const scratch = await mkdtemp(join(tmpdir(), 'geard-tree-'));
  const object = async (type: string, content: Buffer | string) => {
    await writeFile(`${scratch}/o`, content);
    return git('--git-dir', path, 'hash-object', '-w', '-t', type, '--literally', `${scratch}/o`);
  };
  const parts: Buffer[] = [];
  for (const entry of entries) {
    const hash = entry.mode === '160000' ? 'a'.repeat(40) : await object('blob', entry.content);
    parts.push(Buffer.from(`${entry.mode} ${entry.name}\0`), Buffer.from(hash, 'hex'));
  }
  const tree = await object('tree', Buffer.concat(parts));
  const commit = await object(
    'commit',
    `tree ${tree}\nauthor A <a@b> 1700000000 +0000\ncommitter A <a@b> 1700000000 +0000\n\nx\n`,
  );
  await git('--git-dir', path, 'update-ref', 'refs/heads/main', commit);
  await git('--git-dir', path, 'update-server-info');
  await rm(scratch, { recursive: true });
}

const file = (name: string, content = `touch ${canaryFile}\n`) => ({ mode: '100755', name, content });
const link = (name: string, content: string) => ({ mode: '120000', name, content });

test.each([
  ['an entry ..', [file('..')]],
  ['an entry .', [file('.')]],
  ['an entry .git', [file('.git')]],
  ['an entry .GIT', [file('.GIT')]],
  ['an entry git~1', [file('git~1')]],
  ['an entry with a slash', [file('../../tmp/geard-canary')]],
  ['an entry that is an absolute path', [file('/tmp/geard-canary')]],
  ['.gitmodules that is a link', [link('.gitmodules', '/etc/passwd')]],
  [
    'a submodule with -x as its URL',
    [
      file('.gitmodules', '[submodule "a"]\n\tpath = a\n\turl = -x\n'),
      { mode: '160000', name: 'a', content: '' },
    ],
  ],
  [
    'a submodule with a command as its URL',
    [
      file('.gitmodules', `[submodule "a"]\n\tpath = a\n\turl = "--upload-pack=touch ${canaryFile}"\n`),
      { mode: '160000', name: 'a', content: '' },
    ],
  ],
  [
    'a submodule whose name leaves its place',
    [
      file('.gitmodules', '[submodule "../../x"]\n\tpath = a\n\turl = https://example.org/a\n'),
      { mode: '160000', name: 'a', content: '' },
    ],
  ],
])('a repository with %s is refused', async (what, entries) => {
  const name = `tree-${Buffer.from(what).toString('hex').slice(0, 58)}`;
  await serveTree(name, entries);
  const refused = await clone(name);
  expect(refused.body.code, JSON.stringify(refused.body)).toBe('clone_failed');
  expect(existsSync(`${allowing.base}/git/${name}`)).toBe(false);
  expect(existsSync(canaryFile)).toBe(false);
});

test('links, attributes, hooks and configuration of a cloned repository are harmless', async () => {
  const path = await server.create('harmless');
  await pushFiles(path, 'main', {
    '.gitattributes': '* filter=canary export-subst diff=canary\n*.x -text\n',
    'a.x': '$Format:%H%n%(trailers)$\n',
    '.gitmodules': '[submodule "a"]\n\tpath = a\n\turl = https://example.org/a\n\tupdate = none\n',
  });
  await ok('git', '--git-dir', path, 'config', 'core.fsmonitor', `touch ${canaryFile}`);
  await ok('git', '--git-dir', path, 'config', 'filter.canary.smudge', `touch ${canaryFile}`);
  await ok('git', '--git-dir', path, 'config', 'tar.tar.gz.command', `touch ${canaryFile}`);
  await ok('git', '--git-dir', path, 'update-server-info');
  await ok('mkdir', '-p', `${path}/hooks`);
  await writeFile(`${path}/hooks/post-checkout`, `#!/bin/sh\ntouch ${canaryFile}\n`, { mode: 0o755 });
  expect((await clone('harmless')).body.state).toBe('succeeded');
  const ours = `${allowing.base}/git/harmless`;
  expect(readdirSync(ours).sort()).toEqual(['HEAD', 'config', 'objects', 'packed-refs', 'refs']);
  expect(await git('--git-dir', ours, 'config', '--list', '--local')).not.toContain('canary');
  for (const format of ['zip', 'tar.gz'])
    expect(
      (await curl('-f', `${allowing.url}/content?t=gitarchive&r=harmless&format=${format}`).done).code,
    ).toBe(0);
  expect(existsSync(canaryFile)).toBe(false);
});

test('a link in an archive is a link and not what it points to', async () => {
  await serveTree('linked', [link('passwd', '/etc/passwd'), link('up', '../../..')]);
  expect((await clone('linked')).body.state).toBe('succeeded');
  const { body } = await curl('-f', `${allowing.url}/content?t=gitarchive&r=linked&format=tar.gz`).done;
  await writeFile('/tmp/geard-linked.tar.gz', body);
  const listing = await ok('tar', '-tvzf', '/tmp/geard-linked.tar.gz');
  expect(listing).toMatch(/^l.* passwd -> \/etc\/passwd$/m);
  await rm('/tmp/geard-linked.tar.gz');
});

test('a repository that is too large or has too many objects is refused and leaves nothing', async () => {
  await serve('too-large', { big: randomBytes(12 * 1024 * 1024) });
  const large = await clone('too-large');
  expect(large.body.code, JSON.stringify(large.body)).toBe('clone_failed');
  const many = Object.fromEntries(Array.from({ length: 3_200 }, (_, i) => [`f/${i}`, `${i}`]));
  await serve('too-many', many);
  const counted = await create(allowing, 'too-many', `git://127.0.0.1:${server.gitPort}/too-many`);
  expect(counted.body).toMatchObject({
    code: 'clone_failed',
    detail: expect.stringContaining('3000 objects'),
  });
  expect(drafts(allowing)).toEqual([]);
  expect(readdirSync(`${allowing.base}/git`).filter((name) => name.startsWith('too-'))).toEqual([]);
});

test('a repository that takes too long is refused and leaves nothing', async () => {
  const hurried = await openFleet('auto', ['--clone-allow', '127.0.0.1', '--clone-seconds', '5']);
  onTestFinished(hurried.close);
  const hanging = await openServer(() => undefined);
  const slow = await create(hurried, 'slow', `http://127.0.0.1:${hanging.port}/x`);
  expect(slow).toMatchObject({ status: 504, body: { code: 'timeout' } });
  hanging.close();
  expect(drafts(hurried)).toEqual([]);
  expect(readdirSync(`${hurried.base}/git`)).not.toContain('slow');
});

test('an archive of a tree that holds itself a billion times ends with its reader', async () => {
  const path = await server.create('bomb');
  const scratch = await mkdtemp(join(tmpdir(), 'geard-bomb-'));
  await writeFile(`${scratch}/o`, 'boom\n');
  let [type, hash] = ['blob', await git('--git-dir', path, 'hash-object', '-w', `${scratch}/o`)];
  for (let level = 0; level < 9; level++) {
    const mode = type === 'blob' ? '100644' : '40000';
    const entries = Array.from({ length: 10 }, (_, i) => [
      Buffer.from(`${mode} f${i}\0`),
      Buffer.from(hash, 'hex'),
    ]).flat();
    await writeFile(`${scratch}/o`, Buffer.concat(entries));
    hash = await git('--git-dir', path, 'hash-object', '-w', '-t', 'tree', `${scratch}/o`);
    type = 'tree';
  }
  const commit = await git(
    '--git-dir',
    path,
    ...['-c', 'user.name=A', '-c', 'user.email=a@b'],
    'commit-tree',
    '-m',
    'x',
    hash,
  );
  await git('--git-dir', path, 'update-ref', 'refs/heads/main', commit);
  await git('--git-dir', path, 'update-server-info');
  expect((await clone('bomb')).body.state).toBe('succeeded');
  const resting = descriptors(allowing);
  const endless = curl('-o', '/dev/null', `${allowing.url}/content?t=gitarchive&r=bomb`);
  await until('git has read much of it', async () => {
    const { stdout } = await run('pgrep', '-f', '^git .*archive');
    return stdout !== '' && residentMegabytes(Number(stdout)) > 50;
  });
  expect(endless.child.exitCode).toBeNull();
  endless.child.kill('SIGKILL');
  await nothingLeft(allowing, resting);
  await rm(scratch, { recursive: true });
});
