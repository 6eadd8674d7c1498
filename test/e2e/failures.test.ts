import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { Gear, GearSummary } from '../../src/jobs/types/container-reads.ts';
import { newId } from '../support/client.ts';
import {
  activeState,
  containersOf,
  type Daemon,
  hostState,
  openDaemon,
  sampleImage,
} from '../support/daemon.ts';
import { ok, run } from '../support/run.ts';
import { until } from '../support/until.ts';

let daemon: Daemon;
beforeAll(async () => {
  await sampleImage();
  daemon = await openDaemon({ env: { GEARD_REGISTRY_ALLOW: '127.0.0.1' } });
});
afterAll(() => daemon.close());

const shell = (script: string) => ({ command: ['/bin/sh', '-c', script] });
const install = (r: string, body: unknown = {}, t = 'geard/sample') =>
  daemon.change('PUT', 'container', { r, t }, body);
const gear = async (r: string) => (await daemon.send<Gear>('GET', 'container', { r })).body;

test('a gear whose process exits at once is a failed job that tells the exit status and the last lines', async () => {
  const before = await hostState(daemon.base);
  const failed = await install('exits', shell('echo "cannot find my $HOME"; exit 3'));
  expect(failed).toMatchObject({ status: 500, body: { code: 'start_failed' } });
  expect(failed.body.detail).toContain('exit status 3');
  expect(failed.body.detail).toContain('cannot find my /');
  const after = await hostState(daemon.base);
  expect(withoutJournal(after)).toBe(withoutJournal(before));
  expect((await daemon.send('GET', 'container', { r: 'exits' })).status).toBe(404);
  expect(await install('exits', { ports: [{ internal: 8080 }] })).toMatchObject({
    status: 200,
    body: { state: 'succeeded' },
  });
});

const withoutJournal = (state: string) =>
  state
    .split('\n')
    .filter((line) => !/^(jobs\/|jobs {2}|redis|units {2})/.test(line))
    .join('\n');

// From here to the pulls each test has gears and ports of its own, and they mostly wait.
test.concurrent('a process that ends well at once has not started either', async () => {
  const failed = await install('ends', shell('echo done'));
  expect(failed).toMatchObject({ status: 500, body: { code: 'start_failed' } });
  expect(failed.body.detail).toContain('exit status 0');
});

test.concurrent('an update that does not start says so, and the gear runs as before', async () => {
  await install('update', { ports: [{ internal: 8080, external: 5050 }] });
  const before = await gear('update');
  const failed = await install('update', { ports: [{ internal: 8080, external: 5051 }], ...shell('exit 7') });
  expect(failed).toMatchObject({ status: 500, body: { code: 'start_failed' } });
  expect(failed.body.detail).toContain('exit status 7');
  expect(failed.body.detail).toContain('the earlier unit is back and runs');
  const after = await gear('update');
  expect(after).toMatchObject({
    unitText: before.unitText,
    ports: before.ports,
    systemd: { active: 'active' },
  });
  expect(after.failedUpdate).toMatchObject({ error: { code: 'start_failed' } });
  expect(after.failedUpdate?.unitText).toContain('5051:8080');
  expect((await fetch('http://127.0.0.1:5050/')).ok).toBe(true);
  expect(await ok('ls', `${daemon.base}/ports`)).not.toContain('5051');
});

test.concurrent('ports: kept over re-installs, taken ones refused with 409 and nothing changed', async () => {
  const first = await install('ports', { ports: [{ internal: 8080 }] });
  const [{ external }] = (first.body.result as { ports: { external: number }[] }).ports as [
    { external: number },
  ];
  const second = await install('ports', { ports: [{ internal: 8080 }], env: [{ name: 'A', value: 'x' }] });
  expect(second.body.result).toMatchObject({ ports: [{ external }], changed: true });

  const byGear = await install('rival', { ports: [{ internal: 8080, external }] });
  expect(byGear).toMatchObject({ status: 409, body: { code: 'port_taken' } });
  const foreign = createServer().listen(5544, '127.0.0.1');
  await once(foreign, 'listening');
  const byForeign = await install('rival', { ports: [{ internal: 8080, external: 5544 }] });
  expect(byForeign).toMatchObject({ status: 409, body: { code: 'port_taken' } });
  foreign.close();
  expect(await containersOf('rival')).toEqual([]);
  expect((await daemon.send('GET', 'container', { r: 'rival' })).status).toBe(404);
  expect(await install('rival', { ports: [{ internal: 8080, external: 5544 }] })).toMatchObject({
    status: 200,
  });
});

