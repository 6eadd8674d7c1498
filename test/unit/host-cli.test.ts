import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { createClient } from '../../src/cli/host/client.ts';
import { hasDrift, showDrift, showHosts, showRepair } from '../../src/cli/host/show.ts';
import { problemOf } from '../../src/jobs/errors.ts';

let server: Server | undefined;
afterEach(() => server?.close());

const id = 'a'.repeat(32);
type Reply = (req: IncomingMessage, res: ServerResponse) => void;
const json =
  (status: number, body: unknown): Reply =>
  (_req, res) =>
    res.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
const hangUp: Reply = (req) => req.socket.destroy();
const hangUpHalfway: Reply = (req, res) => {
  res.writeHead(200, { 'Content-Length': 100 });
  res.write('{"id":');
  setImmediate(() => req.socket.destroy());
};

/** An api that gives these answers one after the other, a client of it, and what they said. */
async function apiWith(...replies: Reply[]) {
  const asked: IncomingMessage[] = [];
  const told: string[] = [];
  const api = createServer((req, res) => {
    asked.push(req);
    (replies.shift() ?? hangUp)(req, res);
  });
  server = api;
  await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve));
  const { port } = api.address() as AddressInfo;
  const options = { api: `http://127.0.0.1:${port}`, token: '__test__', user: 'ann' };
  return { asked, told, client: createClient({ ...options, tell: (line) => told.push(line) }) };
}

test('a change that was cut off is sent again under the same key, and its token is in no address', async () => {
  const done = { id, state: 'succeeded', result: { changed: true } };
  const { asked, told, client } = await apiWith(hangUp, hangUpHalfway, json(200, done));
  expect(await client.change('host/draining', { h: 'h1' })).toEqual(done);
  expect(asked).toHaveLength(3);
  expect(new Set(asked.map(({ headers }) => headers['idempotency-key'])).size).toBe(1);
  expect(asked[0]).toMatchObject({ method: 'PUT', url: '/host/draining?u=ann&h=h1' });
  expect(asked[0]?.headers).toMatchObject({ prefer: 'wait=60', authorization: 'Bearer __test__' });
  expect(told).toHaveLength(2);
});

test('a job that is not over yet is waited for, and says what it is at', async () => {
  const progress = { step: 'unit', message: 'mending gear-a.service' };
  const { asked, told, client } = await apiWith(
    json(202, { id, state: 'queued', progress: null }),
    json(200, { id, state: 'running', progress }),
    json(200, { id, state: 'succeeded', progress: null }),
  );
  expect(await client.change('host/repaired', { h: 'h1' })).toMatchObject({ state: 'succeeded' });
  expect(asked.map(({ url }) => url).slice(1)).toEqual([`/job/${id}?wait=60`, `/job/${id}?wait=60`]);
  expect(told).toEqual([
    `job ${id} is queued; waiting`,
    `job ${id} is running: mending gear-a.service; waiting`,
  ]);
});

test('a job that fails while it is waited for is a failure, and so is one that was cancelled', async () => {
  const error = problemOf('timeout', 'systemd took too long');
  const { client } = await apiWith(
    json(202, { id, state: 'queued' }),
    json(200, { id, state: 'failed', error }),
    json(200, { id, state: 'cancelled' }),
  );
  await expect(client.change('host/repaired', {})).rejects.toThrow(/\(timeout\): systemd took too long/);
  await expect(client.change('host/repaired', {})).rejects.toThrow('was cancelled');
});

test('a refusal is told in its own words, and what to do about a token', async () => {
  const { asked, client } = await apiWith(
    json(404, problemOf('host_not_found', 'there is no host h9')),
    json(401, problemOf('token_invalid', 'the request needs a valid token')),
    json(502, 'Bad Gateway'),
  );
  await expect(client.get('drift', { h: 'h9' })).rejects.toThrow(
    'No such host (host_not_found): there is no host h9',
  );
  await expect(client.get('hosts')).rejects.toThrow(/does not accept the test token.*--token-file/);
  await expect(client.get('hosts')).rejects.toThrow('502');
  expect(asked).toHaveLength(3);
});

test('an api that is not there is told of, after a few tries', async () => {
  const { told, client } = await apiWith();
  await expect(client.get('hosts')).rejects.toThrow(/cannot be reached.*see --api/);
  expect(told).toHaveLength(4);
});

test('hosts are shown in columns', () => {
  const host = { name: 'h1', state: 'draining' as const, gears: 12, version: '0.1.0', lastSeen: null };
  expect(showHosts([host])).toBe(
    'NAME  STATE     GEARS  VERSION  LAST SEEN\nh1    draining  12     0.1.0    -\n',
  );
});

test('drift is shown a line for each, and what is only foreign is nothing to mend', () => {
  const none = { unitsWithoutEntry: [], entriesWithoutUnit: [], changedUnits: [], withoutNetwork: [] };
  const foreign = [{ kind: 'unit' as const, name: 'gear-x.service' }];
  expect(showDrift({ host: 'h1', drift: { ...none, foreign } })).toBe(
    'h1: gear-x.service: a unit that geard did not make\n',
  );
  expect(hasDrift({ host: 'h1', drift: { ...none, foreign } })).toBe(false);
  expect(hasDrift({ host: 'h1', drift: { ...none, foreign, entriesWithoutUnit: ['a'] } })).toBe(true);
  const lost = { host: 'h1', drift: { ...none, foreign: [], withoutNetwork: ['a'] } };
  expect(hasDrift(lost)).toBe(true);
  expect(showDrift(lost)).toBe('h1: a: its Docker network is gone\n');
  expect(hasDrift({ host: 'h1', drift: null })).toBe(true);
  expect(showDrift({ host: 'h1', drift: { ...none, foreign: [] } })).toBe('h1: no drift\n');
});

test('a repair tells what it has done and what it has left alone', () => {
  const nothing = {
    ...{ announced: [], forgotten: [], rewritten: [], linked: [], networks: [], released: [] },
    foreign: [],
  };
  const foreign = [{ kind: 'container' as const, name: 'gear-x' }];
  expect(showRepair('h1', nothing)).toBe('h1: nothing to repair\n');
  expect(showRepair('h1', { ...nothing, rewritten: ['a', 'b'], released: [4000], foreign })).toBe(
    'h1: rewritten a, b\nh1: released 4000\nh1: gear-x is a container that geard did not make; untouched\n',
  );
});
