import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Change } from '../../src/jobs/change.ts';
import type { Command } from '../../src/jobs/registry.ts';
import { keys } from '../../src/queue/redis/keys.ts';
import { authorize } from '../../src/requests/authorize.ts';
import { type Envelope, openAnswer } from '../../src/requests/envelope.ts';
import type { OriginalRequest } from '../../src/requests/original.ts';
import { matchRoute } from '../../src/requests/routes.ts';
import { readKeyring, readMinterKey } from '../../src/token/key-files.ts';
import { mintToken } from '../../src/token/mint.ts';
import { createSealer, type Sealer } from '../../src/token/seal.ts';
import { activeState, hostState, sampleImage, startsOf } from '../support/daemon.ts';
import { type KeyedFleet, openKeyedFleet } from '../support/keyed-fleet.ts';
import { outputOf } from '../support/processes.ts';
import { lifetimes, makeDaemon, makeIssuer, now, ringOf } from '../support/tokens.ts';
import { until } from '../support/until.ts';

/** So many of each kind; there are ten kinds. */
const ofEach = 100;

let fleet: KeyedFleet;
beforeAll(async () => {
  await sampleImage();
  fleet = await openKeyedFleet();
});
afterAll(() => fleet.close());

type Hash = Record<string, string>;
const anId = () => randomBytes(16).toString('hex');
const change = (line: string, id: string, body = ''): OriginalRequest => {
  const [method = '', path = ''] = line.split(' ');
  return { method: method as never, path, query: `u=0&r=target&t=geard%2Fsample&i=${id}`, body };
};

/** A record as an api would write it for a request. */
function recordOf(request: OriginalRequest, sealed: string): Hash {
  const order = authorize({}, request, matchRoute(request), lifetimes);
  const { id, user, command, fingerprint } = order.wants as Change & { command: Command };
  const { type, params } = command;
  const createdAt = new Date().toISOString();
  return { id, type, resource: params.resource, host: 'h1', user, createdAt, fingerprint, sealed };
}

/** What an api that is in the wrong hands can do: it has a daemon's key and seals what it likes. */
async function sealAs(sealer: Sealer, request: OriginalRequest, token: string, host = 'h1'): Promise<Hash> {
  const content: Envelope = { token, request, until: null };
  const job = String(new URLSearchParams(request.query).get('i'));
  return recordOf(request, sealer.seal(content, token, { use: 'job', host, job }));
}

/** A hundred requests that were done, with the records they had before. */
async function doneBefore(): Promise<Hash[]> {
  const client = await fleet.as({});
  await fleet.stop('worker');
  const ids = Array.from({ length: ofEach }, anId);
  for (const i of ids) {
    const { status } = await client.send('PUT', 'container/stopped', { u: '0', r: 'target', i });
    expect(status).toBe(202);
  }
  const records = await Promise.all(ids.map((id) => fleet.redis.redis.hgetall(keys.job('h1', id))));
  await fleet.start('worker');
  await until('all are done', async () => (await fleet.redis.redis.zcard(keys.open('h1'))) === 0, 60_000);
  const started = await client.change('PUT', 'container/started', { r: 'target' });
  expect(started.body.state).toBe('succeeded');
  return records;
}

/** Writes jobs past every api, as nobody should be able to. */
async function write(jobs: Hash[]): Promise<void> {
  const pipeline = fleet.redis.redis.pipeline();
  for (const [n, job] of jobs.entries()) {
    const id = job['id'] ?? '';
    pipeline.del(keys.run('h1', id), keys.job('h1', id));
    pipeline.hset(keys.job('h1', id), job);
    pipeline.zadd(keys.open('h1'), n, id);
    pipeline.zadd(keys.line('h1', 'gear', job['resource'] ?? ''), n, id);
  }
  await pipeline.exec();
}

