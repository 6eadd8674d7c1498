import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Job } from '../../src/jobs/job.ts';
import type { Gear } from '../../src/jobs/types/container-reads.ts';
import { keyNames, makeKeys, readMinterKey } from '../../src/token/key-files.ts';
import { mintToken } from '../../src/token/mint.ts';
import { ask, askForStream, whole } from '../support/ask.ts';
import { type Answer, createClient, newId } from '../support/client.ts';
import { containersOf, sampleImage, startsOf } from '../support/daemon.ts';
import { assertDocumented } from '../support/documented.ts';
import { type KeyedFleet, openKeyedFleet } from '../support/keyed-fleet.ts';
import { outputOf } from '../support/processes.ts';
import { hour, makeIssuer, now } from '../support/tokens.ts';
import { until } from '../support/until.ts';

let fleet: KeyedFleet;
beforeAll(async () => {
  await sampleImage();
  fleet = await openKeyedFleet('relay', [], { issuers: 4 });
});
afterAll(() => fleet.close());

const wait = { headers: { Prefer: 'wait=30' } };
const stateOf = ({ body }: Answer) => (body as Job).state;

test('a URL that works once: sent twice it has one effect, with another body or name it is refused', async () => {
  const body = JSON.stringify({ ports: [{ internal: 8080 }] });
  const claims = { a: ['container.install'], u: '0', i: newId(), r: 'one-time', t: 'geard/sample' };
  const once = await fleet.as({ ...claims, b: hash('sha256', body, 'base64url') });
  const before = await startsOf('one-time');
  const first = await once.send('PUT', 'container', {}, { raw: body, ...wait });
  expect([first.status, stateOf(first)]).toEqual([200, 'succeeded']);
  const again = await once.send('PUT', 'container', {}, { raw: body, ...wait });
  expect(again.body).toEqual(first.body);
  expect(again.headers.get('Idempotent-Replayed')).toBe('true');
  expect(await startsOf('one-time')).toBe(before + 1);
  expect(await containersOf('one-time')).toEqual(['gear-one-time']);

  const other = await once.send('PUT', 'container', {}, { raw: `${body} ` });
  expect([other.status, other.body.code]).toEqual([403, 'token_forbids']);
  const elsewhere = await once.send('PUT', 'container', { r: 'another' }, { raw: body });
  expect([elsewhere.status, elsewhere.body.code]).toEqual([403, 'token_forbids']);
  const unbound = await fleet.as(claims);
  const reused = await unbound.send('PUT', 'container', {}, { body: { ports: [{ internal: 8081 }] } });
  expect([reused.status, reused.body.code]).toEqual([422, 'request_id_reused']);
});

test('after its expiry a token is refused, also for what it has done before', async () => {
  const claims = {
    a: ['container.install'],
    u: '0',
    i: newId(),
    r: 'one-time',
    t: 'geard/sample',
    d: now() - 56,
  };
  const once = await fleet.as(claims);
  const first = await once.send('PUT', 'container', {}, wait);
  expect(first.status).toBe(200);
  await until('the time is over', async () => (await once.send('PUT', 'container')).status === 401, 10_000);
});

test('who may install may watch the job, and sees and does nothing else', async () => {
  const installer = await fleet.as({ a: ['container.install'], r: 'team-*', u: '0' });
  const installed = await installer.change('PUT', 'container', { r: 'team-a', t: 'geard/sample' });
  expect(stateOf(installed)).toBe('succeeded');
  const { id } = installed.body;
  expect((await installer.send('GET', `job/${id}`)).status).toBe(200);
  expect((await installer.send('GET', `job/${id}/log`)).status).toBe(200);
  expect((await installer.send('GET', 'container', { r: 'team-a' })).status).toBe(403);
  expect((await installer.send('GET', 'hosts')).status).toBe(403);
  expect((await installer.change('PUT', 'container/stopped', { r: 'team-a' })).status).toBe(403);
  expect((await installer.change('PUT', 'container', { r: 'web', t: 'geard/sample' })).status).toBe(403);
  const other = await fleet.as({ a: ['container.install'], r: 'other-*' });
  expect((await other.send('GET', `job/${id}`)).status).toBe(404);
  const { body } = await other.send<{ jobs: Job[] }>('GET', 'jobs');
  expect(body.jobs).toEqual([]);
});

