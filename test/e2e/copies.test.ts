import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { keys } from '../../src/queue/redis/keys.ts';
import type { OriginalRequest } from '../../src/requests/original.ts';
import { readKeyring } from '../../src/token/key-files.ts';
import { createSealer } from '../../src/token/seal.ts';
import { type Client, newId } from '../support/client.ts';
import { curl } from '../support/curl.ts';
import { type KeyedFleet, openKeyedFleet } from '../support/keyed-fleet.ts';
import { behindStreams } from '../support/leftovers.ts';
import { outputOf } from '../support/processes.ts';
import { fillRepository } from '../support/repository.ts';
import { ok, run } from '../support/run.ts';
import { until } from '../support/until.ts';

/** Megabytes of a repository that takes a while to be copied. */
const large = 160;
const MiB = 1024 * 1024;

let fleet: KeyedFleet;
let direct: KeyedFleet;
let bases: { h1: string; h2: string };
let other: string;
let client: Client;

const git = (base: string, r: string, ...args: string[]) =>
  ok('git', '--git-dir', `${base}/git/${r}`, ...args);

/** A repository on h1 with several branches and tags, one of which is not HEAD at the same commit. */
async function source(one: KeyedFleet, base: string, r: string, megabytes: number): Promise<void> {
  const made = await (await one.as()).change('PUT', 'repository', { r, h: 'h1' });
  expect(made.body.state).toBe('succeeded');
  await fillRepository(`${base}/git/${r}`, megabytes);
  await git(base, r, 'branch', 'aside', 'main');
  await git(base, r, 'branch', 'trunk', 'main');
  await git(base, r, 'symbolic-ref', 'HEAD', 'refs/heads/trunk');
  await git(base, r, 'update-ref', 'refs/notes/x', 'main');
}

beforeAll(async () => {
  [fleet, direct] = await Promise.all([openKeyedFleet('relay'), openKeyedFleet('direct')]);
  const added = await Promise.all([fleet.addHost(), direct.addHost()]);
  bases = { h1: fleet.base, h2: added[0].base };
  other = added[1].base;
  client = await fleet.as();
  await source(fleet, bases.h1, 'site', 2);
  await source(fleet, bases.h1, 'large', large);
  await source(direct, direct.base, 'direct', 2);
});
afterAll(async () => {
  await fleet.close();
  await direct.close();
});

const copy = (r: string, from: string, more: Record<string, string> = {}) =>
  client.change('PUT', 'repository', { r, t: `gear://${from}`, h: 'h2', ...more });
const refs = (base: string, r: string) => git(base, r, 'for-each-ref', '--format=%(refname) %(objectname)');
const archiveOf = async ({ url }: Client, r: string, ref: string) => {
  const { code, body } = await curl('-f', `${url}/content/${ref}?t=gitarchive&r=${r}`).done;
  expect(code).toBe(0);
  return body;
};

/** How much of a copy has come to h2; 0 where it has not begun. */
const hasCome = (r: string) => {
  const draft = readdirSync(`${bases.h2}/git`).find((name) => name.startsWith(`.${r}.`));
  const bundle = `${bases.h2}/git/${draft}/bundle`;
  return draft && existsSync(bundle) ? statSync(bundle).size : 0;
};
const drafts = (base = bases.h2) => readdirSync(`${base}/git`).filter((name) => name.startsWith('.'));
const jobOf = async (i: string, by = client) =>
  (await by.send<{ state: string; attempts: number; error: { code: string } | null }>('GET', `job/${i}`))
    .body;
const nothingIsLeft = () =>
  until('nothing is left of it', async () => {
    const frames = await fleet.redis.redis.keys('*frames*');
    return behindStreams().length === 0 && frames.length === 0 && drafts().length === 0;
  });

/** Has a copy of the large repository begin, and resolves while it is on its way. */
async function onItsWay(r: string): Promise<string> {
  const i = newId();
  const { status } = await client.send('PUT', 'repository', { u: '0', i, r, t: 'gear://large', h: 'h2' });
  expect(status).toBe(202);
  await until('it is on its way', () => hasCome(r) > 0);
  fleet.processes.worker.kill('SIGSTOP');
  expect(hasCome(r)).toBeLessThan(large * MiB);
  return i;
}