test.concurrent('the same installation again changes nothing and restarts nothing', async () => {
  const body = { ports: [{ internal: 8080 }], env: [{ name: 'GREETING', value: 'a "quoted" $value %n' }] };
  await install('same', body);
  const before = await gear('same');
  expect((await install('same', body)).body.result).toMatchObject({
    changed: false,
    container: before.container,
  });
  expect(before.unitText).not.toContain('quoted');
  const inside = await ok('docker', 'exec', 'gear-same', '/bin/env');
  expect(inside).toContain('GREETING=a "quoted" $value %n');
  await until('the log is written', () => daemon.log().includes('"resource":"same"'));
  expect(daemon.log()).not.toMatch(/quoted|__test__/);
});

test.concurrent('If-None-Match: * creates and never updates', async () => {
  const i = newId();
  const create = () =>
    daemon.send(
      'PUT',
      'container',
      { u: '0', r: 'fresh', t: 'geard/sample', i },
      { headers: { 'If-None-Match': '*', Prefer: 'wait=30' } },
    );
  expect((await create()).status).toBe(200);
  expect((await create()).headers.get('Idempotent-Replayed')).toBe('true');
  const other = await daemon.send(
    'PUT',
    'container',
    { u: '0', r: 'fresh', t: 'geard/sample', i: newId() },
    { headers: { 'If-None-Match': '*' } },
  );
  expect(other).toMatchObject({ status: 412, body: { code: 'precondition_failed' } });
});

test.concurrent('removing a gear leaves nothing of it and everything of the others', async () => {
  await install('leaves', { ports: [{ internal: 8080, external: 5660 }], env: [{ name: 'A', value: '1' }] });
  await install('leaves.not', {
    ports: [{ internal: 8080, external: 5661 }],
    env: [{ name: 'A', value: '1' }],
  });
  expect(await daemon.change('DELETE', 'container', { r: 'leaves' })).toMatchObject({
    status: 200,
    body: { state: 'succeeded' },
  });
  const left = await ok(
    'find',
    daemon.base,
    '/etc/systemd/system',
    '-ignore_readdir_race',
    '-name',
    'gear-leaves*',
    '-printf',
    '%f\n',
  );
  expect(left.split('\n').every((name) => name.startsWith('gear-leaves.not.'))).toBe(true);
  expect(await containersOf('leaves')).toEqual([]);
  expect(await activeState('leaves.not')).toBe('active');
  expect((await fetch('http://127.0.0.1:5661/')).ok).toBe(true);
  expect((await daemon.change('DELETE', 'container', { r: 'leaves' })).status).toBe(404);
});

test.concurrent('start: false installs a gear that neither runs nor is to run after a reboot', async () => {
  expect(await install('later', { start: false })).toMatchObject({
    status: 200,
    body: { result: { container: null } },
  });
  expect(await activeState('later')).toBe('inactive');
  expect(await gear('later')).toMatchObject({ enabled: false });
  const { body } = await daemon.send<{ containers: GearSummary[] }>('GET', 'containers', { h: 'h1' });
  expect(body.containers.find(({ resource }) => resource === 'later')).toMatchObject({
    enabled: false,
    systemd: { active: 'inactive' },
  });
  expect(body.containers.map(({ resource }) => resource)).toEqual(
    body.containers.map(({ resource }) => resource).sort(),
  );
});

test.concurrent('a restart starts the process anew and leaves the gear enabled as it was', async () => {
  await install('again');
  const before = await gear('again');
  expect(await daemon.change('PUT', 'container/restarted', { r: 'again' })).toMatchObject({ status: 200 });
  const after = await gear('again');
  expect(after.container).not.toBe(before.container);
  expect(after).toMatchObject({ enabled: true, systemd: { active: 'active' } });
});

