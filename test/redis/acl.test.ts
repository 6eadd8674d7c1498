import { Redis } from 'ioredis';
import pino from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiQueue, openApiQueue } from '../../src/queue/api-queue.ts';
import { sweepDirectory } from '../../src/queue/directory/sweep.ts';
import { adminAcl, apiAcl, workerAcl } from '../../src/queue/redis/acl.ts';
import { keys } from '../../src/queue/redis/keys.ts';
import { defineScripts } from '../../src/queue/scripts/run-script.ts';
import { openWorkerQueue, type WorkerQueue } from '../../src/queue/worker-queue.ts';
import { rulesOf } from '../support/acl.ts';
import { jobLimits } from '../support/limits.ts';
import { anyOf, connected, diskOf, hostNamed, to } from '../support/queue.ts';
import { openTestRedis, type TestRedis } from '../support/redis.ts';
import { until } from '../support/until.ts';

const log = pino({ level: 'silent' });
const id = (n: number) => n.toString(16).padStart(32, '0');
let redis: TestRedis;
let api: Redis;
let worker: Redis;
const open: Redis[] = [];

async function connect(username: string): Promise<Redis> {
  const connection = new Redis({
    path: redis.url.slice('unix:'.length),
    username,
    password: username,
    lazyConnect: true,
  });
  open.push(connection);
  await connection.connect();
  return connection;
}

beforeAll(async () => {
  redis = await openTestRedis();
  const lines = [apiAcl('geard-api'), ...['h1', 'h2'].map((h) => workerAcl(`geard-${h}`, h))];
  for (const line of lines) await redis.redis.call('ACL', ['SETUSER', ...rulesOf(line)]);
  api = await connect('geard-api');
  worker = await connect('geard-h1');
});
afterAll(async () => {
  for (const connection of open) connection.disconnect();
  await redis.close();
});

/** The answers that a fleet's parts get when they do all they ever do, each under its own user. */
async function live(): Promise<void> {
  const access = (username: string) => ({ url: redis.url, username, password: username });
  const queue: ApiQueue = openApiQueue({
    redis: access('geard-api'),
    limits: jobLimits(),
    keepSeconds: 100,
    expected: ['h1'],
    log,
  });
  const host: WorkerQueue = openWorkerQueue({
    ...{ redis: access('geard-h1'), host: 'h1', holder: diskOf('1'), keepSeconds: 100, log },
  });
  await connected(queue);
  const submission = (n: number, type: 'container.install' | 'container.stop') => ({
    ...{ id: id(n), user: '0', tenant: '0', fingerprint: 'f', expires: 60, seal: () => 'sealed' },
    command: { type, params: { resource: 'a', spec: { ports: [] } } } as never,
  });
  const heard: string[] = [];
  host.onAsked(() => heard.push('asked'));
  await host.announceHeld('gear', async () => ['a', 'b']);
  await host.announceHeld('gear', async () => ['a']);
  await host.announceHost(hostNamed('h1'), 'held');
  await until('the directory has the gear', async () => (await queue.findHolder('gear', 'a')) === 'h1');
  host.open(
    async (job) => {
      const record = await host.records.read(job);
      if (!record) return;
      await host.records.take(job);
      await host.records.next(record);
      const turn = await host.records.begin(record);
      if (turn.turn !== 'begun') return;
      await host.records.progress(job, { step: 'start', message: 'begins' });
      await host.records.handBack(job);
      await host.records.begin(record);
      await host.records.finish(record, { state: 'succeeded', result: {} }, true);
      await host.records.drop(record.job);
    },
    {
      'container.list': async () => [],
      'stream.open': async (_sealed: string, args: unknown) => {
        const body = (async function* () {
          yield Buffer.from('frames');
        })();
        void host.relay((args as { id: string }).id, body, () => undefined);
        return { head: {} };
      },
    } as never,
  );
  expect(await queue.accept(submission(1, 'container.install'), to('h1'))).toMatchObject({
    verdict: 'accepted',
  });
  expect((await queue.wait(id(1), 10_000))?.job.state).toBe('succeeded');
  expect(await queue.progressLines('h1', id(1), '0')).toHaveLength(1);
  expect(await queue.ask('h1', 'container.list', 'sealed', { names: [] })).toEqual([]);
  const stream = await queue.relay(
    'h1',
    { name: 'container.log', sealed: 's', how: {} },
    new AbortController().signal,
  );
  const read: Buffer[] = [];
  for await (const chunk of stream.body) read.push(Buffer.from(chunk));
  expect(Buffer.concat(read).toString()).toBe('frames');
  queue.onCopyRequest(
    (request) =>
      void queue.sendCopy(
        request,
        async function* () {
          yield Buffer.from('brought');
        },
        new AbortController().signal,
      ),
  );
  await until('the front hears what workers ask for', async () => {
    const patterns = await redis.redis.call('PUBSUB', 'NUMPAT');
    return Number(patterns) >= 3;
  });
  for await (const chunk of await host.requestCopy(id(1), new AbortController().signal))
    read.push(Buffer.from(chunk));
  expect(Buffer.concat(read).toString()).toBe('framesbrought');
  await host.stopReceiving();
  expect(await queue.accept(submission(2, 'container.stop'), to('h1'))).toMatchObject({
    verdict: 'accepted',
  });
  const record = await queue.job(id(2));
  if (!record) throw new Error('no record');
  expect(await queue.cancel(record, 'sealed')).toBe('queued');
  expect((await queue.listJobs({}, 10)).jobs.map((job) => job.id)).toEqual([id(2), id(1)]);
  for (const filter of [
    { u: '0', r: 'a*' },
    { state: 'cancelled' as const, r: 'a' },
  ])
    expect((await queue.listJobs(filter, 1)).jobs.map((job) => job.id)).toEqual([id(2)]);
  expect((await queue.listJobs({ u: '0' }, 1, id(2))).jobs.map((job) => job.id)).toEqual([id(1)]);
  expect(await queue.accept(submission(3, 'container.install'), anyOf('h1'))).toMatchObject({
    verdict: 'accepted',
  });
  expect((await queue.hosts()).map(({ name }) => name)).toEqual(['h1']);
  expect(await queue.held('h1', 'gear', ['a', 'b'])).toEqual(['a']);
  for (const scope of [{}, { h: 'h1' }])
    expect(await queue.listNames('gear', scope, 9)).toEqual({ names: [['a', 'h1']], next: null });
  await until('an api has asked who is there', () => heard.length > 0);
  await redis.redis.hset(keys.holders('gear'), 'gone', '{"host":"h1","at":0,"memory":0,"ports":[]}');
  const sweeper = await connect('geard-api');
  defineScripts(sweeper);
  await sweepDirectory(sweeper); // As an api does every few minutes.
  expect(await redis.redis.hexists(keys.holders('gear'), 'gone')).toBe(0);
  await host.withdrawHost(hostNamed('h1'));
  await queue.close();
  await host.close();
}

