import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import { newId } from '../support/client.ts';
import { type Fleet, openFleet } from '../support/fleet.ts';
import { type GitServer, openGitServer, openServer } from '../support/git-server.ts';
import { end } from '../support/processes.ts';
import { makeServed } from '../support/repository.ts';
import { ok, run } from '../support/run.ts';
import { until } from '../support/until.ts';

const ours = 'geard.invalid/githost';

let server: GitServer;
let fleet: Fleet;
const cloning = ['--clone-allow', '127.0.0.1'];
beforeAll(async () => {
  server = await openGitServer();
  fleet = await openFleet('auto', [...cloning]);
});
afterAll(async () => {
  await fleet.close();
  await server.close();
});
beforeEach(() => run('docker', 'image', 'rm', '--force', ours));

const create = (r: string, more: Record<string, string> = {}) =>
  fleet.change('PUT', 'repository', { r, ...more });
const logOf = async (i: string) => (await fleet.send<string>('GET', `job/${i}/log`)).body;
const imageId = () => ok('docker', 'image', 'inspect', '--format', '{{.Id}}', ours);
const succeeded = { body: { state: 'succeeded' } };

/** Has the worker of the fleet this image configured, from here on. */
async function configure(image: string): Promise<void> {
  await end(fleet.worker);
  await fleet.restart('worker', undefined, [
    '--githost-image',
    image,
    '--registry-allow',
    '127.0.0.1',
    ...cloning,
  ]);
}

/** What Docker has done to images meanwhile. */
async function imageEvents(work: () => Promise<void>): Promise<string[]> {
  const now = () => String(Date.now() / 1000);
  const since = now();
  await work();
  const range = [`--since=${since}`, `--until=${now()}`];
  return (await ok('docker', 'events', ...range, '--filter=type=image', '--format={{.Action}}')).split('\n');
}

/** Has the next run of tar do something else. */
async function replaceTarOnce(script: string): Promise<void> {
  const [path, once] = ['/usr/local/bin/tar', '/run/tar-once'];
  await mkdir(once);
  await writeFile(path, `#!/bin/sh\nif rmdir ${once} 2>&-; then ${script}; fi\nexec /usr/bin/tar "$@"\n`);
  await chmod(path, 0o755);
  onTestFinished(() => rm(path));
}

test('where nobody prepared anything, two repositories made at once build the image once and ask no registry', async () => {
  const [a, b] = [newId(), newId()];
  const events = await imageEvents(async () => {
    const made = await Promise.all([create('one', { i: a }), create('two', { i: b })]);
    for (const { body } of made) expect(body, JSON.stringify(body)).toMatchObject({ state: 'succeeded' });
  });
  expect(events.filter((event) => ['import', 'pull'].includes(event))).toEqual(['import']);
  const log = (await logOf(a)) + (await logOf(b));
  expect(log).toContain("building the git image from this host's git");
  expect(log).not.toContain('pull');
});

test.each(['http', 'git'])('where nobody prepared anything, a repository is cloned by %s', async (scheme) => {
  const source = await makeServed(join(server.directory, `by-${scheme}`), { a: 'b' });
  const port = scheme === 'http' ? server.http.port : server.gitPort;
  const made = await create(`by-${scheme}`, { t: `${scheme}://127.0.0.1:${port}/by-${scheme}` });
  const head = await ok('git', '--git-dir', source, 'rev-parse', 'HEAD');
  expect(made, JSON.stringify(made.body)).toMatchObject({ body: { state: 'succeeded', result: { head } } });
});

test('an image that is there is used, and made anew when the host has updated a library; old ones go', async () => {
  const ids = new Set<string>();
  for (const day of [1, 2, 3]) {
    await utimes('/etc/ld.so.cache', new Date(2026, 0, day), new Date(2026, 0, day));
    expect(await create(`updated-${day}`)).toMatchObject(succeeded);
    const id = await imageId();
    expect(await create(`again-${day}`)).toMatchObject(succeeded);
    expect(await imageId()).toBe(id);
    ids.add(id);
  }
  expect(ids.size).toBe(3);
  const nameless = ['--filter=dangling=true', '--filter=label=geard.githost'];
  const left = await ok('docker', 'images', '--quiet', ...nameless);
  expect(left.split('\n').length).toBeLessThanOrEqual(1);
});

test('a build that fails tells what is missing at once, and the next one works', async () => {
  await rename('/usr/bin/tar', '/usr/bin/tar.away');
  const i = newId();
  const failed = await create('mended', { i }).finally(() => rename('/usr/bin/tar.away', '/usr/bin/tar'));
  expect(failed).toMatchObject({ status: 502, body: { code: 'clone_failed' } });
  expect(failed.body.detail).toContain('tar is missing: apt-get install');
  expect(await logOf(i)).not.toContain('trying again');
  expect(await create('mended')).toMatchObject(succeeded);
});