test.concurrent('a cancelled update is taken back and the gear runs as before', async () => {
  await install('cancel', { ports: [{ internal: 8080 }] });
  const before = await gear('cancel');
  const i = newId();
  // Nothing listens on the port it declares, so that the worker waits for it.
  const body = { ports: [{ internal: 9999 }], ...shell('sleep 1000') };
  await daemon.send('PUT', 'container', { u: '0', r: 'cancel', t: 'geard/sample', i }, { body });
  await until('the new container runs', async () => {
    const { container } = await gear('cancel');
    return container !== null && container !== before.container;
  });
  const cancelled = await daemon.send('DELETE', `job/${i}`, {}, { headers: { Prefer: 'wait=30' } });
  expect(cancelled).toMatchObject({ status: 200, body: { state: 'cancelled' } });
  expect(await gear('cancel')).toMatchObject({ unitText: before.unitText, systemd: { active: 'active' } });
  expect((await daemon.send('DELETE', `job/${i}`)).status).toBe(409);
});

test.concurrent('a gear whose process ignores SIGTERM is stopped, and inactive', async () => {
  await install('stubborn', shell("trap '' TERM; while true; do sleep 1; done"));
  expect(await daemon.change('PUT', 'container/stopped', { r: 'stubborn' })).toMatchObject({ status: 200 });
  expect(await activeState('stubborn')).toBe('inactive');
});

let registry: ChildProcess;
let forbidding: Server;
let slow: Server;
let registryFiles: string;

beforeAll(async () => {
  registryFiles = await mkdtemp('/tmp/registry-');
  const config = `version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: ${registryFiles}\nhttp:\n  addr: 127.0.0.1:5000\n`;
  await writeFile(`${registryFiles}/config.yml`, config);
  registry = spawn('docker-registry', ['serve', `${registryFiles}/config.yml`], { stdio: 'ignore' });
  forbidding = createServer((_req, res) =>
    res
      .writeHead(401, { 'WWW-Authenticate': 'Basic realm="r"' })
      .end('{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}'),
  );
  forbidding.listen(5001, '127.0.0.1');
  // A registry that takes for ever: the pull hangs until it is given up.
  slow = createServer(() => undefined).listen(5002, '127.0.0.1');
  await until('the registry answers', () =>
    fetch('http://127.0.0.1:5000/v2/').then(
      (r) => r.ok,
      () => false,
    ),
  );
  await ok('docker', 'tag', 'geard/sample', '127.0.0.1:5000/team/sample:1');
  await ok('docker', 'push', '--quiet', '127.0.0.1:5000/team/sample:1');
  await ok('docker', 'image', 'rm', '127.0.0.1:5000/team/sample:1');
});
afterAll(async () => {
  registry.kill();
  forbidding.close();
  slow.close();
  slow.closeAllConnections();
  await rm(registryFiles, { recursive: true });
});

test.concurrent('an image that is not there is pulled, and what a registry answers is told apart', async () => {
  expect(await install('pulled', {}, '127.0.0.1:5000/team/sample:1')).toMatchObject({
    status: 200,
    body: { state: 'succeeded' },
  });
  const missing = await install('missing', {}, '127.0.0.1:5000/team/nothing:1');
  expect(missing).toMatchObject({ status: 404, body: { code: 'image_not_found' } });
  const denied = await install('denied', {}, '127.0.0.1:5001/team/sample:1');
  expect(denied).toMatchObject({ status: 502, body: { code: 'registry_failed' } });
  expect(denied.body.detail).toContain('does not allow');
  const i = newId();
  const parameters = { u: '0', r: 'unreachable', t: '127.0.0.1:5009/team/sample:1', i };
  const away = await daemon.send('PUT', 'container', parameters, { headers: { Prefer: 'wait=60' } });
  expect(away).toMatchObject({ status: 502, body: { code: 'registry_failed' } });
  expect(away.body.detail).toContain('could not be reached or gave no image');
  const { body: job } = await daemon.send('GET', `job/${i}`);
  expect(job.attempts).toBeGreaterThan(2);
});

