import * as api from '@opentelemetry/api';
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { traced, traceEffects } from '../../../src/lib/effect.ts';
import {
  beginJob,
  beginRequest,
  beginStep,
  flushSpans,
  readTraceparent,
  startTracing,
  traceEffect,
} from '../../../src/lib/tracing.ts';
import { readRecord } from '../../../src/queue/records/job-record.ts';
import { followSteps } from '../../../src/worker/metrics.ts';

const trace = '0af7651916cd43dd8448eb211c80319c';
const parent = 'b7ad6b7169203331';
const sent = `00-${trace}-${parent}-01`;
const job = 'a'.repeat(32);

const fails = (code: string) => () => Promise.reject(Object.assign(new Error(code), { code }));

/** Everything that can be traced, once; what each returns. */
const traceAll = () => [
  beginRequest('PUT', '/container', sent),
  beginJob(job, 'container.install', sent),
  beginStep('pull'),
  traceEffect({ effect: 'exec', of: 'git', ms: 1, outcome: 'done' }),
];

describe('nothing is traced', () => {
  test('where the package of the API is not installed', async () => {
    expect(await startTracing('1', fails('ERR_MODULE_NOT_FOUND'))).toBe(false);
    expect(traceAll()).toEqual([null, null, null, undefined]);
  });

  test('where no SDK is registered', async () => {
    expect(await startTracing('1', async () => api)).toBe(false);
    expect(traceAll()).toEqual([null, null, null, undefined]);
  });
});

test('a package of the API that cannot be loaded is an error', async () => {
  await expect(startTracing('1', fails('EACCES'))).rejects.toThrow('EACCES');
});

const wrong: [what: string, text: string][] = [
  ['nothing', ''],
  ['a trace of zeros', `00-${'0'.repeat(32)}-${parent}-01`],
  ['a parent of zeros', `00-${trace}-${'0'.repeat(16)}-01`],
  ['the version ff', `ff${sent.slice(2)}`],
  ['upper case', sent.toUpperCase()],
  ['no flags', sent.slice(0, 52)],
  ['flags that are no number', `${sent.slice(0, 53)}0x`],
  ['more digits', `${sent}0`],
  ['a line break before it', `\n${sent}`],
  ['a token', `/token/${sent}`],
];

describe('a traceparent', () => {
  test.each([
    ['of this version', sent, 1],
    ['that is not sampled', `${sent.slice(0, 53)}00`, 0],
    ['with flags that nobody knows yet', `${sent.slice(0, 53)}fe`, 0],
    ['of a later version', `cc${sent.slice(2)}-more`, 1],
  ])('%s is read', (_, text, traceFlags) => {
    expect(readTraceparent(text)).toEqual({ traceId: trace, spanId: parent, traceFlags, isRemote: true });
  });

  test.each(wrong)('with %s is none', (_, text) => expect(readTraceparent(text)).toBeNull());
});

describe('the span in a record of a job', () => {
  const record = { type: 'container.stop', resource: 'web', host: 'h1', user: 'ann', fingerprint: 'f' };
  const read = (span: string) =>
    readRecord({ host: 'h1', id: job }, { ...record, createdAt: new Date(0).toISOString(), span }, {});
  const longer: [what: string, text: string] = ['something behind it', `cc${sent.slice(2)}-more`];

  test('is read', () => expect(read(sent)?.origin.span).toBe(sent));
  test.each([...wrong, longer])('counts for nothing with %s, and the job is read', (_, text) => {
    expect(read(text)?.origin.span).toBeUndefined();
    expect(read(text)?.job.user).toBe('ann');
  });
});

