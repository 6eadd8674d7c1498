import pino from 'pino';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { actions } from '../../src/jobs/actions.ts';
import { Failure, type Problem } from '../../src/jobs/errors.ts';
import { userLimits } from '../support/limits.ts';
import { openQueueApi, openTestApi, type QueueApi } from '../support/test-api.ts';
import { makeTrust } from '../support/tokens.ts';
import { until } from '../support/until.ts';

let opened: QueueApi;
let queue: QueueApi['queue'];
let api: QueueApi['api'];
beforeAll(async () => {
  opened = await openQueueApi();
  ({ queue, api } = opened);
});
afterAll(() => opened.close());

test.each([
  ['/token/__test__/jobs', 200],
  ['/readyz', 200],
  ['/nothing', 401],
  ['/token/__test__/nothing', 404],
  ['/token/__test__/job/1?wait=x', 400],
])('no browser takes the answer to %s for a page, wherever it comes from (security L10)', async (path, status) => {
  const answer = await fetch(`${api.url}${path}`);
  expect(answer.status).toBe(status);
  await answer.text();
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; frame-ancestors 'none'; sandbox",
    'referrer-policy': 'no-referrer',
    'cache-control': 'no-store',
  });
});

test('what the api refuses is in the audit log, with who has asked from where, and never the token (security L12)', async () => {
  const trust = await makeTrust();
  const said: string[] = [];
  const log = pino({ level: 'info' }, { write: (line: string) => void said.push(line) });
  const strict = await openTestApi(queue.queue, log, trust.verifier);
  onTestFinished(() => strict.close(0));
  const linesOf = async (path: string, headers: Record<string, string> = {}) => {
    said.length = 0;
    await (await fetch(`${strict.url}${path}`, { headers })).text();
    await until('the request is in the log', () => said.length > 0);
    return said.map((line) => JSON.parse(line));
  };
  const peer = '127.0.0.1';
  const label = expect.stringMatching(/^token:[0-9a-f]{12}$/);
  const token = await trust.mint({ a: ['job.read'], u: 'alice' });
  const headers = { Authorization: `Bearer ${token}` };

  const audit = { audit: true, level: 40, msg: 'refused', peer, reason: expect.any(String) };
  expect(await linesOf('/jobs')).toEqual([expect.objectContaining({ ...audit, status: 401 })]);
  expect(await linesOf('/token/stolen/jobs')).toEqual([
    expect.objectContaining({ ...audit, status: 401, token: label }),
  ]);
  const forbidden = { ...audit, status: 403, token: label, user: 'alice', type: 'container.list' };
  expect(await linesOf('/containers', headers)).toEqual([expect.objectContaining(forbidden)]);
  expect(await linesOf('/jobs?u=bob', headers)).toEqual([
    expect.objectContaining({ ...audit, status: 403, user: 'alice' }),
  ]);

  const [answered, ...more] = await linesOf('/jobs', headers);
  expect(answered).toMatchObject({ msg: 'request', status: 200, peer, user: 'alice', token: label });
  expect(answered).not.toHaveProperty('audit');
  expect(more).toEqual([]);
  const open = await trust.mint({ a: ['job.read'] });
  expect(await linesOf('/jobs?u=bob', { Authorization: `Bearer ${open}` })).toEqual([
    expect.objectContaining({ msg: 'request', user: 'bob' }),
  ]);
  await linesOf(`/token/${token}/containers`);
  expect(said.join()).not.toContain(token);
});

test("somebody else's job is as absent as none, also to who waits for it", async () => {
  await queue.hold('web');
  const ofBob = await queue.accepted('web');
  const none = 'f'.repeat(32);
  const answers = await Promise.all(
    [ofBob, none].map(async (id) => {
      const began = performance.now();
      const answer = await fetch(`${api.url}/token/__test__/job/${id}?u=alice&wait=20`);
      expect(performance.now() - began).toBeLessThan(5_000);
      return [answer.status, await answer.text()];
    }),
  );
  expect(answers[0]).toEqual(answers[1]);
  expect(answers[0]?.[0]).toBe(404);
});

test('a token for names learns the name and the state of a host, and nothing of what else is on it', async () => {
  const hostsOf = async (query: string) =>
    ((await (await fetch(`${api.url}/token/__test__/hosts?${query}`)).json()) as { hosts: object[] }).hosts;
  expect(await hostsOf('')).toEqual([expect.objectContaining({ gears: expect.any(Number) })]);
  expect(await hostsOf('r=team-a')).toEqual([{ name: 'h1', state: expect.any(String) }]);
});

test('a client that leaves again and again has no more questions at a host than one that stays (security M3)', async () => {
  await queue.hold('asked-for');
  let [asked, most] = [0, 0];
  let answer = () => {};
  const answered = new Promise<void>((resolve) => {
    answer = resolve;
  });
  const slow = {
    ...queue.queue,
    async ask() {
      most = Math.max(most, ++asked);
      await answered;
      asked--;
      throw new Failure('host_unavailable', 'it is a slow host');
    },
  };
  const limits = userLimits({ userRequests: 3 });
  const limited = await openTestApi(slow, pino({ level: 'silent' }), undefined, limits);
  onTestFinished(() => limited.close(0));
  const ask = (signal?: AbortSignal) =>
    fetch(`${limited.url}/token/__test__/container?u=0&r=asked-for`, { ...(signal && { signal }) });
  for (let n = 1; n <= 3; n++) {
    const leaving = new AbortController();
    const left = ask(leaving.signal).catch(() => 'left');
    await until('the host is asked', () => asked === n);
    leaving.abort();
    expect(await left).toBe('left');
  }
  expect(((await (await ask()).json()) as Problem).limit).toBe('userRequests');
  answer();
  await until('the places are free again', async () => (await ask()).status === 503);
  expect(most).toBe(3);
});

test('every valid token may ask what it allows, and until when', async () => {
  const trust = await makeTrust();
  const strict = await openTestApi(queue.queue, pino({ level: 'silent' }), trust.verifier);
  onTestFinished(() => strict.close(0));
  const askedWith = async (token: string, query = '') => {
    const answer = await fetch(`${strict.url}/whoami${query}`, {
      headers: { Authorization: `Bearer ${token}` },
    });
    return [answer.status, await answer.json()];
  };
  const d = Math.floor(Date.now() / 1000) + 600;
  const narrow = { d, u: 'alice', r: 'team-*', h: 'h1', a: ['container.start', 'job.*'] };
  expect(await askedWith(await trust.mint(narrow))).toEqual([
    200,
    {
      ...{ user: 'alice', resource: 'team-*', host: 'h1' },
      actions: ['container.start', 'job.read', 'job.log', 'job.cancel'],
      expires: new Date(d * 1000).toISOString(),
    },
  ]);
  expect(await askedWith(await trust.mint({ d }))).toEqual([
    200,
    { ...{ user: null, resource: null, host: null }, actions, expires: new Date(d * 1000).toISOString() },
  ]);
  expect(await askedWith(await trust.mint(narrow), '?u=bob')).toMatchObject([403, { code: 'token_forbids' }]);
  expect(await askedWith('stolen')).toMatchObject([401, { code: 'token_invalid' }]);
  const open = await fetch(`${api.url}/token/__test__/whoami`);
  expect(await open.json()).toMatchObject({ user: null, actions, expires: null });
});
