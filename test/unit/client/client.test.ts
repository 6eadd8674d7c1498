import { readFileSync } from 'node:fs';
import { afterEach, expect, expectTypeOf, onTestFinished, test, vi } from 'vitest';
import { arrowsOf, readTree } from '../../../scripts/measure/tree.ts';
import { clientOperations } from '../../../scripts/reference/client-operations.ts';
import { createClient, GeardError, type OperationName } from '../../../src/client/client.ts';
import { defaultFollow } from '../../../src/client/lines.ts';
import { operations } from '../../../src/client/operations.ts';
import type { Job } from '../../../src/jobs/job.ts';
import { parseParameters } from '../../../src/jobs/parameters.ts';
import { jobs, reads } from '../../../src/jobs/registry.ts';
import { matchRoute, selectRoute } from '../../../src/requests/routes.ts';

afterEach(() => {
  vi.unstubAllGlobals();
});

/** Has fetch answer one after the other, the last one for good; returns what was sent. */
function answering(...answers: (Response | Error)[]): Request[] {
  const sent: Request[] = [];
  vi.stubGlobal('fetch', async (url: string, init: RequestInit) => {
    sent.push(new Request(url, init));
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    if (answer instanceof Error) throw answer;
    return answer?.clone();
  });
  return sent;
}

const geard = createClient({
  api: 'http://geard.example/under/',
  token: 'secret',
  user: 'alice',
  retries: 2,
});
const problem = (code: string, status: number, headers: Record<string, string> = {}) =>
  new Response(JSON.stringify({ title: 'Title', detail: 'detail', code, status }), {
    status,
    headers: { 'Content-Type': 'application/problem+json; charset=utf-8', ...headers },
  });

test('src/client/operations.ts is what the definitions say', () => {
  const how = 'npm run reference writes it again';
  expect(readFileSync('src/client/operations.ts', 'utf8'), how).toBe(clientOperations());
  expect(Object.keys(operations).sort()).toEqual(Object.keys({ ...jobs, ...reads }).sort());
});

test('a browser that loads the client loads src/client and nothing else', () => {
  const files = [...readTree('.', 'src/client')];
  expect(files.length).toBeGreaterThan(4);
  const loaded = files.flatMap(([file, { imports }]) =>
    imports.filter(({ typeOnly }) => !typeOnly).map(({ from }) => `${file} ${from}`),
  );
  expect(loaded.filter((one) => !/ \.\/[\w-]+\.ts$/.test(one))).toEqual([]);
  expect(arrowsOf(readTree('.', 'src/client')).length).toBeGreaterThan(loaded.length); // Types come from jobs.
});

test.each(
  Object.keys(operations) as OperationName[],
)('what is sent for %s is what the api takes for it', async (name) => {
  const sent = answering(new Response('{"event":"end"}\n'));
  const [kind = '', verb] = name.split('.');
  const made = geard[kind as 'container'];
  const call = (verb === undefined ? made : made[verb as 'read']) as unknown as (
    asked: object,
  ) => Promise<unknown> & AsyncGenerator;
  const answer = call({
    ...(operations[name].path.includes('{id}') ? { id: '2a' } : { r: 'web' }),
    h: undefined,
  });
  if (operations[name].answer === 'lines') await answer.next();
  else await answer.then((all) => all);
  const [{ method, url, headers } = new Request('http://none')] = sent;
  const { origin, pathname, search } = new URL(url);
  expect(origin).toBe('http://geard.example');
  const match = matchRoute({ method: method as 'GET', path: pathname.slice('/under'.length) });
  expect(selectRoute(match, parseParameters(search.slice(1))).name).toBe(name);
  expect(headers.get('authorization')).toBe('Bearer secret');
  expect(url).not.toContain('secret');
  expect(headers.has('idempotency-key')).toBe(Object.hasOwn(jobs, name));
  expect(new URL(url).searchParams.get('u')).toBe(Object.hasOwn(jobs, name) ? 'alice' : null);
});

test('a value is encoded where it stands: in the path, in the query, in the body', async () => {
  const sent = answering(new Response('{}'));
  await geard.content.archive({ r: 'a b', ref: 'feature/x#1', format: 'tar.gz' });
  await geard.container.install({ r: 'web', t: 'nginx:1.27', u: 'bob', body: { memory: '64m' } });
  expect(sent.map(({ url }) => url)).toEqual([
    'http://geard.example/under/content/feature%2Fx%231?r=a+b&format=tar.gz&t=gitarchive',
    'http://geard.example/under/container?u=bob&r=web&t=nginx%3A1.27',
  ]);
  expect(await sent[1]?.text()).toBe('{"memory":"64m"}');
});