test("the worker's log says who has asked for a job, by which token", async () => {
  const token = await fleet.mint({ u: 'alice' });
  const alice = createClient(`${fleet.api}/token/${token}`);
  const { body } = await alice.change('PUT', 'container/restarted', { r: 'one-time', u: 'alice' });
  const lines = outputOf(fleet.processes.worker)
    .split('\n')
    .filter((line) => line.includes(body.id));
  const label = `token:${hash('sha256', token, 'hex').slice(0, 12)}`;
  const begins = lines.map((line) => JSON.parse(line)).find(({ msg }) => msg === 'job begins');
  expect(begins).toMatchObject({ user: 'alice', token: label });
});

test('a list has only what the token is about', async () => {
  const all = await fleet.as({ a: ['*.*'] });
  await all.change('PUT', 'container', { r: 'list-a', t: 'geard/sample' });
  const reader = await fleet.as({ a: ['*.read'], r: 'list-*' });
  const { body } = await reader.send<{ containers: { resource: string }[] }>('GET', 'containers');
  expect(JSON.stringify(body)).toContain('list-a');
  expect(JSON.stringify(body)).not.toContain('one-time');
});

test('whatever is wrong with a token, the answer is the same and takes the same time', async () => {
  const stranger = await makeIssuer(fleet.issuers[0]);
  const daemon = await readMinterKey(fleet.keys, 'daemon');
  const valid = await fleet.mint();
  const wrong: Record<string, string> = {
    'not a token': 'x',
    'of the right length': valid.replace(/[A-Za-z0-9]/g, 'A'),
    'over since yesterday': await fleet.mint({ d: now() - 86_400 }),
    'valid for a year': await fleet.mint({ d: now() + 8_760 * hour }),
    'for another fleet': await fleet.mint({ aud: 'other' }),
    'by nobody we know': await mintToken(
      { aud: 'geard', d: now() + 900 },
      { kid: stranger.kid, key: stranger.private },
      daemon,
    ),
    altered: `${valid.slice(0, -1)}${valid.endsWith('A') ? 'Q' : 'A'}`,
    'for trying out': '__test__',
  };
  const answers = new Map<string, string>();
  const times = new Map<string, number[]>();
  for (let round = 0; round < 31; round++) {
    for (const [why, token] of Object.entries(wrong)) {
      const began = performance.now();
      const answer = await whole(await fetch(`${fleet.api}/token/${token}/container?r=one-time`));
      times.set(why, [...(times.get(why) ?? []), performance.now() - began]);
      assertDocumented('GET', '/container', answer); // Which takes a time of its own.
      const { date: _date, ...headers } = Object.fromEntries(answer.headers);
      answers.set(why, JSON.stringify([answer.status, headers, String(answer.body)]));
    }
  }
  const [one, ...others] = new Set(answers.values());
  expect(others).toEqual([]);
  expect(one).toContain('"referrer-policy":"no-referrer"');
  expect(one).toContain('"cache-control":"no-store"');
  expect(JSON.parse(one ?? '')[0]).toBe(401);
  // The shortest of each kind: a busy machine makes some of them longer, and none shorter.
  const shortest = [...times.values()].map((all) => Math.min(...all));
  expect(Math.max(...shortest) / Math.min(...shortest)).toBeLessThan(1.5);
  // None is answered before the time of all refusals, 5 ms, of which a timer may cut a little off.
  expect(Math.min(...shortest)).toBeGreaterThan(4.75);
});

