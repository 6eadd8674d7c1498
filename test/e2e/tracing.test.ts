import { createServer } from 'node:http';
import { resolve } from 'node:path';
import pino from 'pino';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { listen } from '../../src/lib/http/listen.ts';
import { ask } from '../support/ask.ts';
import { newId } from '../support/client.ts';
import { sampleImage } from '../support/daemon.ts';
import { type KeyedFleet, openKeyedFleet } from '../support/keyed-fleet.ts';

const attribute = z.object({
  key: z.string(),
  value: z.object({ stringValue: z.string().optional(), intValue: z.number().optional() }),
});
const span = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().optional(),
  name: z.string(),
  kind: z.number(),
  attributes: z.array(attribute),
  links: z.array(z.object({ traceId: z.string(), spanId: z.string() })),
  status: z.object({ code: z.number() }),
});
type Span = z.infer<typeof span>;
const scopes = z.object({ scopeSpans: z.array(z.object({ spans: z.array(span) })) });
const exported = z.object({ resourceSpans: z.array(scopes) });

/** A collector of OTLP over HTTP with all that it was sent. */
const received: { head: string; body: string }[] = [];
const collector = createServer(async (req, res) => {
  const chunks = await req.toArray();
  received.push({ head: `${req.url} ${req.rawHeaders.join(' ')}`, body: Buffer.concat(chunks).toString() });
  res.setHeader('Content-Type', 'application/json').end('{}');
});

let fleet: KeyedFleet;
beforeAll(async () => {
  await sampleImage();
  const { address } = await listen(collector, { host: '127.0.0.1', port: 0 }, pino({ level: 'silent' }));
  vi.stubEnv('NODE_OPTIONS', `--import=${resolve('contrib/otel.mjs')}`);
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', `http://${address}`);
  // Nothing is sent before the programs end.
  vi.stubEnv('OTEL_BSP_SCHEDULE_DELAY', '600000');
  fleet = await openKeyedFleet();
});
afterAll(async () => {
  await fleet.close();
  vi.unstubAllEnvs();
  collector.close();
});

const spansIn = (body: string) =>
  exported
    .parse(JSON.parse(body))
    .resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
const attributesOf = ({ attributes }: Span) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue]));
const [server, consumer] = [2, 5]; // Kinds, as the protocol counts them.

const trace = '0af7651916cd43dd8448eb211c80319c';
const parent = 'b7ad6b7169203331';
const headers = {
  traceparent: `00-${trace}-${parent}-01`,
  tracestate: 'secret=state',
  baggage: 'secret=bag',
};

test('a request, its job, the steps and the effects reach a collector, and nothing secret does', async () => {
  const client = await fleet.as();
  const token = new URL(client.url).pathname.split('/').pop() ?? '';
  const parameters = { u: 'secret-user', r: 'secret-gear', t: 'geard/sample' };
  const body = { ports: [{ internal: 8080 }], env: [{ name: 'SECRET_NAME', value: 'secret-value' }] };
  const i = newId();
  const wait = { Prefer: 'wait=60' };
  const done = await client.send(
    'PUT',
    'container',
    { ...parameters, i },
    { body, headers: { ...headers, ...wait } },
  );
  expect(done.status).toBe(200);
  const external = z.object({ ports: z.tuple([z.object({ external: z.number() })]) });
  const taken = external.parse(done.body.result).ports[0].external;
  const second = await client.send(
    'PUT',
    'container',
    { ...parameters, r: 'secret-second', i: newId() },
    { body: { ports: [{ internal: 8080, external: taken }] }, headers: wait },
  );
  expect(second.body.code).toBe('port_taken');
  const missing = { u: 'secret-user', r: 'secret-missing', i: newId() };
  expect((await client.send('PUT', 'container/stopped', missing)).status).toBe(404);
  const stranger = `${fleet.api}/token/secret-token/container?r=secret-gear`;
  expect((await ask(stranger, { headers })).status).toBe(401);
  await fleet.stop('api');
  await fleet.stop('worker');

  const spans = received.flatMap((one) => spansIn(one.body));
  const named = (name: string) => spans.filter((one) => one.name === name);
  const childrenOf = (one: Span | undefined) =>
    spans.filter(({ parentSpanId }) => parentSpanId === one?.spanId).map(({ name }) => name);

  const [asked, refused, ...others] = named('PUT /container');
  expect(others).toEqual([]);
  expect(asked).toMatchObject({ traceId: trace, parentSpanId: parent, kind: server });
  expect(asked && attributesOf(asked)).toEqual({
    'http.request.method': 'PUT',
    'http.route': '/container',
    'http.response.status_code': 200,
  });
  expect(childrenOf(asked)).toContain('redis.accept');

  const [job] = named('job container.install');
  expect(job).toMatchObject({ kind: consumer, links: [{ traceId: trace, spanId: asked?.spanId }] });
  expect(job?.parentSpanId).toBeUndefined();
  expect(job && attributesOf(job)).toEqual({
    'geard.job.id': i.padStart(32, '0'),
    'geard.job.type': 'container.install',
    'geard.job.state': 'succeeded',
  });
  expect(childrenOf(job)).toEqual(expect.arrayContaining(['step image', 'step start']));
  const [start] = named('step start');
  expect(start?.traceId).toBe(job?.traceId);
  expect(childrenOf(start).length).toBeGreaterThan(0);

  const [, failed] = named('job container.install');
  expect(failed).toMatchObject({ status: { code: 2 }, links: [{ spanId: refused?.spanId }] });
  expect(failed && attributesOf(failed)).toMatchObject({
    'geard.job.state': 'failed',
    'error.type': 'port_taken',
  });
  const [unknown] = named('PUT /container/stopped');
  expect(unknown).toMatchObject({ status: { code: 0 } }); // It is not our fault.
  expect(unknown && attributesOf(unknown)).toMatchObject({
    'http.response.status_code': 404,
    'error.type': 'container_not_found',
  });
  expect(named('GET /container')).toEqual([]); // A stranger has nothing traced.

  const bytes = received.map(({ head, body }) => `${head}\n${body}`).join('\n');
  expect(bytes).toContain('geard');
  expect(bytes).not.toMatch(/secret/i);
  for (const part of token.match(/.{1,40}/g) ?? []) expect(bytes).not.toContain(part);
  expect(bytes).not.toContain('geard/sample');
});