async function isWhole(i: string, r: string): Promise<void> {
  const job = await until(
    'the copy is over',
    async () => {
      const now = await jobOf(i);
      return now.state === 'queued' || now.state === 'running' ? null : now;
    },
    90_000,
  );
  expect(job).toMatchObject({ state: 'succeeded', error: null });
  expect(job.attempts).toBeGreaterThan(1);
  expect(await refs(bases.h2, r)).toBe(await refs(bases.h1, 'large'));
  await nothingIsLeft();
}

test.each([
  'relay',
  'direct',
])('a copy on another host has all that its source has (%s)', async (transport) => {
  const [one, from, h1, h2] =
    transport === 'relay' ? [fleet, 'site', bases.h1, bases.h2] : [direct, 'direct', direct.base, other];
  const all = await one.as({ r: `${from}*`, a: ['repository.create', 'content.read'] });
  const r = `${from}-copy`;
  const { body } = await all.change('PUT', 'repository', { r, t: `gear://${from}`, h: 'h2' });
  const path = `${h2}/git/${r}`;
  expect(body).toMatchObject({ state: 'succeeded', host: 'h2', result: { unit: `job-${r}.service`, path } });
  expect(await refs(h2, r)).toBe(await refs(h1, from));
  expect(await git(h2, r, 'symbolic-ref', 'HEAD')).toBe('refs/heads/trunk');
  expect(await git(h2, r, 'fsck', '--strict')).toBe('');
  expect(readdirSync(path).sort()).not.toContain('bundle');
  for (const ref of ['', 'main', 'side', 'feature/deep', 'v1'])
    expect((await archiveOf(all, r, ref)).equals(await archiveOf(all, from, ref))).toBe(true);
  const { body: log } = await all.send<string>('GET', `job/${body.id}/log`);
  expect(log).toMatch(/copy: \d+\.\d MiB of/);
  await nothingIsLeft();
});

/** Begins a copy from a host which is gone, once: it waits for that while the tests below run. */
let lost: Promise<string> | undefined;
async function lose(): Promise<string> {
  await direct.stop('worker');
  const i = newId();
  const query = { u: '0', i, r: 'lost', t: 'gear://direct', h: 'h2' };
  expect((await (await direct.as()).send('PUT', 'repository', query)).status).toBe(202);
  return i;
}

test('a copy from a host that is gone is accepted', async () => {
  lost ??= lose();
  await lost;
});

test('a copy on the host of its source goes the same way', async () => {
  const { body } = await copy('beside', 'site', { h: 'h1' });
  expect(body).toMatchObject({ state: 'succeeded', host: 'h1' });
  expect(await refs(bases.h1, 'beside')).toBe(await refs(bases.h1, 'site'));
});

test('a copy of an empty repository is empty, and its HEAD names the same branch', async () => {
  await client.change('PUT', 'repository', { r: 'nothing', h: 'h1' });
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a name that systemd would like to read.
  await git(bases.h1, 'nothing', 'symbolic-ref', 'HEAD', 'refs/heads/${HOME}/%n');
  const { body } = await copy('nothing-copy', 'nothing');
  expect(body).toMatchObject({ state: 'succeeded', result: { head: null } });
  // biome-ignore lint/suspicious/noTemplateCurlyInString: as above.
  expect(await git(bases.h2, 'nothing-copy', 'symbolic-ref', 'HEAD')).toBe('refs/heads/${HOME}/%n');
});

test('a HEAD that names a branch which is not there stays so', async () => {
  await client.change('PUT', 'repository', { r: 'unborn', h: 'h1', t: 'gear://site' });
  await git(bases.h1, 'unborn', 'symbolic-ref', 'HEAD', 'refs/heads/to/come');
  const { body } = await copy('unborn-copy', 'unborn');
  expect(body).toMatchObject({ state: 'succeeded', result: { head: null } });
  expect(await git(bases.h2, 'unborn-copy', 'symbolic-ref', 'HEAD')).toBe('refs/heads/to/come');
  expect(await refs(bases.h2, 'unborn-copy')).toBe(await refs(bases.h1, 'site'));
});

test('what is not there, or is there already, is told', async () => {
  expect((await copy('x', 'absent')).body).toMatchObject({ code: 'repository_not_found', status: 404 });
  expect((await copy('itself', 'itself')).body).toMatchObject({ code: 'repository_not_found' });
  expect((await copy('site-copy', 'site')).body).toMatchObject({ code: 'repository_exists' });
  expect((await copy('x', '..')).body).toMatchObject({ code: 'invalid_request' });
  expect(drafts()).toEqual([]);
});

