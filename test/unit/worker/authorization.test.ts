import pino from 'pino';
import { beforeEach, expect, test } from 'vitest';
import type { Change } from '../../../src/jobs/change.ts';
import type { JobRecord } from '../../../src/queue/worker-queue.ts';
import { authorize } from '../../../src/requests/authorize.ts';
import { type Envelope, openAnswer } from '../../../src/requests/envelope.ts';
import type { OriginalRequest } from '../../../src/requests/original.ts';
import { matchRoute } from '../../../src/requests/routes.ts';
import type { TokenClaims } from '../../../src/token/claims.ts';
import type { Keyring } from '../../../src/token/keyring.ts';
import { mintToken } from '../../../src/token/mint.ts';
import { createSealer, type Purpose } from '../../../src/token/seal.ts';
import { createVerifier, type Verifier } from '../../../src/token/verifier.ts';
import { type Authorizer, createAuthorizer } from '../../../src/worker/authorization.ts';
import { lifetimes, makeIssuer, makeTrust, now, ringOf, type Trust } from '../../support/tokens.ts';

let trust: Trust;
let ring: Keyring;
let verifier: Verifier;
let authorizer: Authorizer;
let audit: Record<string, unknown>[];

beforeEach(async () => {
  trust = await makeTrust();
  ring = trust.ring;
  audit = [];
  const log = pino({}, { write: (line: string) => void audit.push(JSON.parse(line)) });
  verifier = createVerifier({ keys: () => ring, fleet: 'geard', lifetimes, testToken: false });
  authorizer = createAuthorizer({ host: 'h1', sealer: sealer(), verifier, log });
});

const sealer = () => createSealer(() => ring, false);
const stop: OriginalRequest = {
  method: 'PUT',
  path: '/container/stopped',
  query: 'u=0&i=2a&r=web',
  body: '',
};
const never = async () => false;
const answer: Purpose = { use: 'answer', host: 'h1' };

/** A job as an api would record it; `forge` writes what it likes into it. */
async function record(
  {
    claims = {},
    request = stop,
    host = 'h1',
  }: { claims?: Partial<TokenClaims>; request?: OriginalRequest; host?: string } = {},
  forge: { job?: object; fingerprint?: string; sealed?: string; purpose?: Partial<Purpose> } = {},
): Promise<JobRecord> {
  const token = await trust.mint(claims);
  const content: Envelope = { token, request, until: null };
  const order = authorize({}, request, matchRoute(request), lifetimes);
  const { id, user, command, fingerprint } = order.wants as Change;
  const job = { id, host, user, type: command.type, resource: command.params.resource, ...forge.job };
  return {
    job: job as JobRecord['job'],
    version: 1,
    fingerprint: forge.fingerprint ?? fingerprint,
    sealed:
      forge.sealed ?? sealer().seal(content, token, { use: 'job', host, job: job.id, ...forge.purpose }),
    cancel: null,
    crashes: 1,
    waitsUntil: null,
    origin: {},
    takenAt: null,
  };
}

const codeOf = async (one: JobRecord, known = never) =>
  authorizer.job(one, known).then(
    () => 'passed',
    (error) => error.code,
  );

test('a job whose request an issuer allows passes, with the command that the request says', async () => {
  const one = await record({ claims: { r: 'web', a: ['container.stop'] } });
  const { command } = await authorizer.job(one, never);
  expect(command).toEqual({ type: 'container.stop', params: { resource: 'web' } });
  expect(audit).toEqual([]);
});

test('a job sees the names that its token allows, not only its own', async () => {
  const seen = async (r?: string) => {
    const { sees } = await authorizer.job(await record({ claims: r === undefined ? {} : { r } }), never);
    return ['web', 'web-2', 'db'].filter(sees);
  };
  expect(await seen('web')).toEqual(['web']);
  expect(await seen('web*')).toEqual(['web', 'web-2']);
  expect(await seen()).toEqual(['web', 'web-2', 'db']);
});

