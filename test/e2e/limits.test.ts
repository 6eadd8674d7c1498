import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { Problem } from '../../src/jobs/errors.ts';
import type { Job } from '../../src/jobs/job.ts';
import type { LimitName } from '../../src/jobs/limits.ts';
import { askForStream } from '../support/ask.ts';
import { type Answer, type Client, newId } from '../support/client.ts';
import { headIn } from '../support/curl.ts';
import { sampleImage } from '../support/daemon.ts';
import { assertDocumented } from '../support/documented.ts';
import { type KeyedFleet, openKeyedFleet } from '../support/keyed-fleet.ts';
import { fillRepository } from '../support/repository.ts';
import { ok } from '../support/run.ts';
import { until } from '../support/until.ts';

const api = [
  ...['--user-requests', '4', '--user-waits', '2', '--user-streams', '2', '--user-archives', '1'],
  ...['--user-jobs', '20', '--user-queue-megabytes', '1'],
];
const worker = [
  ...['--max-parallel-jobs', '2', '--gear-memory', '64m', '--gear-cpus', '0.5', '--gear-pids', '100'],
  ...['--max-gear-memory', '128m', '--publish-ports', '1023-50000', '--publish-address', '127.0.0.1'],
];

let fleet: KeyedFleet;
let alice: Client;
let bob: Client;

/** Starts, but listens only after a while. */
const slow = (seconds: number) => ({
  ports: [{ internal: 8080 }],
  command: ['/bin/sh', '-c', `sleep ${seconds}; exec /bin/httpd -f -p 8080 -h /www`],
});
const install = (client: Client, r: string, body: object = {}) =>
  client.send('PUT', 'container', { r, t: 'geard/sample', i: newId() }, { body });
const unfinished = (client: Client) =>
  until('everything of a user has ended', async () => {
    const jobs = (await client.send<{ jobs: Job[] }>('GET', 'jobs', { limit: '1000' })).body.jobs;
    return jobs.every(({ finishedAt }) => finishedAt !== null);
  });

beforeAll(async () => {
  await sampleImage();
  fleet = await openKeyedFleet('relay', [], { api, worker });
  alice = await fleet.as({ u: 'alice' });
  bob = await fleet.as({ u: 'bob' });
  for (const [client, r] of [
    [alice, 'alice-0'],
    [bob, 'bob-0'],
  ] as const)
    expect(
      (await client.change('PUT', 'container', { u: r.split('-')[0] ?? '', r, t: 'geard/sample' }, slow(0)))
        .body.state,
    ).toBe('succeeded');
});
afterAll(() => fleet.close());

/** 429 with the name of the limit, and when to come again. */
function expectLimit({ status, headers, body }: Answer<Problem>, limit: LimitName): void {
  expect(body).toMatchObject({ code: 'limit_reached', limit });
  expect(body.detail).toContain(limit);
  expect([status, headers.get('Retry-After')]).toEqual([429, '1']);
}

/** Requests that are held open, and how to let them go. */
function held(paths: string[]): { all: Promise<Response>[]; letGo(): void } {
  const abort = new AbortController();
  const all = paths.map((path) => askForStream(path, { signal: abort.signal }));
  for (const one of all) one.catch(() => undefined);
  onTestFinished(() => abort.abort());
  return { all, letGo: () => abort.abort() };
}

const statusOf = async (client: Client, path: string, parameters: Record<string, string>) =>
  (await client.send('GET', path, parameters)).status;

test('requests in flight: the one too many is 429, another user is answered (security M3)', async () => {
  const { hostname, port } = new URL(alice.url);
  /** A request whose body is still to come. */
  const half = (): Socket => {
    const socket = connect(Number(port), hostname);
    const path = `${new URL(alice.url).pathname}/container/stopped?r=alice-0&i=${newId()}`;
    socket.write(`PUT ${path} HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n`);
    onTestFinished(() => void socket.destroy());
    return socket;
  };
  const sockets = Array.from({ length: 5 }, half);
  // One is refused, and four are held.
  const [said] = await Promise.race(sockets.map((socket) => once(socket, 'data')));
  const head = headIn(String(said));
  assertDocumented('PUT', '/container/stopped', { status: 0, headers: new Headers(), ...head, body: null });
  const refused = await alice.send('GET', 'container', { r: 'alice-0' });
  expectLimit(refused, 'userRequests');
  expect(await statusOf(bob, 'container', { r: 'bob-0' })).toBe(200);
  for (const socket of sockets) socket.destroy();
  await until(
    'alice is answered again',
    async () => (await statusOf(alice, 'container', { r: 'alice-0' })) === 200,
  );
});

