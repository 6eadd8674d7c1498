import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { expect, onTestFinished, test } from 'vitest';
import { directPath } from '../../../../src/jobs/rpc/direct.ts';
import type { Authorizer } from '../../../../src/worker/authorization.ts';
import type { Sources } from '../../../../src/worker/streams/open-source.ts';
import { openStreamServer } from '../../../../src/worker/streams/stream-server.ts';
import { keepLog } from '../../../support/log-lines.ts';
import { until } from '../../../support/until.ts';

const owner = { user: 'ann', token: 'token:1', trace: 'req-1', peer: '192.0.2.1' };

/** What is logged of a stream of ann's, which an api asks for until the signal aborts. */
async function loggedOf(
  open: Sources['open'],
  signal = new AbortController().signal,
): Promise<Record<string, unknown>> {
  const { log, lines } = keepLog();
  const authorizer = { stream: async () => ({ name: 'container.log', owner }) } as unknown as Authorizer;
  const sources: Sources = { open, close: () => undefined };
  const server = await openStreamServer(
    { host: 'h1', sources, authorizer, log },
    { host: '127.0.0.1', port: 0 },
  );
  onTestFinished(() => server.close());
  const body = JSON.stringify({ sealed: 'sealed', how: {} });
  await fetch(`http://${server.address}${directPath}`, { method: 'POST', body, signal })
    .then((answer) => answer.text())
    .catch(() => undefined);
  return until('there is a line', () => lines[0]);
}

test('a stream that cannot be opened is logged with whose it is, and whence it was asked for', async () => {
  const line = await loggedOf(() => Promise.reject(new Error('no journalctl')));
  expect(line).toMatchObject({ ...owner, msg: 'a stream could not be opened', level: 50 });
});

test('a stream that breaks in the middle is logged with whose it is, and whence it was asked for', async () => {
  async function* breaking() {
    yield Buffer.from('a');
    throw new Error('journalctl has ended');
  }
  const line = await loggedOf(async () => ({ head: {}, body: breaking() }));
  expect(line).toMatchObject({ ...owner, msg: 'a stream was broken off', reason: 'journalctl has ended' });
});

test('an api that leaves before the stream has begun breaks it off, which is no fault', async () => {
  const api = new AbortController();
  const line = await loggedOf(async (_stream, _how, signal) => {
    const gone = once(signal, 'abort');
    api.abort();
    await gone;
    throw signal.reason;
  }, api.signal);
  expect(line).toMatchObject({ ...owner, msg: 'a stream was broken off', level: 20 });
});

/** The status of a request with these headers, as an api or a web page may send it. */
async function statusOf(headers: Record<string, string>): Promise<number | undefined> {
  async function* body() {
    yield Buffer.from('a');
  }
  const authorizer = { stream: async () => ({ name: 'container.log', owner }) } as unknown as Authorizer;
  const sources: Sources = {
    open: async () => ({ head: {}, body: body() }),
    close: () => undefined,
  };
  const server = await openStreamServer(
    { host: 'h1', sources, authorizer, log: keepLog().log },
    { host: '127.0.0.1', port: 0 },
  );
  onTestFinished(() => server.close());
  const asked = request(`http://${server.address}${directPath}`, {
    method: 'POST',
    headers,
    setHost: headers['Host'] === undefined,
  });
  asked.end(JSON.stringify({ sealed: 'sealed', how: {} }));
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  answer.resume();
  return answer.statusCode;
}

test.each<[Record<string, string>]>([
  [{}],
  [{ Host: '192.0.2.1:4000' }],
  [{ Host: '[2001:db8::1]:4000' }],
  [{ Host: 'localhost:4000' }],
])('an api gets a stream by the address of the worker: %j', async (headers) => {
  expect(await statusOf(headers)).toBe(200);
});

test.each<[Record<string, string>]>([
  [{ Origin: 'http://127.0.0.1:4343' }],
  [{ Origin: 'null' }],
  [{ Host: 'evil.example' }],
  [{ Host: 'evil.example:4000' }],
  [{ Host: '127.0.0.1.evil.example' }],
  [{ Host: '' }],
])('a web page gets no stream, whatever name it has for the worker: %j', async (headers) => {
  expect(await statusOf(headers)).toBe(403);
});