test.each<[string, Parameters<typeof record>[0], Parameters<typeof record>[1], string]>([
  ['is not sealed', {}, { sealed: '' }, 'token_invalid'],
  [
    'is sealed as if only the test token were taken',
    {},
    { sealed: `0.${Buffer.from('{}').toString('base64url')}` },
    'token_invalid',
  ],
  ['is of another type than its request', {}, { job: { type: 'container.remove' } }, 'token_forbids'],
  ['is on another gear than its request', {}, { job: { resource: 'db' } }, 'token_forbids'],
  ['is by another user than its request', {}, { job: { user: '1' } }, 'token_forbids'],
  ['is recorded under another id', {}, { job: { id: 'b'.repeat(32) } }, 'token_forbids'],
  ['is recorded for another host', {}, { job: { host: 'h2' } }, 'token_forbids'],
  ['has another fingerprint', {}, { fingerprint: 'x' }, 'token_forbids'],
  ['was sealed for another host', { host: 'h2' }, { job: { host: 'h1' } }, 'token_invalid'],
  ['was sealed to end it', {}, { purpose: { use: 'cancel' } }, 'token_invalid'],
  ['was sealed for a copy at its source (security M8)', {}, { purpose: { use: 'copy' } }, 'token_invalid'],
  ['was sealed for an answer now', {}, { purpose: { use: 'answer' } }, 'token_invalid'],
  ['was sealed for another id', {}, { purpose: { job: 'b'.repeat(32) } }, 'token_invalid'],
  ['has a token for another host', { claims: { h: 'h2' } }, {}, 'token_forbids'],
  ['has a token for another gear', { claims: { r: 'db' } }, {}, 'token_forbids'],
  ['has a token for another action', { claims: { a: ['*.read'] } }, {}, 'token_forbids'],
  ['has a token for another fleet', { claims: { aud: 'other' } }, {}, 'token_invalid'],
  ['has a token that was over when it was recorded', { claims: { d: now() - 70 } }, {}, 'expired'],
  ['has a token that is made only later', { claims: { iat: now() + 2 * 86_400 } }, {}, 'token_invalid'],
  ['has a token that lives too long', { claims: { d: now() + 30 * 3600 } }, {}, 'token_forbids'],
])('a job that %s is refused, and the audit log says so without the token', async (_, made, forge, code) => {
  const one = await record(made, forge);
  expect(await codeOf(one)).toBe(code);
  const { id, user } = one.job;
  expect(audit).toEqual([expect.objectContaining({ msg: 'refused', audit: true, job: id, user, code })]);
  expect(JSON.stringify(audit)).not.toMatch(/eyJ|\.\./);
});

test('a token of a little later refuses no job: the clock of the host is behind, and the job waits', async () => {
  const one = await record({ claims: { iat: now() + 3_600 } });
  const error = await authorizer.job(one, never).catch((reason) => reason);
  expect(error).toMatchObject({ name: 'Error', message: expect.stringContaining('the clock is behind') });
  expect(audit).toEqual([]);
  expect(await authorizer.job(one, async () => true)).toMatchObject({ command: { type: 'container.stop' } });
});

test('the token of a job is named also where its request is not looked at, and of none where none is sealed', async () => {
  const one = await record();
  const token = expect.stringMatching(/^token:[0-9a-f]{12}$/);
  expect(authorizer.tokenOf(one)).toEqual(token);
  expect(authorizer.tokenOf({ ...one, sealed: 'x' })).toBeUndefined();
  authorizer.auditRejection(one, 'it was done before');
  expect(audit).toMatchObject([{ job: one.job.id, user: '0', token, reason: 'it was done before' }]);
});

test('a job whose request only reads is refused', async () => {
  const token = await trust.mint();
  const request: OriginalRequest = { method: 'GET', path: '/jobs', query: '', body: '' };
  const one = await record();
  const purpose: Purpose = { use: 'job', host: 'h1', job: one.job.id };
  const sealed = sealer().seal({ token, request, until: null }, token, purpose);
  expect(await codeOf({ ...one, sealed })).toBe('token_forbids');
});

test('a job that was taken in time may wait longer than its token lives, one that was not may not', async () => {
  const one = await record({ claims: { d: now() - 70 } });
  expect(await codeOf(one, async () => true)).toBe('passed');
  expect(await codeOf(one)).toBe('expired');
  const clockSetBack = await record({ claims: { iat: now() + 300 } });
  expect(await codeOf(clockSetBack, async () => true)).toBe('passed');
});

test('a job whose issuer was revoked while it waited is refused, however it was taken', async () => {
  const one = await record();
  expect(await codeOf(one)).toBe('passed');
  ring = ringOf([await makeIssuer('another')], [trust.daemon]);
  expect(await codeOf(one, async () => true)).toBe('token_invalid');
});