test('holders of wait: the one too many is 429, another user may wait', async () => {
  const { body: job } = await install(alice, 'alice-waits', slow(60));
  const { body: done } = await bob.send<{ jobs: Job[] }>('GET', 'jobs');
  const { letGo } = held([`${alice.url}/job/${job.id}?wait=50`, `${alice.url}/job/${job.id}?wait=50`]);
  const refused = await until('alice is at her limit', async () => {
    const answer = await alice.send('GET', `job/${job.id}`, { wait: '1' });
    return answer.status === 429 ? answer : null;
  });
  expectLimit(refused, 'userWaits');
  const change = await alice.send(
    'PUT',
    'container/stopped',
    { r: 'alice-0', i: newId() },
    { headers: { Prefer: 'wait=1' } },
  );
  expectLimit(change, 'userWaits');
  expect(await statusOf(alice, `job/${job.id}`, {})).toBe(200); // Without waiting.
  expect(await statusOf(bob, `job/${done.jobs[0]?.id}`, { wait: '1' })).toBe(200);
  letGo();
  await until(
    'alice may wait again',
    async () => (await statusOf(alice, `job/${job.id}`, { wait: '1' })) === 200,
  );
  await alice.send('DELETE', `job/${job.id}`);
  await unfinished(alice);
});

test('logs that are followed: the one too many is 429, another user follows', async () => {
  const path = `${alice.url}/container/log?r=alice-0&for=100`;
  const { all, letGo } = held([path, path]);
  for (const one of all) expect((await one).status).toBe(200);
  expectLimit(await alice.send('GET', 'container/log', { r: 'alice-0', for: '1' }), 'userStreams');
  expect(await statusOf(bob, 'container/log', { r: 'bob-0', for: '0' })).toBe(200);
  letGo();
  await until(
    'alice may follow again',
    async () => (await statusOf(alice, 'container/log', { r: 'alice-0', for: '0' })) === 200,
  );
});

test('archives: the one too many is 429 while a reader takes nothing, another user gets one (security M6)', async () => {
  await alice.change('PUT', 'repository', { u: 'alice', r: 'alice-git' });
  await fillRepository(`${fleet.base}/git/alice-git`, 20);
  const { all, letGo } = held([`${alice.url}/content?t=gitarchive&r=alice-git`]);
  expect((await all[0])?.status).toBe(200);
  expectLimit(await alice.send('GET', 'content', { t: 'gitarchive', r: 'alice-git' }), 'userArchives');
  expect(await statusOf(bob, 'content/side', { t: 'gitarchive', r: 'alice-git' })).toBe(200);
  letGo();
  await until(
    'alice gets one again',
    async () => (await statusOf(alice, 'content/side', { t: 'gitarchive', r: 'alice-git' })) === 200,
  );
});

test('unfinished jobs: the one too many is 429, another user’s is accepted, and ends give room (security M7)', async () => {
  const { body: first } = await install(alice, 'alice-jobs', slow(60));
  const stop = () => alice.send('PUT', 'container/stopped', { r: 'alice-jobs', i: newId() });
  const sent = [];
  for (let n = 1; n < 20; n++) sent.push(await stop());
  expect(sent.map(({ status }) => status)).toEqual(Array(19).fill(202));
  expectLimit(await stop(), 'userJobs');
  expect((await bob.send('PUT', 'container/started', { r: 'bob-0', i: newId() })).status).toBe(202);
  const replayed = await alice.send('PUT', 'container/stopped', {
    r: 'alice-jobs',
    i: sent[3]?.body.id ?? '',
  });
  expect(replayed.headers.get('Idempotent-Replayed')).toBe('true');
  await alice.send('DELETE', `job/${sent[5]?.body.id}`);
  expect((await stop()).status).toBe(202);
  await alice.send('DELETE', `job/${first.id}`);
  await unfinished(alice);
});