test('1,000 jobs written into Redis that no issuer has allowed have no effect, and each is in the audit log', async () => {
  const installed = await (await fleet.as({})).change('PUT', 'container', { r: 'target', t: 'geard/sample' });
  expect(installed.body.state).toBe('succeeded');
  const before = await doneBefore();
  const genuine = () => before[Math.floor(Math.random() * before.length)] as Hash;

  const { keyring } = await readKeyring(fleet.directories.worker);
  const daemon = await readMinterKey(fleet.keys, 'daemon');
  const stranger = await makeIssuer((await readMinterKey(fleet.keys, 'issuer')).kid);
  const strangers = await makeDaemon(daemon.kid);
  const sealer = createSealer(() => keyring, false);
  const foreign = createSealer(() => ringOf([], [strangers]), false);
  const plain = createSealer(() => ringOf([], []), true);
  const lines = ['PUT /container/stopped', 'DELETE /container', 'PUT /container/restarted', 'PUT /container'];
  const some = (n: number) => change(lines[n % lines.length] ?? '', anId());
  const flip = (text: string, n: number) => {
    const place = text.lastIndexOf('.') + 1 + (n % 60);
    return text.slice(0, place) + (text[place] === 'A' ? 'B' : 'A') + text.slice(place + 1);
  };
  const byStranger = () =>
    mintToken({ aud: 'geard', d: now() + 900 }, { kid: stranger.kid, key: stranger.private }, daemon);

  const kinds: Record<string, (n: number) => Hash | Promise<Hash>> = {
    'not sealed': (n) => recordOf(some(n), ''),
    'sealed as where only the test token is taken': (n) => sealAs(plain, some(n), '__test__'),
    "sealed with a stranger's key": async (n) => sealAs(foreign, some(n), await fleet.mint()),
    'altered on its way': (n) => ({ ...genuine(), id: anId(), sealed: flip(genuine()['sealed'] ?? '', n) }),
    'repeated under another id': (n) => ({
      ...genuine(),
      id: anId(),
      type: n % 2 ? 'container.remove' : 'container.stop',
    }),
    'repeated as it was': (n) => before[n] as Hash,
    'signed by a stranger, by an api in the wrong hands': async (n) =>
      sealAs(sealer, some(n), await byStranger()),
    'allowed something else': async (n) =>
      sealAs(
        sealer,
        some(n),
        await fleet.mint(n % 2 ? { a: ['*.read', 'container.start'] } : { r: 'other-*' }),
      ),
    'for another host': async (n) =>
      n % 2
        ? sealAs(sealer, some(n), await fleet.mint(), 'h2')
        : sealAs(sealer, some(n), await fleet.mint({ h: 'h2' })),
    'over, for another body, or to wait until yesterday': async (n) => {
      const claims = [{ d: now() - 100 }, { b: 'A'.repeat(43) }, {}][n % 3];
      const waits: Hash = n % 3 === 2 ? { expiresAt: String(Date.now() - 86_400_000) } : {};
      return { ...(await sealAs(sealer, some(n), await fleet.mint(claims))), ...waits };
    },
  };
  expect(Object.keys(kinds)).toHaveLength(10);

  const state = await hostState(fleet.base);
  const [starts, active] = [await startsOf('target'), await activeState('target')];
  expect(active).toBe('active');
  const forged: Hash[] = [];
  for (const make of Object.values(kinds)) for (let n = 0; n < ofEach; n++) forged.push(await make(n));
  const ids = new Set(forged.map(({ id }) => id));
  expect(ids.size).toBe(1_000);
  const heard = outputOf(fleet.processes.worker).length;
  await write(forged);
  await until('all are refused', async () => (await fleet.redis.redis.zcard(keys.open('h1'))) === 0, 120_000);

  expect(await hostState(fleet.base)).toBe(state);
  expect([await startsOf('target'), await activeState('target')]).toEqual([starts, active]);
  const refused = () =>
    new Set(
      outputOf(fleet.processes.worker)
        .slice(heard)
        .split('\n')
        .filter((line) => line.includes('"audit":true') && line.includes('"msg":"refused"'))
        .map((line) => JSON.parse(line).job),
    );
  await until('the audit log has all of them', () => refused().size >= 1_000);
  expect(refused()).toEqual(ids);
  expect(outputOf(fleet.processes.worker).slice(heard)).not.toContain('job begins');
});

test('what comes after them is done as if nothing had been', async () => {
  const client = await fleet.as({});
  const stopped = await client.change('PUT', 'container/stopped', { r: 'target' });
  expect(stopped.body.state).toBe('succeeded');
  expect(await activeState('target')).toBe('inactive');
});

test('a question that was forged, altered or repeated too late is not answered', async () => {
  const { keyring } = await readKeyring(fleet.directories.worker);
  const sealer = createSealer(() => keyring, false);
  const request: OriginalRequest = { method: 'GET', path: '/container', query: 'r=target', body: '' };
  const ask = async (sealed: string) => {
    const [id, api] = [crypto.randomUUID(), crypto.randomUUID()];
    const subscriber = fleet.redis.redis.duplicate();
    const answer = new Promise<string>((resolve) =>
      subscriber.on('message', (_channel, text: string) => resolve(text)),
    );
    await subscriber.subscribe(`geard:{h1}:replies:${api}`);
    const question = { id, api, question: 'container.read', sealed, args: {}, until: Date.now() + 10_000 };
    await fleet.redis.redis.lpush(keys.asks('h1'), JSON.stringify(question));
    const text = await answer;
    subscriber.disconnect();
    return text;
  };
  const token = await fleet.mint({ a: ['container.read'] });
  const of = (until: number, host = 'h1') =>
    sealer.seal({ token, request, until }, token, { use: 'answer', host });
  const valid = of(Date.now() + 10_000);
  const { answer } = JSON.parse(await ask(valid)) as { answer: string };
  expect(openAnswer(sealer, answer, 'h1', valid)).toMatchObject({ resource: 'target' });
  for (const sealed of [
    '',
    'x',
    of(Date.now() - 1),
    of(Date.now() + 10_000, 'h2'),
    of(Date.now() + 10_000).slice(0, -4),
  ]) {
    const answer = await ask(sealed);
    expect(answer).toContain('token_invalid');
    expect(answer).not.toContain('target');
  }
});