test('a question is answered for as long as it says, and only the one that its request asks', async () => {
  const origin = { trace: 'req-1', peer: '192.0.2.1' };
  const ask = async (until: number | null, claims: Partial<TokenClaims> = {}) => {
    const token = await trust.mint(claims);
    const request: OriginalRequest = { method: 'GET', path: '/container', query: 'r=web', body: '' };
    return sealer().seal({ token, request, until, origin }, token, answer);
  };
  const soon = Date.now() + 60_000;
  const asked = await authorizer.order(await ask(soon, { u: 'alice' }), 'container.read');
  expect(asked.order.wants).toEqual({ resource: 'web' });
  expect(asked.tenant).toBe('alice');
  const label = expect.stringMatching(/^token:[0-9a-f]{12}$/);
  expect(asked.owner).toEqual({ user: 'alice', token: label, ...origin });
  const refused = async (sealed: string, code: string) =>
    expect(authorizer.order(sealed, 'container.read')).rejects.toMatchObject({ code });
  await refused(await ask(Date.now() - 1), 'token_invalid');
  await refused(await ask(null), 'token_invalid');
  await refused(await ask(soon, { d: now() - 70 }), 'token_invalid');
  await refused(await ask(soon, { r: 'db', u: 'bob' }), 'token_forbids');
  expect(audit.at(-1)).toMatchObject({ user: 'bob', token: label, ...origin });
  await expect(authorizer.order(await ask(soon), 'environment.read')).rejects.toMatchObject({
    code: 'token_forbids',
  });
  expect(audit).toHaveLength(5);
});

test('an answer is sealed, and opens as the answer to its own request only (security M8)', async () => {
  const token = await trust.mint();
  const request: OriginalRequest = { method: 'GET', path: '/container', query: 'r=web', body: '' };
  const [mine, other] = [1, 2].map(() =>
    sealer().seal({ token, request, until: Date.now() + 60_000 }, token, answer),
  ) as [string, string];
  const { seal } = await authorizer.order(mine, 'container.read');
  const sealed = seal({ value: 'secret' });
  expect(Buffer.from(sealed, 'base64url').toString('latin1') + sealed).not.toContain('secret');
  expect(openAnswer(sealer(), sealed, answer.host, mine)).toEqual({ value: 'secret' });
  expect(openAnswer(sealer(), sealed, answer.host, other)).toBeNull();
  expect(openAnswer(sealer(), sealed, 'h2', mine)).toBeNull();
  expect(openAnswer(sealer(), { value: 'forged' }, answer.host, mine)).toBeNull();
});

test("what a copy reads passes at its source, which the copy's own host is not", async () => {
  const copy = async (
    claims: Partial<TokenClaims> = {},
    until: number | null = Date.now() + 60_000,
    more = '',
  ) => {
    const token = await trust.mint(claims);
    const query = `u=0&i=2a&r=team-b&t=gear%3A%2F%2Fteam-a${more}`;
    const request: OriginalRequest = { method: 'PUT', path: '/repository', query, body: '' };
    return authorizer.stream(sealer().seal({ token, request, until }, token, { use: 'copy', host: 'h1' }));
  };
  const sent = { wants: { resource: 'team-a' }, send: expect.any(Function) };
  const [tenant, token] = [expect.stringMatching(/^token:/), expect.stringMatching(/^token:/)];
  const bundle = { name: 'repository.bundle', tenant, owner: { user: '0', token }, ...sent };
  const source = { t: 'gear://team-a' };
  expect(await copy()).toEqual(bundle);
  expect(await copy({ r: 'team-*', a: ['repository.create', 'content.read'] })).toEqual(bundle);
  expect(await copy({ ...source, r: 'team-b', a: ['repository.create'] })).toEqual(bundle);
  expect(await copy({}, Date.now() + 60_000, '&h=h2')).toEqual(bundle);
  expect(await copy({ ...source, h: 'h2' })).toEqual(bundle);
  expect(await copy({ h: 'h1' })).toEqual(bundle);
  expect(audit).toEqual([]);
  const refused = async (asked: Promise<unknown>, code: string) =>
    expect(asked).rejects.toMatchObject({ code });
  await refused(copy({ h: 'h2' }), 'token_forbids');
  await refused(copy({ r: 'team-b' }), 'token_forbids');
  await refused(copy({ a: ['repository.create'] }), 'token_forbids');
  await refused(copy({ a: ['content.read'] }), 'token_forbids');
  await refused(copy({ t: 'gear://team-c' }), 'token_forbids');
  await refused(copy({ d: now() - 70 }), 'expired');
  await refused(copy({ iat: now() + 2 * 86_400 }), 'token_invalid');
  await refused(copy({}, null), 'token_invalid');
  await refused(copy({}, Date.now() - 1), 'token_invalid');
  expect(audit).toHaveLength(9);
});

