import type * as Api from '@opentelemetry/api';
import { pause } from './async/pause.ts';
import type { Trace } from './effect.ts';

/*
 * OpenTelemetry spans of requests, jobs, their steps and effects. docs/tracing.md lists the names
 * and attributes: no token, no value, no URL, and no name that a client chose.
 */

interface Tracing {
  api: typeof Api;
  tracer: Api.Tracer;
  provider: Api.TracerProvider;
}

/** Null without the API or an SDK behind it: nothing is traced. */
let tracing: Tracing | null = null;

/** The span of each job's current step, by the span of the job. */
const steps = new WeakMap<Api.Span, Api.Span>();

/**
 * Starts tracing if the operator has installed the API and registered an SDK. Returns whether it
 * has started.
 */
export async function startTracing(
  version: string,
  load: () => Promise<typeof Api> = () => import('@opentelemetry/api'),
): Promise<boolean> {
  const api = await load().catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ERR_MODULE_NOT_FOUND') return null;
    throw error;
  });
  tracing = api && tracingBy(api, version);
  return tracing !== null;
}

function tracingBy(api: typeof Api, version: string): Tracing | null {
  const provider = api.trace.getTracerProvider();
  if (!(provider instanceof api.ProxyTracerProvider))
    return { api, provider, tracer: provider.getTracer('geard', version) };
  const tracer = provider.getDelegateTracer('geard', version);
  return tracer ? { api, tracer, provider: provider.getDelegate() } : null;
}

/** Makes the SDK send the spans it holds. Waits at most `timeout` milliseconds. */
export async function flushSpans(timeout: number): Promise<void> {
  const provider = tracing?.provider;
  if (!provider || !('forceFlush' in provider) || typeof provider.forceFlush !== 'function') return;
  const sent: Promise<void> = provider.forceFlush();
  await Promise.race([sent.catch(() => undefined), pause(timeout)]);
}

/**
 * Version, trace, parent and flags (W3C Trace Context, 3.2); a trace or parent of zeros is invalid,
 * and so is version ff.
 */
const traceparent = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:$|-)/;

/** Parses a `traceparent` from an untrusted sender; returns null if it is invalid. */
export function readTraceparent(text: string): Api.SpanContext | null {
  const [, traceId, spanId, flags] = traceparent.exec(text) ?? [];
  if (traceId === undefined || spanId === undefined) return null;
  return { traceId, spanId, traceFlags: Number(`0x${flags}`) & 1, isRemote: true };
}

/** An open span. Whatever is traced while its work runs becomes its child. */
export class OpenSpan {
  readonly #api: typeof Api;
  readonly #span: Api.Span;

  constructor({ api }: Tracing, span: Api.Span) {
    this.#api = api;
    this.#span = span;
  }

  get traceparent(): string {
    const { traceId, spanId, traceFlags } = this.#span.spanContext();
    return `00-${traceId}-${spanId}-0${traceFlags & 1}`;
  }

  run<T>(work: () => T): T {
    return this.#api.context.with(this.#api.trace.setSpan(this.#api.ROOT_CONTEXT, this.#span), work);
  }

  /** `error`: the code of the error. `isOurs`: the error is ours, not the client's. */
  end(attributes: Api.Attributes = {}, error?: string, isOurs = true): void {
    this.#span.setAttributes(attributes);
    if (error !== undefined) this.#span.setAttribute('error.type', error);
    if (error !== undefined && isOurs) this.#span.setStatus({ code: this.#api.SpanStatusCode.ERROR });
    this.#span.end();
  }
}

/** `route`: template of the path. `parent`: the request's `traceparent`. Null if not tracing. */
export function beginRequest(method: string, route: string, parent: string): OpenSpan | null {
  if (tracing === null) return null;
  const { api, tracer } = tracing;
  const remote = readTraceparent(parent);
  const within = remote ? api.trace.setSpanContext(api.ROOT_CONTEXT, remote) : api.ROOT_CONTEXT;
  const attributes = { 'http.request.method': method, 'http.route': route };
  const options = { kind: api.SpanKind.SERVER, attributes };
  return new OpenSpan(tracing, tracer.startSpan(`${method} ${route}`, options, within));
}

/** Links a job's span to its request's span; it is no child, because a job may wait for a day. */
export function beginJob(id: string, type: string, request: string | undefined): OpenSpan | null {
  if (tracing === null) return null;
  const { api, tracer } = tracing;
  const context = readTraceparent(request ?? '');
  const links = context ? [{ context }] : [];
  const attributes = { 'geard.job.id': id, 'geard.job.type': type };
  const options = { kind: api.SpanKind.CONSUMER, root: true, links, attributes };
  return new OpenSpan(tracing, tracer.startSpan(`job ${type}`, options, api.ROOT_CONTEXT));
}

/** Starts a step of the active job. Returns a function that ends the step; null if not tracing. */
export function beginStep(step: string): (() => void) | null {
  if (tracing === null) return null;
  const job = tracing.api.trace.getActiveSpan();
  if (!job?.isRecording()) return null;
  const span = childOf(tracing, job, `step ${step}`);
  steps.set(job, span);
  return () => {
    span.end();
    steps.delete(job);
  };
}

/** Records a finished effect as a child of the active step or request. */
export function traceEffect({ effect, of, ms, outcome }: Trace): void {
  if (tracing === null) return;
  const around = tracing.api.trace.getActiveSpan();
  // Work that a request or a job has started may outlast its span.
  if (!around?.isRecording()) return;
  const name = effect === 'exec' ? `exec ${of}` : effect;
  const span = childOf(tracing, steps.get(around) ?? around, name, { startTime: Date.now() - ms });
  new OpenSpan(tracing, span).end({}, outcome === 'done' ? undefined : outcome);
}

function childOf({ api, tracer }: Tracing, parent: Api.Span, name: string, how: Api.SpanOptions = {}) {
  return tracer.startSpan(name, how, api.trace.setSpan(api.ROOT_CONTEXT, parent));
}