describe('with an SDK', () => {
  const exporter = new InMemorySpanExporter();
  const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  beforeEach(async () => {
    provider.register();
    expect(await startTracing('1')).toBe(true);
    traceEffects(traceEffect);
  });
  afterEach(async () => {
    traceEffects(null);
    api.trace.disable();
    api.context.disable();
    await startTracing('1', fails('ERR_MODULE_NOT_FOUND'));
    exporter.reset();
  });

  /** The spans that have ended, by their names. */
  const spans = () => {
    const all = exporter.getFinishedSpans();
    const idOf = (name: string) => all.find((one) => one.name === name)?.spanContext().spanId;
    return {
      all,
      names: all.map(({ name }) => name),
      idOf,
      get: (name: string) => all.find((one) => one.name === name),
    };
  };
  const effect = (name: string, of?: string) => traced(name, of, async () => undefined);

  test('a request is a child of its client, and its effects are its children', async () => {
    const request = beginRequest('PUT', '/container', sent);
    await request?.run(() => effect('redis.accept', 'secret'));
    request?.end({ 'http.response.status_code': 202 });
    await effect('redis.heartbeat'); // Of nobody.
    const { all, get, idOf, names } = spans();
    expect(names).toEqual(['redis.accept', 'PUT /container']);
    expect(get('PUT /container')).toMatchObject({
      kind: api.SpanKind.SERVER,
      parentSpanContext: { traceId: trace, spanId: parent },
      status: { code: api.SpanStatusCode.UNSET },
      attributes: {
        'http.request.method': 'PUT',
        'http.route': '/container',
        'http.response.status_code': 202,
      },
    });
    expect(get('redis.accept')?.parentSpanContext?.spanId).toBe(idOf('PUT /container'));
    expect(request?.traceparent).toBe(`00-${trace}-${idOf('PUT /container')}-01`);
    expect(JSON.stringify(all.map(({ attributes }) => attributes))).not.toContain('secret');
  });

  test('a request with a traceparent that is none begins a trace', () => {
    beginRequest('GET', '/jobs', `${sent}0`)?.end();
    expect(spans().get('GET /jobs')?.parentSpanContext).toBeUndefined();
  });

  test('a refusal by a client is no error, a fault of ours is one', () => {
    beginRequest('GET', '/a', '')?.end({}, 'token_forbids', false);
    beginRequest('GET', '/b', '')?.end({}, 'internal', true);
    const { get } = spans();
    expect(get('GET /a')).toMatchObject({
      status: { code: 0 },
      attributes: { 'error.type': 'token_forbids' },
    });
    expect(get('GET /b')).toMatchObject({ status: { code: 2 }, attributes: { 'error.type': 'internal' } });
  });

  test('a job begins a trace that is linked to its request, wherever it is begun', () => {
    beginRequest('PUT', '/container', '')?.run(() => beginJob(job, 'container.install', sent)?.end());
    const span = spans().get('job container.install');
    expect(span).toMatchObject({
      kind: api.SpanKind.CONSUMER,
      links: [{ context: { traceId: trace, spanId: parent } }],
      attributes: { 'geard.job.id': job, 'geard.job.type': 'container.install' },
    });
    expect(span?.parentSpanContext).toBeUndefined();
    expect(span?.spanContext().traceId).not.toBe(trace);
  });

  test('a job without the span of its request has no link', () => {
    beginJob(job, 'container.stop', undefined)?.end();
    expect(spans().get('job container.stop')?.links).toEqual([]);
  });

  test('the steps of a job are its children, and effects are those of the step', async () => {
    const running = beginJob(job, 'container.install', sent);
    await running?.run(async () => {
      await effect('file.before');
      const enter = followSteps();
      enter('pull');
      await effect('docker.pull');
      enter('pull');
      enter('start');
      await effect('exec', 'git');
      enter(null);
      await effect('file.after');
    });
    running?.end();
    const { all, names } = spans();
    const parents = all.map((one) =>
      all.find((other) => other.spanContext().spanId === one.parentSpanContext?.spanId),
    );
    expect(names.map((name, i) => [name, parents[i]?.name])).toEqual([
      ['file.before', 'job container.install'],
      ['docker.pull', 'step pull'],
      ['step pull', 'job container.install'],
      ['exec git', 'step start'],
      ['step start', 'job container.install'],
      ['file.after', 'job container.install'],
      ['job container.install', undefined],
    ]);
  });

  test('an effect that fails has its code, and took as long as it took', async () => {
    const request = beginRequest('GET', '/jobs', '');
    await request?.run(async () =>
      traceEffect({ effect: 'docker.pull', of: undefined, ms: 1_500, outcome: 'ETIMEDOUT' }),
    );
    const span = spans().get('docker.pull');
    expect(span).toMatchObject({
      status: { code: api.SpanStatusCode.ERROR },
      attributes: { 'error.type': 'ETIMEDOUT' },
    });
    const [seconds = 0, nanoseconds = 0] = span?.duration ?? [];
    expect(seconds * 1_000 + nanoseconds / 1e6).toBeCloseTo(1_500, -2);
    request?.end();
  });

  test('what goes on after a request is not traced', async () => {
    const request = beginRequest('GET', '/jobs', '');
    await request?.run(async () => {
      request.end();
      await effect('redis.late');
      expect(beginStep('late')).toBeNull();
    });
    expect(spans().names).toEqual(['GET /jobs']);
  });

  test.each([
    ['sends the last spans', async () => undefined, 5_000],
    ['goes on where the collector refuses them', () => Promise.reject(new Error('refused')), 5_000],
    ['goes on where the collector does not answer', () => new Promise<void>(() => undefined), 1],
  ])('the end of the program %s', async (_, answer, patience) => {
    let asked = 0;
    exporter.forceFlush = () => {
      asked++;
      return answer();
    };
    await flushSpans(patience);
    expect(asked).toBe(1);
  });
});