test('bytes queued: the request too many is 429, another user’s is accepted', async () => {
  const { body: first } = await install(alice, 'alice-bytes', slow(60));
  const large = { env: ['A', 'B', 'C'].map((name) => ({ name, value: 'x'.repeat(30_000) })) };
  const sent: Answer<Problem & Job>[] = [];
  while (sent.at(-1)?.status !== 429 && sent.length < 19)
    sent.push(await install(alice, 'alice-bytes', large));
  expectLimit(sent.at(-1) as Answer<Problem>, 'userQueueMegabytes');
  expect(sent.length).toBeGreaterThan(8);
  expect((await install(bob, 'bob-0', { ...slow(0), ...large })).status).toBe(202);
  for (const { body } of [...sent.slice(0, -1).reverse(), { body: first }])
    await alice.send('DELETE', `job/${body.id}`);
  await unfinished(alice);
  expect((await install(alice, 'alice-0', { ...slow(0), ...large })).status).toBe(202);
  await unfinished(alice);
  await unfinished(bob);
});

test('GET hosts tells the limits of the host and of the api', async () => {
  const { body } = await bob.send<{ hosts: object[]; limits: object }>('GET', 'hosts');
  expect(body.limits).toMatchObject({ userRequests: 4, userJobs: 20, userQueueMegabytes: 1 });
  expect(body.hosts).toMatchObject([
    {
      name: 'h1',
      limits: { maxParallelJobs: 2, gearMemory: 64 * 1024 * 1024, publishAddress: ['127.0.0.1'] },
    },
  ]);
});

test.each([
  ['more memory', { memory: '129m' }, 'maxGearMemory'],
  ['more CPUs', { cpus: 1_000 }, 'maxGearCpus'],
  ['a port that may not be published', { ports: [{ internal: 80, external: 443 }] }, 'publishPorts'],
  ['a port above', { ports: [{ internal: 80, external: 50_001 }] }, 'publishPorts'],
])('%s than the host gives is refused at the door (security M7, L7)', async (_, body, limit) => {
  const i = newId();
  const { status, body: problem } = await alice.send(
    'PUT',
    'container',
    { r: 'alice-more', t: 'geard/sample', i },
    { body },
  );
  expect([status, problem.code]).toEqual([400, 'invalid_request']);
  expect(problem.detail).toContain(limit);
  expect(await statusOf(alice, `job/${i}`, {})).toBe(404);
});

test('a gear that names no limits has those of its host, and its ports only where they may be (security M7, L7)', async () => {
  const format = '{{json .HostConfig}}';
  const config = JSON.parse(await ok('docker', 'inspect', '--format', format, 'gear-bob-0'));
  expect(config).toMatchObject({ Memory: 64 * 1024 * 1024, NanoCpus: 5e8, PidsLimit: 100 });
  expect(Object.values(config.PortBindings).flat()).toMatchObject([{ HostIp: '127.0.0.1' }]);
  const { body } = await bob.send<{ spec: object }>('GET', 'container', { r: 'bob-0' });
  expect(body.spec).toMatchObject({ memory: 64 * 1024 * 1024, cpus: 0.5 });
});

test('300 reads at once of one user make a host unreadable for nobody (security M3)', async () => {
  const own = await fleet.as({ u: 'alice', r: 'alice-*', a: ['*.read'] });
  const all = Array.from({ length: 300 }, () => statusOf(own, 'containers', {}));
  const others = [];
  for (let n = 0; n < 5; n++) others.push(await statusOf(bob, 'container', { r: 'bob-0' }));
  expect(others).toEqual(Array(5).fill(200));
  const statuses = new Set(await Promise.all(all));
  expect([...statuses].sort()).toEqual([200, 429]);
});

test('a user’s change does not wait for all those that another one has sent before (security M7)', async () => {
  for (let n = 0; n < 10; n++) expect((await install(alice, `alice-${n}`, slow(2))).status).toBe(202);
  const restarted = await bob.change('PUT', 'container/restarted', { u: 'bob', r: 'bob-0' });
  expect(restarted.body.state).toBe('succeeded');
  const { body } = await alice.send<{ jobs: Job[] }>('GET', 'jobs', { state: 'queued', limit: '1000' });
  expect(body.jobs.length).toBeGreaterThanOrEqual(5);
  for (const { id } of body.jobs) await alice.send('DELETE', `job/${id}`);
  await unfinished(alice);
});