test('a change that is sent again keeps its key, whether its answer is lost or says that it may succeed later', async () => {
  const lost = new TypeError('fetch failed');
  const sent = answering(
    lost,
    problem('queue_unavailable', 503),
    new Response('{"id":"1"}', { status: 202 }),
  );
  expect(await geard.container.start({ r: 'web' })).toEqual({ id: '1' });
  const keys = sent.map(({ headers }) => headers.get('idempotency-key'));
  expect(keys).toEqual(Array(3).fill(expect.stringMatching(/^[0-9a-f]{32}$/)));
  expect(new Set(keys).size).toBe(1);
  await geard.container.start({ r: 'web' });
  expect(sent.at(-1)?.headers.get('idempotency-key')).not.toBe(keys[0]);
});

test('a call hears of its own retries, and of none while its job is followed', async () => {
  const lost = new TypeError('fetch failed');
  const queued = new Response('{"id":"1","state":"queued"}');
  answering(lost, queued, lost, new Response('{"id":"1","state":"succeeded"}'));
  const heard: Error[] = [];
  const started = geard.container.start({ r: 'web' }, { onRetry: (error) => heard.push(error) });
  expect(await started.done()).toMatchObject({ state: 'succeeded' });
  expect(heard).toEqual([lost]);
});

test('a key can be given, and a request id takes its place', async () => {
  const sent = answering(new Response('{}'));
  await geard.container.start({ r: 'web' }, { key: 'mine' });
  await geard.container.start({ r: 'web', i: '2a' });
  expect(sent.map(({ headers }) => headers.get('idempotency-key'))).toEqual(['mine', null]);
});

test('a refusal is an error with its code and its problem, and is not sent again', async () => {
  const sent = answering(problem('container_not_found', 404));
  const refused = await geard.container.read({ r: 'web' }).catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(GeardError);
  expect(refused).toMatchObject({
    code: 'container_not_found',
    status: 404,
    message: 'Title (container_not_found): detail',
    problem: { detail: 'detail' },
  });
  expect(sent).toHaveLength(1);
});

test('it gives up after so many tries, with what the last answer said', async () => {
  const sent = answering(problem('queue_full', 429));
  await expect(geard.container.list()).rejects.toMatchObject({ code: 'queue_full', status: 429 });
  expect(sent).toHaveLength(3);
});

test('it waits as long as the answer says before it sends again', async () => {
  const sent = answering(problem('no_host', 503, { 'Retry-After': '1' }), new Response('{}'));
  const before = performance.now();
  await geard.container.start({ r: 'web' });
  expect(performance.now() - before).toBeGreaterThan(990);
  expect(sent).toHaveLength(2);
});

test('an answer of a proxy is told from one of geard', async () => {
  answering(new Response('<h1>no</h1>', { status: 400, headers: { 'Content-Type': 'text/html' } }));
  const refused = geard.whoami();
  await expect(refused).rejects.toMatchObject({ name: 'GeardError', code: undefined, status: 400 });
});

test.each([
  ['', 'application/json'],
  ['<h1>Log in</h1>\n<form>', 'text/html'],
  ['<h1>Log in</h1>', 'text/html'],
])('a page with status 200 is not taken for an answer of geard (%j)', async (page, type) => {
  const headers = { 'Content-Type': type };
  const sent = answering(new Response(page, { headers }));
  const foreign = {
    ...{ name: 'GeardError', code: undefined, status: 200 },
    message: 'the answer is 200 and does not come from geard',
  };
  await expect(geard.whoami()).rejects.toMatchObject(foreign);
  await expect(geard.container.stop({ r: 'web' })).rejects.toMatchObject(foreign);
  if (page !== '') await expect(geard.job.log({ id: '2a' }).next()).rejects.toMatchObject(foreign);
  expect(sent).toHaveLength(page === '' ? 2 : 3);
});

test('a refusal that says it is a problem and is not JSON does not come from geard either', async () => {
  const headers = { 'Content-Type': 'application/problem+json' };
  answering(new Response('<h1>no</h1>', { status: 403, headers }));
  await expect(geard.whoami()).rejects.toMatchObject({ name: 'GeardError', code: undefined, status: 403 });
});

test('an aborted pause ends at once with the reason of its signal', async () => {
  answering(problem('no_host', 503, { 'Retry-After': '3600' }));
  const abort = new AbortController();
  const refused = geard.host.list({}, { signal: abort.signal });
  setTimeout(() => abort.abort(new Error('enough')), 20);
  await expect(refused).rejects.toThrow('enough');
});

test('what is not the address of an api is refused at once', () => {
  expect(() => createClient({ api: 'localhost', token: 'x' })).toThrow(TypeError);
});

