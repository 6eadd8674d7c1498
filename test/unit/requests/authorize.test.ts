import { hash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { allowsAction, allowsResource } from '../../../src/jobs/access/patterns.ts';
import { actions, changesSomething } from '../../../src/jobs/actions.ts';
import { Failure } from '../../../src/jobs/errors.ts';
import { isJobType, reads } from '../../../src/jobs/registry.ts';
import { authorize } from '../../../src/requests/authorize.ts';
import type { OriginalRequest } from '../../../src/requests/original.ts';
import { sourceOf } from '../../../src/requests/references.ts';
import { matchRoute } from '../../../src/requests/routes.ts';
import type { Claims } from '../../../src/token/claims.ts';
import { hour, lifetimes } from '../../support/tokens.ts';

const now = 1_800_000_000;

function request(line: string, more: Partial<OriginalRequest> = {}): OriginalRequest {
  const [method = '', address = ''] = line.split(' ');
  const [path = '', query = ''] = address.split('?');
  return { method: method as never, path, query, body: '', ...more };
}

function ask(claims: Claims, line: string, more: Partial<OriginalRequest> = {}) {
  try {
    const asked = request(line, more);
    return authorize(claims, asked, matchRoute(asked), lifetimes);
  } catch (error) {
    if (error instanceof Failure) return error.code;
    throw error;
  }
}

const install = 'PUT /container?u=0&i=2a&r=web&t=nginx';
const bodyHash = (body: string) => hash('sha256', body, 'base64url');

test('without claims a request is what it says', () => {
  expect(ask({}, install, { body: '{"ports":[{"internal":80}]}' })).toMatchObject({
    name: 'container.install',
    scope: { r: 'web' },
    wants: {
      id: '2a'.padStart(32, '0'),
      user: '0',
      command: {
        type: 'container.install',
        params: { resource: 'web', spec: { image: 'nginx' }, start: true },
      },
    },
  });
});

test.each<[string, Claims, string, unknown]>([
  [
    'fixes what the query leaves out',
    { u: '0', i: '2A', r: 'web', t: 'nginx' },
    'PUT /container',
    'container.install',
  ],
  [
    'agrees with a query that says the same',
    { r: 'web', t: 'nginx', i: '002a' },
    install,
    'container.install',
  ],
  ['takes in every name that begins so', { r: 'we*' }, install, 'container.install'],
  ['takes in the beginning itself', { r: 'web*' }, install, 'container.install'],
  ['allows by the name of the action', { a: ['container.install'] }, install, 'container.install'],
  ['allows by a star for the deed', { a: ['container.*'] }, install, 'container.install'],
  ['allows by a star for the kind', { a: ['*.install'] }, install, 'container.install'],
  ['contradicts the name', { r: 'db' }, install, 'token_forbids'],
  ['contradicts the type', { t: 'redis' }, install, 'token_forbids'],
  ['contradicts the user', { u: '1' }, install, 'token_forbids'],
  ['contradicts the request id', { i: '2b' }, install, 'token_forbids'],
  ['contradicts the host', { h: 'h2' }, `${install}&h=h1`, 'token_forbids'],
  ['contradicts the expiry', { d: now + 10 }, `${install}&d=${now + 11}`, 'token_forbids'],
  ['takes in other names only', { r: 'team-*' }, install, 'token_forbids'],
  ['allows another action', { a: ['container.start'] }, install, 'token_forbids'],
  ['allows only to read', { a: ['*.read'] }, install, 'token_forbids'],
  ['allows nothing we know', { a: ['foo.bar'] }, install, 'token_forbids'],
  [
    'leaves a name open that nobody says',
    { r: 'team-*' },
    'PUT /container?u=0&i=1&t=nginx',
    'invalid_request',
  ],
  ['lives too long to change anything', { iat: now, d: now + 25 * hour }, install, 'token_forbids'],
  [
    'was made for too long to change anything, on its last day',
    { iat: now - 25 * hour, d: now },
    install,
    'token_forbids',
  ],
  ['lives long and only reads', { iat: now, d: now + 25 * hour }, 'GET /container?r=web', 'container.read'],
  ['lives long and is to cancel', { iat: now, d: now + 25 * hour }, 'DELETE /job/2a', 'token_forbids'],
  ['fixes another job than the path', { i: '2b' }, 'GET /job/2a', 'token_forbids'],
  ['fixes the job of the path', { i: '2b' }, 'GET /job/2b', 'job.read'],
  ['is for installing, and its job is watched', { a: ['container.install'] }, 'GET /job/2a', 'job.read'],
  ['is for installing, and its job is followed', { a: ['container.install'] }, 'GET /job/2a/log', 'job.log'],
  ['is for reading gears, and jobs are watched', { a: ['container.read'] }, 'GET /job/2a', 'token_forbids'],
  ['is for archives', { a: ['content.read'] }, 'GET /content?r=web&t=gitarchive', 'content.archive'],
  [
    'is for archives, and an environment is read',
    { a: ['content.read'] },
    'GET /content?r=web&t=env',
    'token_forbids',
  ],
  ['is for environments', { a: ['environment.read'] }, 'GET /content?r=web&t=env', 'environment.read'],
  ['takes in what is done to hosts', { a: ['host.*'] }, 'PUT /host/draining?u=0&i=1&h=h1', 'host.drain'],
  ['takes in that a host is live again', { a: ['host.*'] }, 'PUT /host/live?u=0&i=1&h=h1', 'host.undrain'],
  ['takes in repairs', { a: ['host.repair'], h: 'h1' }, 'PUT /host/repaired?u=0&i=1', 'host.repair'],
  ['only reads hosts', { a: ['host.read'] }, 'PUT /host/draining?u=0&i=1&h=h1', 'token_forbids'],
  ['reads hosts, and their drift', { a: ['*.read'] }, 'GET /drift', 'drift.read'],
  ['is for another host', { h: 'h2' }, 'PUT /host/draining?u=0&i=1&h=h1', 'token_forbids'],
  ['is for gears of a name, not for hosts', { r: 'h*' }, 'PUT /host/draining?u=0&i=1&h=h1', 'token_forbids'],
  ['is for gears of a name, not for all drift', { r: 'web' }, 'GET /drift', 'token_forbids'],
  ['leaves the host open that nobody says', {}, 'PUT /host/draining?u=0&i=1', 'invalid_request'],
  [
    'lives too long to drain a host',
    { iat: now, d: now + 25 * hour },
    'PUT /host/live?u=0&i=1&h=h1',
    'token_forbids',
  ],
  ['is for draining, and its job is watched', { a: ['host.drain'] }, 'GET /job/2a', 'job.read'],
  ['fixes the kind of content', { t: 'gitarchive' }, 'GET /content?r=web', 'content.archive'],
  ['fixes the kind of content to another', { t: 'gitarchive' }, 'GET /content?r=web&t=env', 'token_forbids'],
])('a token that %s', (_, claims, line, expected) => {
  const order = ask(claims, line);
  expect(typeof order === 'string' ? order : order.name).toBe(expected);
});

const copy = 'PUT /repository?u=0&i=2a&r=team-b&t=gear://team-a';
const both = ['repository.create', 'content.read'];

test.each<[string, Claims, string, string]>([
  ['says nothing of it', {}, copy, 'repository.create'],
  ['allows to make the one and to read the other', { a: both }, copy, 'repository.create'],
  ['allows both by stars', { a: ['repository.*', '*.read'] }, copy, 'repository.create'],
  ['allows only to make it', { a: ['repository.create'] }, copy, 'token_forbids'],
  ['allows only to read', { a: ['content.read'] }, copy, 'token_forbids'],
  ['allows to read environments', { a: ['repository.create', 'environment.read'] }, copy, 'token_forbids'],
  ['takes in both names', { a: both, r: 'team-*' }, copy, 'repository.create'],
  ['takes in the name of the copy only', { a: both, r: 'team-b*' }, copy, 'token_forbids'],
  ['takes in the name of the source only', { a: both, r: 'team-a' }, copy, 'token_forbids'],
  ['fixes the name of the copy', { a: both, r: 'team-b' }, copy, 'token_forbids'],
  [
    'fixes the name of the copy and the source',
    { a: ['repository.create'], r: 'team-b', t: 'gear://team-a' },
    copy,
    'repository.create',
  ],
  [
    'fixes the source, which the query leaves out',
    { a: ['repository.create'], t: 'gear://team-a' },
    'PUT /repository?u=0&i=2a&r=team-b',
    'repository.create',
  ],
  ['fixes another source', { t: 'gear://team-c' }, copy, 'token_forbids'],
  ['fixes a source and reads archives', { t: 'gear://team-a' }, 'GET /content?r=team-a', 'invalid_request'],
  [
    'takes in one name, and nothing is copied',
    { r: 'team-b' },
    'PUT /repository?u=0&i=2a',
    'repository.create',
  ],
  [
    'takes in one name, and a URL is cloned',
    { a: ['repository.create'], r: 'team-b' },
    'PUT /repository?u=0&i=2a&t=https://example.org/a',
    'repository.create',
  ],
])('a copy under a token that %s', (_, claims, line, expected) => {
  const order = ask(claims, line);
  expect(typeof order === 'string' ? order : order.name).toBe(expected);
});

const uses = { body: '{"environment":"team-b-secrets"}' };
const installs = (r: string) => `PUT /container?u=0&i=2a&r=${r}&t=nginx`;
const usesAny = ['container.install', 'environment.read'];

test.each<[string, Claims, string]>([
  ['says nothing of it', {}, 'container.install'],
  ['allows both', { a: usesAny }, 'container.install'],
  ['allows both by stars', { a: ['container.*', '*.read'] }, 'container.install'],
  ['allows gears only', { a: ['container.*'] }, 'token_forbids'],
  ['allows to replace environments', { a: ['container.*', 'environment.replace'] }, 'token_forbids'],
  ['takes in both names', { a: usesAny, r: 'team-*' }, 'container.install'],
  ["takes in the gear's name only", { a: usesAny, r: 'team-a-*' }, 'token_forbids'],
  ["takes in the gear's name only, and says nothing of actions", { r: 'team-a-*' }, 'token_forbids'],
  ["fixes the gear's name", { r: 'team-a-x' }, 'token_forbids'],
  [
    'fixes the body that names it',
    { a: ['container.install'], r: 'team-a-x', b: bodyHash(uses.body) },
    'container.install',
  ],
])('an environment that a gear is to have under a token that %s (security H1)', (_, claims, expected) => {
  const order = ask(claims, installs('team-a-x'), uses);
  expect(typeof order === 'string' ? order : order.name).toBe(expected);
});

const shares = { body: '{"volumes":[{"name":"data","path":"/data","of":"team-b-db"}]}' };

test.each<[string, Claims, string]>([
  ['says nothing of it', {}, 'container.install'],
  ['takes in both names', { a: ['container.install'], r: 'team-*' }, 'container.install'],
  ["takes in the gear's name only", { a: ['*.*'], r: 'team-a-*' }, 'token_forbids'],
  ["fixes the gear's name", { r: 'team-a-x' }, 'token_forbids'],
  ['fixes the body that names it', { r: 'team-a-x', b: bodyHash(shares.body) }, 'container.install'],
])('a volume of another gear under a token that %s (security H3)', (_, claims, expected) => {
  const order = ask(claims, installs('team-a-x'), shares);
  expect(typeof order === 'string' ? order : order.name).toBe(expected);
});

test('a gear’s own volume needs no more than the gear', () => {
  const own = {
    body: '{"volumes":[{"name":"data","path":"/a"},{"name":"data","path":"/b","of":"team-a-x"}]}',
  };
  expect(ask({ r: 'team-a-*' }, installs('team-a-x'), own)).toMatchObject({ name: 'container.install' });
});

test.each<[string, Claims, boolean]>([
  ['says nothing of actions', {}, true],
  ['allows to read gears', { a: ['container.read'] }, false],
  ['allows all of gears', { a: ['container.*'] }, false],
  ['allows to read gears and environments', { a: ['container.read', 'environment.read'] }, true],
  ['allows to read everything', { a: ['*.read'] }, true],
])('values of variables under a token that %s (security M9)', (_, claims, values) => {
  expect(ask(claims, 'GET /container?r=web')).toMatchObject({ scope: { values } });
});

const joins = { body: '{"network":"team-b-net"}' };
test.each<[string, Claims, unknown]>([
  ['leaves all open', {}, 'container.install'],
  ['is for its names', { r: 'team-b-*' }, 'container.install'],
  ['is for other names', { r: 'team-a-*' }, 'token_forbids'],
  ['is for the gear alone', { r: 'team-b-web' }, 'token_forbids'],
  ['allows to install only', { a: ['container.install'], r: 'team-b-*' }, 'container.install'],
  ['binds the body', { r: 'team-a-*', b: bodyHash(joins.body) }, 'container.install'],
])('a network that a gear is to share under a token that %s (security H4)', (_, claims, expected) => {
  const r = claims.r?.replace('*', 'web') ?? 'web';
  const asked = ask(claims, `PUT /container?u=0&i=2a&r=${r}&t=nginx`, joins);
  expect(typeof asked === 'string' ? asked : asked.name).toBe(expected);
});

test('a gear without an environment needs no right to read any', () => {
  const claims = { a: ['container.install'], r: 'team-a-*' };
  expect(ask(claims, installs('team-a-x'))).toMatchObject({ name: 'container.install' });
});

test('a token with a body is for that body to the byte, and a read has none', () => {
  const body = '{"start":false}';
  expect(ask({ b: bodyHash(body) }, install, { body })).toMatchObject({ name: 'container.install' });
  expect(ask({ b: bodyHash(body) }, install, { body: `${body} ` })).toBe('token_forbids');
  expect(ask({ b: bodyHash(body) }, install)).toBe('token_forbids');
  expect(ask({ b: bodyHash(body) }, 'GET /container?r=web')).toMatchObject({ name: 'container.read' });
});

test('the scope of a list is what the claims and the query leave of it', () => {
  expect(ask({ r: 'team-*', h: 'h1', a: ['job.*'] }, 'GET /jobs')).toMatchObject({
    scope: { r: 'team-*', h: 'h1', types: undefined },
  });
  expect(ask({ r: 'team-*' }, 'GET /jobs?r=team-a')).toMatchObject({ scope: { r: 'team-a' } });
  expect(ask({ a: ['container.*', 'host.read'] }, 'GET /jobs')).toMatchObject({
    scope: { types: ['container.*'] },
  });
});

test.each([
  ['GET /nothing', 'not_found'],
  ['POST /container', 'method_not_allowed'],
  ['GET /jobs?what=1', 'invalid_request'],
  ['GET /jobs?r=a&r=b', 'invalid_request'],
  ['GET /jobs?__proto__=1', 'invalid_request'],
  ['PUT /container?u=0&r=web&t=nginx', 'invalid_request'],
])('%s is %s, with every right there is', (line, code) => {
  expect(ask({}, line)).toBe(code);
});

test('a change of a host is about that host, and each host is another request', () => {
  const drain = (h: string) =>
    ask({}, `PUT /host/draining?u=0&i=1&h=${h}`) as { wants: { fingerprint: string } };
  expect(drain('h1')).toMatchObject({
    name: 'host.drain',
    wants: { command: { type: 'host.drain', params: { resource: 'h1' } } },
  });
  expect(drain('h1').wants.fingerprint).not.toBe(drain('h2').wants.fingerprint);
});

test('whoever may change hosts may do nothing for long, and everything a job can be is an action', () => {
  for (const action of ['host.drain', 'host.undrain', 'host.repair'] as const) {
    expect(actions).toContain(action);
    expect(changesSomething(action)).toBe(true);
    expect(allowsAction('host.*', action)).toBe(true);
  }
  expect(changesSomething('host.read')).toBe(false);
});

const names = fc.constantFrom('web', 'team-a', 'team-b');
const claimsOf = fc.record(
  {
    u: fc.constantFrom('0', '1'),
    i: fc.constantFrom('1', '2a', '2A', '02a'),
    r: fc.oneof(names, fc.constantFrom('we*', 'team-*', 'team-a*')),
    t: fc.constantFrom('nginx', 'redis', 'env', 'gitarchive', 'gear://team-a'),
    h: fc.constantFrom('h1', 'h2'),
    a: fc.array(fc.constantFrom(...actions, 'container.*', '*.read', '*.*'), { minLength: 1, maxLength: 4 }),
  },
  { requiredKeys: [] },
);
const lines = fc.constantFrom(
  ...[
    'PUT /container',
    'PUT /container/started',
    'DELETE /container',
    'PUT /repository',
    'PATCH /environment',
    'PUT /host/draining',
    'PUT /host/repaired',
  ],
  ...[
    'GET /container',
    'GET /containers',
    'GET /content',
    'GET /job/2a',
    'DELETE /job/2a',
    'GET /jobs',
    'GET /hosts',
    'GET /drift',
    'GET /whoami',
  ],
);
const queries = fc.record(
  {
    u: fc.constantFrom('0', '1'),
    i: fc.constantFrom('1', '2a'),
    r: names,
    t: fc.constantFrom('nginx', 'redis', 'env', 'gitarchive', 'gear://team-a', 'gear://web'),
    h: fc.constantFrom('h1', 'h2'),
  },
  { requiredKeys: [] },
);

test('whatever the claims and the request: what comes out lies within the claims', () => {
  let passed = 0;
  fc.assert(
    fc.property(claimsOf, lines, queries, (claims, line, query) => {
      const order = ask(claims, `${line}?${new URLSearchParams(query)}`);
      if (typeof order === 'string') return;
      passed++;
      const { name: kind, all, scope, wants } = order;
      const action = isJobType(kind) ? kind : reads[kind].action;
      for (const name of ['u', 't', 'h'] as const) if (claims[name]) expect(all[name]).toBe(claims[name]);
      if (claims.r) {
        expect(scope.r).toBeDefined();
        expect(allowsResource(claims.r, String(scope.r).replace(/\*$/, ''))).toBe(true);
        if ('resource' in wants) expect(allowsResource(claims.r, wants.resource)).toBe(true);
        if ('command' in wants) expect(allowsResource(claims.r, wants.command.params.resource)).toBe(true);
      }
      const source = sourceOf(order);
      if (source !== null && claims.t === undefined) {
        if (claims.r) expect(allowsResource(claims.r, source)).toBe(true);
        if (claims.a) expect(claims.a.some((a) => allowsAction(a, 'content.read'))).toBe(true);
      }
      if (claims.i && 'id' in wants) expect(wants.id).toBe(claims.i.toLowerCase().padStart(32, '0'));
      if (claims.a && scope.types === undefined)
        expect(action === null || claims.a.some((a) => allowsAction(a, action))).toBe(true);
      expect(action === null).toBe(line === 'GET /whoami'); // It shows nothing but the token itself.
    }),
    { numRuns: 20_000 },
  );
  expect(passed).toBeGreaterThan(200);
});

test('taking claims away never forbids anything', () => {
  fc.assert(
    fc.property(claimsOf, lines, queries, (claims, line, query) => {
      const { r: _r, a: _a, ...fewer } = claims;
      const before = ask(claims, `${line}?${new URLSearchParams(query)}`);
      if (before === 'token_forbids') return;
      expect(ask(fewer, `${line}?${new URLSearchParams(query)}`)).not.toBe('token_forbids');
    }),
    { numRuns: 2_000 },
  );
});