test('1,000 altered tokens over HTTP: every one is 401, none is an error of ours', async () => {
  const valid = await fleet.mint();
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.%';
  const any = (most: number) => Math.floor(Math.random() * most);
  const altered = () => {
    const at = any(valid.length);
    const replaced = valid.slice(0, at) + letters[any(letters.length)] + valid.slice(at + 1);
    return [replaced, valid.slice(0, at), valid.slice(at + 1), valid + valid.slice(at)][any(4)] ?? '';
  };
  const statuses = new Map<number, number>();
  for (let round = 0; round < 50; round++) {
    const tokens = Array.from({ length: 20 }, altered).map((token) =>
      token === valid ? `${token}A` : token,
    );
    const answers = await Promise.all(tokens.map((token) => ask(`${fleet.api}/token/${token}/jobs`)));
    for (const { status } of answers) statuses.set(status, (statuses.get(status) ?? 0) + 1);
  }
  expect([...statuses]).toEqual([[401, 1_000]]);
});

test('keys are added, retired and revoked without a restart, on the api and on the worker', async () => {
  const [first = ''] = fleet.issuers;
  const [second] = await makeKeys(fleet.keys, ['issuer']);
  const id = second?.kid ?? '';
  const start = async (issuer: string) =>
    (await fleet.as({}, issuer)).change('PUT', 'container/restarted', { r: 'one-time' });
  expect((await start(id)).status).toBe(401);
  await fleet.handOut();
  const added = await until(
    'the new issuer counts everywhere',
    async () => {
      const answer = await start(id);
      return stateOf(answer) === 'succeeded' && answer;
    },
    60_000,
  );
  expect(stateOf(added)).toBe('succeeded');
  expect(stateOf(await start(first))).toBe('succeeded');
  await fleet.revoke('issuer', first);
  await until('the old issuer is refused', async () => (await start(first)).status === 401, 60_000);
  expect(stateOf(await start(id))).toBe('succeeded');
});

/** The issuers that tests below are to revoke; api and worker began with them. */
const passing = () => fleet.issuers.slice(1);
let revocations = 0;

/** One that no other test revokes, and a client with a token of it. */
async function passingIssuer() {
  const revoked = passing()[revocations++] ?? '';
  return { revoked, client: await fleet.as({}, revoked) };
}

/** The issuer that api and worker know and no test below revokes. */
async function lastingIssuer(): Promise<string> {
  const names = await keyNames(fleet.directories.api);
  const known = names.flatMap(([, kid, role]) => (role === 'issuer' ? kid : []));
  return known.find((kid) => !passing().includes(kid)) ?? '';
}

test("a revoked issuer's queued jobs do not run", async () => {
  const { revoked, client } = await passingIssuer();
  const before = await startsOf('one-time');
  await fleet.stop('worker');
  const { body } = await client.send('PUT', 'container/restarted', { u: '0', i: newId(), r: 'one-time' });
  expect(body.state).toBe('queued');
  await fleet.revoke('issuer', revoked);
  await fleet.start('worker');
  const watcher = await fleet.as({}, await lastingIssuer());
  const job = await until('the job has ended', async () => {
    const { body: now } = await watcher.send('GET', `job/${body.id}`, { wait: '10' });
    return now.finishedAt ? now : false;
  });
  expect(job).toMatchObject({ state: 'failed', error: { code: 'token_invalid', host: 'h1' } });
  expect(await startsOf('one-time')).toBe(before);
  const audited = new RegExp(`"audit":true[^\\n]*${body.id}[^\\n]*refused`);
  await until('the refusal is in the audit log', () => audited.test(outputOf(fleet.processes.worker)));
});