test.concurrent('a failed pull does not tell an open port from a closed one; what the engine said is in the log (security M5)', async () => {
  const page = createServer((_req, res) => res.writeHead(404).end('404 page not found'));
  page.listen(5003, '127.0.0.1');
  const details = await Promise.all(
    [5003, 5009].map(async (port) => {
      const { body } = await install(`port-${port}`, {}, `127.0.0.1:${port}/latest/meta-data`);
      return `${body.code}: ${body.detail.replaceAll(String(port), 'PORT')}`;
    }),
  );
  page.close();
  page.closeAllConnections();
  expect(new Set(details).size, details.join('\n')).toBe(1);
  expect(details[0]).not.toMatch(/refused|timeout|http|dial/i);
  expect(daemon.log()).toContain('connection refused');
});

test('a registry at a private address that is not allowed is not asked (security M5)', async () => {
  const asked: string[] = [];
  const inside = createServer((req, res) => {
    asked.push(req.url ?? '');
    res.writeHead(404).end();
  }).listen(5004, '::1');
  for (const name of ['127.1.2.3:5004', 'localhost:5004', '0x7f000002:5004', '169.254.169.254']) {
    const refused = await install('inside', {}, `${name}/latest/meta-data`);
    expect(refused, name).toMatchObject({ status: 400, body: { code: 'invalid_request' } });
    expect(refused.body.detail).toContain('--registry-allow');
  }
  inside.close();
  expect(asked).toEqual([]);
});

test("a slow pull holds up neither another gear's stop nor its own cancellation", async () => {
  await install('quick');
  const i = newId();
  await daemon.send('PUT', 'container', { u: '0', r: 'slow', t: '127.0.0.1:5002/team/slow:1', i });
  await until('it pulls', async () => (await daemon.send('GET', `job/${i}`)).body.progress?.step === 'pull');
  expect(await daemon.change('PUT', 'container/stopped', { r: 'quick' })).toMatchObject({ status: 200 });
  // The pull never ends by itself.
  expect((await daemon.send('GET', `job/${i}`)).body.state).toBe('running');
  const cancelled = await daemon.send('DELETE', `job/${i}`, {}, { headers: { Prefer: 'wait=30' } });
  expect(cancelled).toMatchObject({ status: 200, body: { state: 'cancelled' } });
});

/** An image with a mebibyte in it that the host does not have. */
async function pushLarge(image: string): Promise<void> {
  const make = 'head -c 1048576 /dev/urandom >/random';
  await ok('docker', 'run', '--name=large', 'geard/sample', '/bin/sh', '-c', make);
  const command = 'CMD ["/bin/httpd","-f","-p","8080","-h","/www"]';
  await ok('docker', 'commit', `--change=${command}`, 'large', image);
  await ok('docker', 'push', '--quiet', image);
  await ok('docker', 'rm', 'large');
  await ok('docker', 'image', 'rm', image);
}

test("where Docker's disk is full the job says so, and goes on when there is room", async () => {
  const place = '/var/lib/docker/tmp'; // Where Docker puts what it pulls first.
  await pushLarge('127.0.0.1:5000/team/large:1');
  await ok('mount', '-t', 'tmpfs', '-o', 'size=64k', 'full-disk', place);
  onTestFinished(async () => void (await run('umount', place)));
  const i = newId();
  await daemon.send('PUT', 'container', { u: '0', r: 'large', t: '127.0.0.1:5000/team/large:1', i });
  const full = 'the disk of the host is full; free space on it';
  await until('the client is told', async () => {
    const { body } = await daemon.send('GET', `job/${i}`);
    return body.progress?.message.startsWith(full);
  });
  await until('the operator is told', () => daemon.log().includes(full));
  await ok('umount', place);
  const { body } = await daemon.send('GET', `job/${i}`, { wait: '30' });
  expect(body, JSON.stringify(body.error)).toMatchObject({ state: 'succeeded' });
});
