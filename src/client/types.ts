import type { z } from 'zod';
import type { Job } from '../jobs/job.ts';
import type { Parameters as Query } from '../jobs/parameters.ts';
import type { Answer, JobType, jobs, ReadName, Result, reads } from '../jobs/registry.ts';
import type { operations } from './operations.ts';

export type OperationName = JobType | ReadName;
type Row<N extends OperationName> = (typeof operations)[N];

/** Options of a call, besides its request. */
export interface CallOptions {
  signal?: AbortSignal;
  /**
   * The Idempotency-Key of a change. Another call with the same key, even later, joins the first
   * call's job. Default: a random key.
   */
  key?: string;
  /** More headers, such as `If-None-Match`. */
  headers?: Record<string, string>;
  /** Called before each retry of the request, after the client's own `onRetry`. */
  onRetry?: (error: Error, pause: number) => void;
}

type Optional<T> = { [K in keyof T]?: T[K] | undefined };
type Flat<T> = { [K in keyof T]: T[K] };

/** The variable part of a path. */
type InPath<Path> = Path extends `${string}{/${infer V}*}`
  ? { [K in V]?: string | undefined }
  : Path extends `${string}{${infer V}}${string}`
    ? { [K in V]: string }
    : unknown;

type TypeOf<T> = [T] extends [undefined] ? unknown : undefined extends T ? { t?: T | undefined } : { t: T };

type BodyOf<B> = string extends keyof B ? unknown : object extends B ? { body?: B } : { body: B };

/** The target of a change: a host, or a resource and optionally its host. */
type Place<On> = On extends 'host' ? { h: string } : { r: string; h?: string | undefined };

type JobRequest<N extends JobType> = Flat<
  Place<(typeof jobs)[N]['on']> &
    TypeOf<z.input<NonNullable<(typeof jobs)[N]['t']>>> &
    BodyOf<z.input<(typeof jobs)[N]['body']>> &
    Optional<{ u: string; i: string; expires: number }>
>;

type Needed<N extends ReadName> = Exclude<(typeof reads)[N]['needs'][number], 't'>;

type ReadRequest<N extends ReadName> = Flat<
  { [K in Needed<N>]: NonNullable<Query[K]> } & {
    [K in (typeof reads)[N]['takes'][number]]?: NonNullable<Query[K]> | undefined;
  } & InPath<Row<N>['path']>
>;

/** The input of a call: parameters, named as in docs/api.md, and the body. */
export type RequestOf<N extends OperationName> = N extends JobType
  ? JobRequest<N>
  : N extends ReadName
    ? ReadRequest<N>
    : never;

/** A change that was sent: a promise of its accepted job. */
export interface Change<N extends JobType> extends Promise<Job> {
  /** Waits until the job has succeeded. Throws GeardError when it fails or is cancelled. */
  done(): Promise<Succeeded<N>>;
  /** Yields every step of the job live, from the first to the outcome. */
  events(): AsyncGenerator<Answer<'job.log'>, void, void>;
}

export type Succeeded<N extends JobType> = Job & { state: 'succeeded'; result: Result<N> };

type FormOf<N extends ReadName> = {
  document: Promise<Answer<N>>;
  text: Promise<string>;
  lines: AsyncGenerator<Answer<N>, void, void>;
  bytes: Promise<Response>;
};

export type AnswerTo<N extends OperationName> = N extends JobType
  ? Change<N>
  : N extends ReadName
    ? FormOf<N>[Extract<Row<N>['answer'], keyof FormOf<N>>]
    : never;

type Call<N extends OperationName> =
  object extends RequestOf<N>
    ? (request?: RequestOf<N>, options?: CallOptions) => AnswerTo<N>
    : (request: RequestOf<N>, options?: CallOptions) => AnswerTo<N>;

type Kind = OperationName extends infer N ? (N extends `${infer K}.${string}` ? K : never) : never;

/** Every operation by its name: `container.install` is `client.container.install`. */
export type Client = {
  [K in Kind]: { [N in OperationName as N extends `${K}.${infer Verb}` ? Verb : never]: Call<N> };
} & { [N in OperationName as N extends `${string}.${string}` ? never : N]: Call<N> };