test('an installation that its worker began is undone when its issuer is revoked before it resumes', async () => {
  const { revoked, client } = await passingIssuer();
  const installed = await client.change('PUT', 'container', { r: 'undone', t: 'geard/sample' });
  expect(stateOf(installed)).toBe('succeeded');
  const watcher = await fleet.as({}, await lastingIssuer());
  const gear = async (r: string) => (await watcher.send<Gear>('GET', 'container', { r })).body;
  const before = await gear('undone');

  const body = { ports: [{ internal: 8080 }], command: ['/bin/sleep', '1000'], startSeconds: 600 };
  const begin = async (r: string) => {
    const sent = await client.send(
      'PUT',
      'container',
      { u: '0', i: newId(), r, t: 'geard/sample' },
      { body },
    );
    const job = async () => (await watcher.send('GET', `job/${sent.body.id}`)).body;
    await until(`${r} does not listen`, async () => (await job()).progress?.step === 'ready');
    return async () => until('the job has ended', async () => ((await job()).finishedAt ? job() : false));
  };
  const ends = [await begin('undone'), await begin('unmade')];
  await fleet.kill('worker');
  await fleet.revoke('issuer', revoked);
  await fleet.start('worker');
  const [update, first] = await Promise.all(ends.map((ended) => ended()));
  expect(update).toMatchObject({ state: 'failed', error: { code: 'token_invalid' } });
  expect(update?.error?.detail).toContain('the earlier unit is back and runs');
  expect(await gear('undone')).toMatchObject({ unitText: before.unitText, systemd: { active: 'active' } });
  expect(first).toMatchObject({ state: 'failed', error: { code: 'token_invalid' } });
  expect((await watcher.send('GET', 'container', { r: 'unmade' })).status).toBe(404);
  expect(await containersOf('unmade')).toEqual([]);
});

/** Resolves with what a stream had sent when its connection was broken; rejects where it came to its end. */
async function untilBroken(response: Response): Promise<string> {
  let text = '';
  const read = async () => {
    for await (const chunk of response.body ?? []) text += Buffer.from(chunk).toString();
  };
  await expect(read(), 'the stream ends').rejects.toThrow();
  return text;
}

test('a stream that is open when its token comes to its end, or its issuer is revoked, is broken (security L5)', async () => {
  const { revoked, client: follower } = await passingIssuer();
  const follow = ({ url }: { url: string }) =>
    askForStream(`${url}/container/log?r=one-time&lines=0&for=3600`);
  const byRevoked = await follow(follower);
  expect(byRevoked.status).toBe(200);
  // For a minute after it: clocks differ.
  const byShort = await follow(await fleet.as({ d: now() - 50 }, await lastingIssuer()));
  expect(byShort.status).toBe(200);
  await fleet.revoke('issuer', revoked);
  await Promise.all([untilBroken(byShort), untilBroken(byRevoked)]);
});

test('a job whose token was over before a host took it fails as expired and has no effect', async () => {
  const issuer = await lastingIssuer();
  await fleet.stop('worker');
  const late = await fleet.as({ d: now() - 55 }, issuer);
  const { body } = await late.send('PUT', 'container/stopped', { u: '0', i: newId(), r: 'one-time' });
  expect(body.state).toBe('queued');
  await until('the time is over', async () => (await late.send('GET', 'jobs')).status === 401);
  await fleet.start('worker');
  const reader = await fleet.as({}, issuer);
  const job = await until('the job has ended', async () => {
    const { body: now } = await reader.send('GET', `job/${body.id}`, { wait: '10' });
    return now.finishedAt ? now : false;
  });
  expect(job).toMatchObject({ state: 'failed', error: { code: 'expired', status: 500 } });
});

test('core files are turned off for api and worker and what they start', () => {
  for (const { pid } of Object.values(fleet.processes)) {
    expect(readFileSync(`/proc/${pid}/limits`, 'utf8')).toMatch(/^Max core file size +0 +0 /m);
  }
});

test('a token in the Authorization header does what it does in the URL, and Location then holds none', async () => {
  const token = await fleet.mint({}, await lastingIssuer());
  const response = await ask(`${fleet.api}/container/restarted?u=0&r=one-time&i=${newId()}`, {
    method: 'PUT',
    headers: { Authorization: `Bearer ${token}` },
  });
  expect(response.status).toBe(202);
  expect(response.headers.get('Location')).toMatch(/^\/job\/[0-9a-f]{32}$/);
});

test('a fleet with keys does not take the test token', async () => {
  const client = createClient(`${fleet.api}/token/__test__`);
  expect((await client.send('GET', 'jobs')).status).toBe(401);
});