test('requests and answers have the types of the definitions', () => {
  type Install = Parameters<typeof geard.container.install>[0];
  expectTypeOf<Install['r']>().toEqualTypeOf<string>();
  expectTypeOf<Install>().toHaveProperty('expires');
  expectTypeOf<Awaited<ReturnType<ReturnType<typeof geard.host.drain>['done']>>>().toExtend<
    Job & { result: { draining: boolean; changed: boolean } }
  >();
  expectTypeOf(geard.environment.read).returns.resolves.toEqualTypeOf<string>();
  expectTypeOf(geard.content.archive).returns.resolves.toEqualTypeOf<Response>();
  const compiled = () => [
    geard.container.list({ limit: 10, after: 'web' }),
    geard.repository.create({ r: 'site' }),
    geard.host.repair({ h: 'h1' }),
    // @ts-expect-error A gear has a name.
    geard.container.start({}),
    // @ts-expect-error A gear has an image.
    geard.container.install({ r: 'web' }),
    // @ts-expect-error A host is named by h.
    geard.host.drain({ r: 'web' }),
    // @ts-expect-error There is no such state.
    geard.job.list({ state: 'done' }),
    // @ts-expect-error A port is a number.
    geard.container.install({ r: 'web', t: 'nginx', body: { ports: [{ internal: true }] } }),
    // @ts-expect-error There is no such parameter of a start.
    geard.container.start({ r: 'web', lines: 5 }),
  ];
  expect(compiled).toBeTypeOf('function');
});

test('what can never be sent is not tried again', async () => {
  const sent: unknown[] = [];
  vi.stubGlobal('fetch', async (...args: unknown[]) => sent.push(args));
  const geard = createClient({ api: 'http://127.0.0.1:1', token: 'a\nb' });
  await expect(geard.whoami()).rejects.toThrow(TypeError);
  expect(sent).toEqual([]);
});

test.each([
  ['', undefined, []],
  ['', 5, []],
  ['', 0, ['missed', 'missed']],
  ['{"cursor":"s=1","message":"one"}\n', 0, []],
])('a log without history that is reopened tells what may be missing, unless it had a line: %j, %j', async (line, lines, told) => {
  const cut = () => new Response(line);
  const sent = answering(cut(), cut(), new Response('{"event":"end","reason":"the time is up"}\n'));
  const events: string[] = [];
  for await (const one of geard.container.log({ r: 'web', for: 60, lines }))
    if ('event' in one) events.push(one.event);
  expect(sent).toHaveLength(3);
  expect(events).toEqual([...told, 'end']);
});

test('a log that continues after a known line has no gap when it is reopened', async () => {
  const sent = answering(new Response(''), new Response('{"event":"end","reason":"the time is up"}\n'));
  const headers = { 'Last-Event-ID': 's=1' };
  for await (const line of geard.container.log({ r: 'web', lines: 0 }, { headers }))
    expect(line).toMatchObject({ event: 'end' });
  expect(sent.map((request) => request.headers.get('last-event-id'))).toEqual(['s=1', 's=1']);
});

test('a reader that leaves a reopened log at its notice closes the connection', async () => {
  let isOpen = true;
  const silent = new ReadableStream({
    cancel() {
      isOpen = false;
    },
  });
  const answers = [new Response(''), new Response(silent)];
  vi.stubGlobal('fetch', async () => answers.shift());
  for await (const line of geard.container.log({ r: 'web', lines: 0 })) {
    expect(line).toMatchObject({ event: 'missed' });
    break;
  }
  expect(isOpen).toBe(false);
});

test.each([
  [120, ['120', '102', '1']],
  [undefined, [null, '12', '1']],
  [0, ['0', '0', '0']],
])('a log that is cut off is followed for what is left of its time, and not for all of it again: %s', async (seconds, expected) => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const cut = (seconds: number) =>
    new Response(
      new ReadableStream(
        {
          pull(stream) {
            vi.advanceTimersByTime(seconds * 1_000);
            stream.close();
          },
        },
        { highWaterMark: 0 },
      ),
    );
  const sent: string[] = [];
  const answers = [cut(18), cut(200), new Response('{"event":"end","reason":"the time is up"}\n')];
  vi.stubGlobal('fetch', async (url: string) => {
    sent.push(new URL(url).search);
    return answers.shift();
  });
  for await (const line of geard.container.log({ r: 'web', for: seconds, lines: 5 }))
    expect(line).toMatchObject({ event: 'end' });
  const asked = sent.map((query) => new URLSearchParams(query));
  expect(asked.map((query) => query.get('for'))).toEqual(expected);
  expect(new Set(asked.map((query) => query.get('lines')))).toEqual(new Set(['5']));
});

test('the client knows how long the api follows a log without a time', () => {
  const { seconds } = reads['container.log'].wants({ all: { r: 'web' } } as never) as { seconds: number };
  expect(seconds).toBe(defaultFollow);
});

test.each([
  ['job.log', { id: '2a' }, '/job/2a/log?'],
  ['container.log', {}, '/container/log?for=30'],
])('%s is reopened with a time only if it is the log of a gear', async (name, asked, target) => {
  const sent = answering(new Response(''), new Response('{"event":"end","reason":"the end"}\n'));
  const kind = geard[name.split('.')[0] as 'job'];
  for await (const line of kind.log(asked as { id: string })) expect(line).toMatchObject({ event: 'end' });
  expect(sent[1]?.url).toBe(`http://geard.example/under${target}`);
});