test('a build that fails for what may pass is tried again', async () => {
  await replaceTarOnce('echo no space left >&2; exit 1');
  const i = newId();
  expect(await create('waits', { i })).toMatchObject(succeeded);
  expect(await logOf(i)).toContain('no space left; trying again');
});

test('a job that is cancelled while the image is built leaves no process, and the next one builds it', async () => {
  await replaceTarOnce('exec sleep 7777777');
  const hanging = async () => (await run('pgrep', '-f', '^sleep 7777777|^docker import')).stdout;
  const i = newId();
  await fleet.send('PUT', 'repository', { u: '0', r: 'cancelled', i });
  await until('it hangs', async () => (await hanging()).split('\n').length > 2);
  const next = create('waits-for-it');
  const { body } = await fleet.send('DELETE', `job/${i}`, {}, { headers: { Prefer: 'wait=30' } });
  expect(body.state).toBe('cancelled');
  expect(await next).toMatchObject(succeeded);
  expect(await hanging()).toBe('');
});

test('an image made by contrib/githost/image under a name is used where the name is configured', async () => {
  await ok('contrib/githost/image', 'team/githost:1');
  await configure('team/githost:1');
  expect(await create('configured')).toMatchObject(succeeded);
  expect((await run('docker', 'image', 'inspect', ours)).status).toBe(1);
});

let registry: ChildProcess;
let registryFiles: string;
const registryPort = 5010;
const name = `127.0.0.1:${registryPort}/githost`;
beforeAll(async () => {
  registryFiles = await mkdtemp('/tmp/registry-');
  const config = `version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: ${registryFiles}\nhttp:\n  addr: 127.0.0.1:${registryPort}\n`;
  await writeFile(`${registryFiles}/config.yml`, config);
  registry = spawn('docker-registry', ['serve', `${registryFiles}/config.yml`], { stdio: 'ignore' });
  await until('the registry answers', () =>
    fetch(`http://127.0.0.1:${registryPort}/v2/`).then(
      (r) => r.ok,
      () => false,
    ),
  );
});
afterAll(async () => {
  const exited = once(registry, 'exit');
  registry.kill();
  await exited;
  await rm(registryFiles, { recursive: true });
});

/** Pushes an image that is like no other, takes it from the host, and returns its digest. */
async function pushed(tag: string): Promise<string> {
  const image = `${name}:${tag}`;
  await ok('contrib/githost/image', image, newId());
  await ok('docker', 'push', '--quiet', image);
  const digests = await ok('docker', 'image', 'inspect', '--format={{index .RepoDigests 0}}', image);
  await ok('docker', 'image', 'rm', '--force', image);
  return digests.split('@')[1] ?? '';
}

test('an image configured by digest is pulled, whatever its tag has become here and in the registry', async () => {
  const digest = await pushed('1');
  expect(await pushed('1')).not.toBe(digest);
  await ok('contrib/githost/image', `${name}:1`);
  await configure(`${name}:1@${digest}`);
  const events = await imageEvents(async () => {
    expect(await create('by-digest')).toMatchObject(succeeded);
    expect(await create('by-digest-again')).toMatchObject(succeeded);
  });
  expect(events.filter((event) => event === 'pull')).toHaveLength(1);
});

test('a digest that the registry does not have is no image', async () => {
  await pushed('1');
  await configure(`${name}@sha256:${'0'.repeat(64)}`);
  const failed = await create('no-digest');
  expect(failed).toMatchObject({ status: 404, body: { code: 'image_not_found' } });
  expect(existsSync(`${fleet.base}/git/no-digest`)).toBe(false);
});

test('a registry that gives another image for a digest is told by name, and not asked again', async () => {
  const [wanted, other] = [await pushed('1'), await pushed('1')];
  const lying = await openServer(async (req, res) => {
    const path = (req.url ?? '').replace(wanted, other);
    const headers = { Accept: req.headers.accept ?? '' };
    const answer = await fetch(`http://127.0.0.1:${registryPort}${path}`, { headers });
    const type = answer.headers.get('content-type') ?? '';
    res.writeHead(answer.status, { 'Content-Type': type });
    res.end(Buffer.from(await answer.arrayBuffer()));
  });
  onTestFinished(() => lying.close());
  await configure(`127.0.0.1:${lying.port}/githost@${wanted}`);
  const i = newId();
  const failed = await create('lied-to', { i });
  expect(failed).toMatchObject({ status: 502, body: { code: 'registry_failed' } });
  expect(failed.body.detail).toContain('returned an image other than');
  expect(await logOf(i)).not.toContain('trying again');
  expect(existsSync(`${fleet.base}/git/lied-to`)).toBe(false);
});