test('a token that does not allow to read the source makes no copy of it', async () => {
  const query = { r: 'stolen', t: 'gear://site', h: 'h2' };
  for (const claims of [
    { a: ['repository.create'] },
    { r: 'stolen' },
    { r: 'sto*' },
    { t: 'gear://other' },
  ]) {
    const answer = await (await fleet.as(claims)).change('PUT', 'repository', query);
    expect(answer).toMatchObject({ status: 403, body: { code: 'token_forbids' } });
  }
  expect(existsSync(`${bases.h2}/git/stolen`)).toBe(false);
});

test('a token that fixes the source needs nothing else to read it', async () => {
  const claims = { a: ['repository.create'], r: 'given', t: 'gear://site', h: 'h2' };
  const { body } = await (await fleet.as(claims)).change('PUT', 'repository', {});
  expect(body).toMatchObject({ state: 'succeeded', host: 'h2' });
});

test('a token for one host reads on no other, and the worker there says so in its audit log', async () => {
  const { body } = await (await fleet.as({ h: 'h2' })).change('PUT', 'repository', {
    r: 'stolen',
    t: 'gear://site',
  });
  expect(body).toMatchObject({ status: 403, code: 'token_forbids', host: 'h2' });
  await until('the audit log has it', () =>
    outputOf(fleet.processes.worker)
      .split('\n')
      .some((line) => line.includes('"audit":true') && line.includes('the request is for another host')),
  );
  expect(existsSync(`${bases.h2}/git/stolen`)).toBe(false);
});

test('an api in the wrong hands reads nothing at a source that no issuer has allowed', async () => {
  const { keyring } = await readKeyring(fleet.directories.api);
  const sealer = createSealer(() => keyring, false);
  const request: OriginalRequest = {
    ...{ method: 'PUT', path: '/repository', body: '' },
    query: 'u=0&i=2a&r=stolen&t=gear%3A%2F%2Fsite&h=h2',
  };
  const ask = async (claims: object, until: number | null, asked = request, host = 'h1') => {
    const token = await fleet.mint(claims);
    const sealed = sealer.seal({ token, request: asked, until }, token, { use: 'copy', host });
    const [id, api] = [crypto.randomUUID(), crypto.randomUUID()];
    const subscriber = fleet.redis.redis.duplicate();
    const answer = new Promise<string>((resolve) =>
      subscriber.on('message', (_channel, text: string) => resolve(text)),
    );
    await subscriber.subscribe(`geard:{h1}:replies:${api}`);
    const args = { id: crypto.randomUUID(), how: { resource: 'large' } };
    const question = { id, api, question: 'stream.open', sealed, args, until: Date.now() + 10_000 };
    await fleet.redis.redis.lpush(keys.asks('h1'), JSON.stringify(question));
    const text = await answer;
    subscriber.disconnect();
    return text;
  };
  const heard = outputOf(fleet.processes.worker).length;
  const soon = Date.now() + 20_000;
  const forged: [string, Promise<string>][] = [
    ['token_forbids', ask({ a: ['repository.create'] }, soon)],
    ['token_forbids', ask({ r: 'stolen' }, soon)],
    ['token_forbids', ask({ a: ['*.read'] }, soon)],
    ['token_forbids', ask({ h: 'h2' }, soon)],
    ['token_forbids', ask({}, soon, { ...request, query: 'u=0&i=2a&r=stolen' })],
    ['token_invalid', ask({}, null)],
    ['token_invalid', ask({}, Date.now() - 1)],
    ['token_invalid', ask({}, soon, request, 'h2')],
    ['expired', ask({ d: Math.floor(Date.now() / 1000) - 100 }, soon)],
  ];
  for (const [code, answer] of forged) expect(await answer).toContain(`"code":"${code}"`);
  await until('the audit log has all of them', () => {
    const lines = outputOf(fleet.processes.worker).slice(heard).split('\n');
    return lines.filter((line) => line.includes('"msg":"refused"')).length >= forged.length;
  });
});