test('whether a job would pass is told without a line in the audit log (house 7.14)', async () => {
  const forged = await record({}, { job: { resource: 'db' } });
  expect(await authorizer.allows(await record())).toBe(true);
  expect(await authorizer.allows(forged)).toBe(false);
  expect(await authorizer.allows(await record({}, { sealed: '' }))).toBe(false);
  expect(audit).toEqual([]);
  expect(await codeOf(forged)).toBe('token_forbids'); // What is to be done is told.
  expect(audit).toHaveLength(1);
});

test('a request that makes no stream opens none', async () => {
  const token = await trust.mint();
  const sealed = (request: OriginalRequest) =>
    sealer().seal({ token, request, until: Date.now() + 60_000 }, token, answer);
  for (const query of ['u=0&i=2a&r=a', 'u=0&i=2a&r=a&t=https://example.org/b']) {
    const asked = authorizer.stream(sealed({ method: 'PUT', path: '/repository', query, body: '' }));
    await expect(asked).rejects.toMatchObject({ code: 'token_forbids' });
  }
  await expect(authorizer.stream(sealed(stop))).rejects.toMatchObject({ code: 'token_forbids' });
});

/** A request to cancel a job, sealed for its worker. */
async function cancel(id: string, claims: Partial<TokenClaims> = {}, mint = trust.mint): Promise<string> {
  const token = await mint(claims);
  const request: OriginalRequest = { method: 'DELETE', path: `/job/${id}`, query: '', body: '' };
  const purpose: Purpose = { use: 'cancel', host: 'h1', job: id.padStart(32, '0') };
  return sealer().seal({ token, request, until: null }, token, purpose);
}

test.each<[string, Partial<TokenClaims>, Parameters<typeof record>[1]]>([
  ['another resource than its request', { r: 'team-a-*' }, { job: { resource: 'team-a-web' } }],
  ['another user than its request', { u: 'eve' }, { job: { user: 'eve' } }],
  ['another type than its request', { r: 'web' }, { job: { type: 'container.start' } }],
  ['another fingerprint than its request', { r: 'web' }, { fingerprint: 'x' }],
  ['no request', { r: 'web' }, { sealed: '' }],
])('a token for some jobs cancels none whose record in Redis has %s', async (_, claims, forge) => {
  const forged = await record({}, forge);
  expect(await authorizer.cancels(await cancel('2a', claims), forged)).toBe(false);
  expect(audit).toMatchObject([{ msg: 'refused', job: forged.job.id }]);
});

test('a job whose issuer was revoked since it began is cancelled by who sees all jobs', async () => {
  const one = await record();
  const other = await makeIssuer('another');
  ring = ringOf([other], [trust.daemon]);
  const mint = (claims: Partial<TokenClaims> = {}) =>
    mintToken(
      { aud: 'geard', d: now() + 900, ...claims },
      { kid: other.kid, key: other.private },
      { kid: trust.daemon.kid, key: trust.daemon.public },
    );
  expect(await authorizer.cancels(await cancel('2a', {}, mint), one)).toBe(true);
  expect(await authorizer.cancels(await cancel('2a', { r: 'web' }, mint), one)).toBe(false);
});

test('the end of a job is asked for by a request of its own, which may be about no other job', async () => {
  const one = await record();
  expect(await authorizer.cancels(await cancel('2a', { r: 'web', u: '0' }), one)).toBe(true);
  expect(await authorizer.cancels(await cancel('2a'), one)).toBe(true);
  expect(await authorizer.cancels(await cancel('2b'), one)).toBe(false);
  expect(await authorizer.cancels(await cancel('2a', { r: 'db' }), one)).toBe(false);
  expect(await authorizer.cancels(await cancel('2a', { a: ['job.read'], u: 'eve' }), one)).toBe(false);
  expect(audit.at(-1)).toMatchObject({ job: one.job.id, user: 'eve' }); // Who has asked, not whose job it is.
  expect(await authorizer.cancels(one.sealed, one)).toBe(false);
  const keys = () => {
    throw new Error('EIO');
  };
  const faulty = createVerifier({ keys, fleet: 'geard', lifetimes, testToken: false });
  const { cancels } = createAuthorizer({
    host: 'h1',
    sealer: sealer(),
    verifier: faulty,
    log: pino({}, { write() {} }),
  });
  await expect(cancels(await cancel('2a'), one), 'a fault refuses nothing').rejects.toThrow('EIO');
});

test('whether a job would pass is told without a line in the audit log', async () => {
  const forged = await record({}, { job: { resource: 'db' } });
  expect(await authorizer.allows(await record())).toBe(true);
  expect(await authorizer.allows(forged)).toBe(false);
  expect(audit).toEqual([]);
  expect(await codeOf(forged)).toBe('token_forbids'); // What is to be done is told.
  expect(audit).toHaveLength(1);
});