test('api and worker do all they have to under the rules made for them', async () => {
  await redis.redis.call('ACL', 'LOG', 'RESET');
  const outcome = await live().catch((error: Error) => error.message);
  expect(await redis.redis.call('ACL', 'LOG')).toEqual([]);
  expect(outcome).toBeUndefined();
});

type Attempt = [name: string, go: (connection: Redis) => Promise<unknown>];
const job = (host = 'h1') => keys.job(host, id(7));
const queue = (part: string, host = 'h1') => `${keys.queuePrefix(host)}:jobs:${part}`;
const refused = async (attempt: Promise<unknown>) =>
  expect(
    attempt.then(
      (value) => `done: ${JSON.stringify(value)}`,
      (error: Error) => error.message,
    ),
  ).resolves.toMatch(/NOPERM|The user executing the script can't|command not allowed/);

const administration: Attempt[] = [
  ['FLUSHALL', (c) => c.flushall()],
  ['CONFIG GET', (c) => c.config('GET', 'requirepass')],
  ['CONFIG SET', (c) => c.config('SET', 'dir', '/')],
  ['ACL LIST', (c) => c.call('ACL', 'LIST')],
  ['ACL SETUSER', (c) => c.call('ACL', 'SETUSER', 'geard-api', 'allcommands')],
  ['SHUTDOWN', (c) => c.shutdown()],
  ['DEBUG', (c) => c.call('DEBUG', 'SLEEP', '0')],
  ['MODULE LOAD', (c) => c.call('MODULE', 'LOAD', '/x.so')],
  ['REPLICAOF', (c) => c.call('REPLICAOF', 'NO', 'ONE')],
  ['SAVE', (c) => c.save()],
  ['MONITOR', (c) => c.call('MONITOR')],
  ['CLIENT LIST', (c) => c.client('LIST')],
  ['CLIENT KILL', (c) => c.call('CLIENT', 'KILL', 'TYPE', 'normal')],
  ['KEYS', (c) => c.keys('*')],
  ['SCAN', (c) => c.scan('0')],
  ['RANDOMKEY', (c) => c.randomkey()],
  ['SCRIPT FLUSH', (c) => c.script('FLUSH')],
  ['SWAPDB', (c) => c.swapdb(0, 1)],
  ['FUNCTION FLUSH', (c) => c.call('FUNCTION', 'FLUSH')],
  ['OBJECT of a key of others', (c) => c.call('OBJECT', 'ENCODING', 'somebody')],
];
test.each(administration)('neither role administers Redis: %s', async (_, go) => {
  await refused(go(api));
  await refused(go(worker));
});

test.each<Attempt>([
  ['say that a job has finished', (c) => c.hset(keys.run('h1', id(7)), 'state', 'succeeded')],
  [
    'say so in a script',
    (c) => c.eval("return redis.call('HSET', KEYS[1], 'state', 'succeeded')", 1, keys.run('h1', id(7))),
  ],
  ['take back what is said of a job', (c) => c.del(keys.run('h1', id(7)))],
  ['take a delivery', (c) => c.lmove(queue('wait'), queue('active'), 'RIGHT', 'LEFT')],
  ['take a delivery in a script', (c) => c.eval("return redis.call('RPOP', KEYS[1])", 1, queue('wait'))],
  ['take a delivery into a list of its own', (c) => c.rpoplpush(queue('wait'), keys.asks('h1'))],
  ['finish a delivery', (c) => c.lrem(queue('active'), 0, 'r-1')],
  ['count a delivery as completed', (c) => c.zadd(queue('completed'), 1, 'r-1')],
  ['take the lock of a delivery', (c) => c.set(`${queue('r-1')}:lock`, 'x')],
  ['take a question', (c) => c.rpop(keys.asks('h1'))],
  ['remove a job', (c) => c.del(job())],
  ['forget the id of a job', (c) => c.del(keys.id(id(7)))],
  ['say what a host holds', (c) => c.sadd(keys.held('h1', 'gear'), 'x')],
  ['say that a host lives', (c) => c.set(keys.host('h1'), '{}')],
  ['say so to the others', (c) => c.publish('geard:{h1}:here', '')],
  ['ask for what a host is to copy', (c) => c.publish('geard:{h1}:fetch', '{}')],
  ['answer for a host', (c) => c.publish('geard:{h1}:replies:x', '{}')],
  ['write progress', (c) => c.xadd(keys.progress('h1', id(7)), '*', 'line', '{}')],
  ['read what is not ours', (c) => c.get('somebody')],
  ['write what is not ours', (c) => c.set('somebody', '1')],
])('an api can not %s', async (_, go) => {
  await refused(go(api));
});

test.each<Attempt>([
  ['read a job', (c) => c.hgetall(job('h2'))],
  ['write a job', (c) => c.hset(job('h2'), 'type', 'x')],
  ['read a job in a script', (c) => c.eval("return redis.call('HGETALL', KEYS[1])", 1, job('h2'))],
  [
    'read a job that a script does not name',
    (c) => c.eval(`return redis.call('HGETALL', '${job('h2')}')`, 0),
  ],
  ['copy a job', (c) => c.copy(job('h2'), job('h1'))],
  ['rename a job', (c) => c.rename(job('h2'), job('h1'))],
  ['end a job', (c) => c.hset(keys.run('h2', id(7)), 'state', 'succeeded')],
  ['take a delivery', (c) => c.rpop(queue('wait', 'h2'))],
  ['move a delivery', (c) => c.rpoplpush(queue('wait', 'h2'), queue('wait', 'h1'))],
  ['make a delivery', (c) => c.lpush(queue('wait', 'h2'), 'r-1')],
  ['take a question', (c) => c.rpop(keys.asks('h2'))],
  ['ask a question', (c) => c.lpush(keys.asks('h2'), '{}')],
  ['read a stream', (c) => c.xread('STREAMS', keys.frames('h2', 'x'), '0')],
  ['write a stream', (c) => c.xadd(keys.frames('h2', 'x'), '*', 'd', '')],
  ['say what is held', (c) => c.sadd(keys.held('h2', 'gear'), 'x')],
  ['read what is held', (c) => c.smembers(keys.held('h2', 'gear'))],
  ['say that it lives', (c) => c.set(keys.host('h2'), '{}')],
  ['say so to the others', (c) => c.publish('geard:{h2}:here', '')],
  ['answer', (c) => c.publish('geard:{h2}:replies:x', '{}')],
  ['listen to its answers', (c) => c.duplicate().subscribe('geard:{h2}:replies:x')],
  ['listen to everything', (c) => c.duplicate().psubscribe('*')],
  ['use a shorter name', (c) => c.get('geard:{h')],
  ['use a longer name', (c) => c.get('geard:{h12}:host')],
])('the worker of h1 can not do this for h2: %s', async (_, go) => {
  await refused(go(worker));
});

test.each<Attempt>([
  ['forget the id of a job', (c) => c.del(keys.id(id(7)))],
  ['read where a job is', (c) => c.get(keys.id(id(7)))],
  ['read the list of jobs', (c) => c.zrange(keys.jobs('h2'), '0', '-1')],
  ['take a name', (c) => c.hset(keys.holders('gear'), 'x', 'h1')],
  ['make a host', (c) => c.sadd(keys.hosts, 'x')],
  ['ask who is there', (c) => c.publish('geard:who', '')],
])("a worker can not do what is an api's: %s", async (_, go) => {
  await refused(go(worker));
});

test('administrators keep everything, under the name that nobody has to say', async () => {
  const [, name, ...rules] = rulesOf(`x ${adminAcl('long enough to be one')}`);
  expect(name).toBe('default');
  expect(await redis.redis.call('ACL', ['SETUSER', 'somebody', ...rules])).toBe('OK');
  expect(await redis.redis.call('ACL', 'DRYRUN', 'somebody', 'FLUSHALL')).toBe('OK');
});