test('a job that nobody has recorded is brought nothing', async () => {
  const heard = outputOf(fleet.processes.worker).length;
  const frames = crypto.randomUUID();
  const key = keys.frames('h2', frames);
  await fleet.redis.redis.xadd(key, '0-1', 'o', '');
  const fetch = { job: randomBytes(16).toString('hex'), frames };
  await fleet.redis.redis.publish('geard:{h2}:fetch', JSON.stringify(fetch));
  const said = await until('it is told why', async () => {
    const [last] = await fleet.redis.redis.xrevrange(key, '+', '-', 'COUNT', 1);
    return last?.[1].includes('x') ? last[1].join(' ') : null;
  });
  expect(said).toContain('token_invalid');
  await fleet.redis.redis.del(key);
  expect(outputOf(fleet.processes.worker).slice(heard)).not.toContain('stream.open');
});

test('what somebody who writes Redis sends in place of a copy is not taken for one', async () => {
  const { redis } = fleet.redis;
  const file = '/tmp/geard-forged.bundle';
  await git(bases.h1, 'site', 'bundle', 'create', '--quiet', file, '--all');
  const forged = Buffer.concat([Buffer.from('{"branch":"main","empty":false}\n'), await readFile(file)]);
  await rm(file);
  await fleet.stop('other');
  const i = newId();
  await client.send('PUT', 'repository', { u: '0', i, r: 'forged', t: 'gear://site', h: 'h2' });
  await fleet.kill('api');
  const subscriber = redis.duplicate();
  const sent = new Promise<void>((resolve, reject) => {
    subscriber.on('message', (_channel, text: string) => {
      const key = keys.frames('h2', JSON.parse(text).frames);
      redis
        .multi()
        .xadd(key, 'NOMKSTREAM', '*', 'n', '0', 'd', forged)
        .xadd(key, 'NOMKSTREAM', '*', 'n', '1', 'e', '')
        .exec()
        .then(() => resolve(), reject);
    });
  });
  await subscriber.subscribe('geard:{h2}:fetch');
  await fleet.start('other');
  await sent;
  subscriber.disconnect();
  await fleet.start('api');
  const job = await until('it is over', async () => {
    const now = await jobOf(i);
    return now.state === 'failed' ? now : null;
  });
  expect(job.error).toMatchObject({ code: 'clone_failed' });
  expect(existsSync(`${bases.h2}/git/forged`)).toBe(false);
  expect(drafts()).toEqual([]);
});

test('a worker that is killed while a copy comes to it has the next one begin again', async () => {
  const i = await onItsWay('killed');
  await fleet.kill('other');
  fleet.processes.worker.kill('SIGCONT');
  await until('nobody sends any more', () => behindStreams().length === 0, 15_000); // docs/streams.md
  await fleet.start('other');
  await isWhole(i, 'killed');
});

test('a worker that is killed while git makes the copy has the next one go on', async () => {
  const i = newId();
  await client.send('PUT', 'repository', { u: '0', i, r: 'half', t: 'gear://large', h: 'h2' });
  await until('git is at work', async () => {
    const { stdout } = await run('systemctl', 'is-active', 'job-half');
    return stdout.trim() === 'activating';
  });
  await fleet.kill('other');
  await fleet.start('other');
  await isWhole(i, 'half');
});

test('an api that is killed while it passes a copy on has the next one pass it on', async () => {
  const i = await onItsWay('passed');
  await fleet.kill('api');
  fleet.processes.worker.kill('SIGCONT');
  await fleet.start('api');
  await isWhole(i, 'passed');
});

test('a copy that is cancelled leaves nothing on either host', async () => {
  const i = await onItsWay('unwanted');
  const { status } = await client.send('DELETE', `job/${i}`);
  expect([200, 202]).toContain(status);
  fleet.processes.worker.kill('SIGCONT');
  await until('it is over', async () => (await jobOf(i)).state === 'cancelled');
  await nothingIsLeft();
  expect(existsSync(`${bases.h2}/git/unwanted`)).toBe(false);
});

test('a source whose host is gone is waited for, and then told', async () => {
  const by = await direct.as();
  lost ??= lose();
  const i = await lost;
  const job = await until(
    'it is over',
    async () => {
      const now = await jobOf(i, by);
      return now.state === 'failed' ? now : null;
    },
    120_000,
  );
  expect(job.error).toMatchObject({ code: 'host_unavailable' });
  expect(job.attempts).toBeGreaterThan(2);
  expect(drafts(other)).toEqual([]);
  await direct.start('worker');
  const again = await by.change('PUT', 'repository', { r: 'lost', t: 'gear://direct', h: 'h2' });
  expect(again.body.state).toBe('succeeded');
});
