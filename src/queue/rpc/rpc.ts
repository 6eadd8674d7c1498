import { randomUUID } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { z } from 'zod';
import { Failure, failureOf, toldFailure } from '../../jobs/errors.ts';
import { MiB } from '../../jobs/fields/bytes.ts';
import { payloadVersion } from '../../jobs/payload-version.ts';
import { answerSchemas, type Queries, type Query } from '../../jobs/rpc/queries.ts';
import { pause } from '../../lib/async/pause.ts';
import { parseJson } from '../../lib/parse-json.ts';
import type { RedisClock } from '../redis/clock.ts';
import { channels, keys } from '../redis/keys.ts';

/**
 * Queries to a worker without a job: reads and cancellations. A query goes onto the host's list,
 * and the answer comes back by pub/sub. If either gets lost, the caller times out.
 */

/** A query, as it lies on its host's list. */
const asked = z.object({
  id: z.uuid(),
  api: z.uuid(),
  /** See jobs/payload-version.ts. */
  v: z.number().default(1),
  question: z.string().max(64),
  /** The client's own request, sealed for the worker. */
  sealed: z.string().max(1_000_000),
  args: z.unknown(),
  /** The caller's deadline, milliseconds since the epoch. */
  until: z.number(),
});

const answered = z.object({
  id: z.uuid(),
  answer: z.unknown().optional(),
  failure: toldFailure.optional(),
});

/**
 * Maximum number of queries on a host's list: beyond it the oldest ones are dropped, and their
 * callers time out. A worker that holds as many takes no more.
 */
const maxWaiting = 1_000;

/**
 * Maximum number of queries taken at a time. Taken one by one, a query would wait one round trip
 * for each earlier query of any user, before users take turns.
 */
const batch = 100;

/**
 * Default timeout for an answer, in milliseconds: a client hears within two seconds that there is
 * none.
 */
const defaultTimeout = 1_800;

/** Maximum timeout for an answer, in milliseconds: AbortSignal.timeout takes no infinite time. */
const maxTimeout = 60_000;

/**
 * Maximum bytes of an answer; a list of gears needs up to 3 MiB. Redis closes a subscriber to which
 * it has more than 32 MiB to send (client-output-buffer-limit pubsub), and an api hears all answers
 * through one.
 */
const maxAnswer = 4 * MiB;

/** A worker has not answered in time, or its answer is invalid. */
export class NoAnswer extends Failure {
  constructor(host: string, what: string) {
    super('host_unavailable', `the host ${host} ${what}`);
  }
}

export interface RpcClient {
  /** Throws the worker's error, or `host_unavailable` when no valid answer arrives in time. */
  ask<Q extends Query>(
    host: string,
    question: Q,
    sealed: string,
    args: Queries[Q]['args'],
    timeout?: number,
  ): Promise<Queries[Q]['answer']>;
}

export function createRpcClient(redis: Redis, subscriber: Redis, clock: RedisClock): RpcClient {
  const api = randomUUID();
  const replies = new EventEmitter().setMaxListeners(0);
  subscriber.on('message', (channel: string, text: string) => {
    const reply = answered.safeParse(parseJson(text));
    // An answer counts only from the host that was asked.
    if (reply.success) replies.emit(`${channel} ${reply.data.id}`, reply.data);
  });
  const listening = new Map<string, Promise<unknown>>();
  /** Subscribes to the answers of a host; ioredis repeats it at every reconnect. */
  const listenTo = (host: string) => {
    const known = listening.get(host);
    if (known) return known;
    const subscribed = subscriber.subscribe(channels.replies(host, api));
    listening.set(host, subscribed);
    subscribed.catch(() => listening.delete(host));
    return subscribed;
  };

  return {
    async ask(host, question, sealed, args, timeout = defaultTimeout) {
      const id = randomUUID();
      const event = `${channels.replies(host, api)} ${id}`;
      const said = once(replies, event, { signal: AbortSignal.timeout(timeout) });
      const reply = said.then(
        ([answer]: z.infer<typeof answered>[]) => answer,
        () => {
          throw new NoAnswer(host, 'does not answer');
        },
      );
      reply.catch(() => undefined); // It may reject before it is awaited.
      const until = clock.now() + timeout;
      const text = JSON.stringify({ id, api, v: payloadVersion, question, sealed, args, until });
      await Promise.race([listenTo(host), reply]);
      await redis
        .multi()
        .lpush(keys.asks(host), text)
        .ltrim(keys.asks(host), 0, maxWaiting - 1)
        .expire(keys.asks(host), 60)
        .exec();
      const { answer, failure } = (await reply) ?? {};
      if (failure) throw failureOf(failure);
      const parsed = answerSchemas[question].safeParse(answer);
      if (!parsed.success) throw new NoAnswer(host, 'has sent an invalid answer');
      return parsed.data;
    },
  };
}

/** A query that is being answered. */
export interface Asking {
  /** Aborts when the caller has timed out. */
  signal: AbortSignal;
  /** Names the query; the handler that opens its request adds the owner. */
  log: Logger;
}

export type QueryHandlers = {
  [Q in Query]: (sealed: string, args: unknown, asking: Asking) => Promise<Queries[Q]['answer']>;
};

/**
 * Answers queries until the signal aborts. `blocking` is a connection of its own; `redis` sends the
 * answers. Requests and arguments arrive unchecked: the handlers check them, and take turns. Holds
 * at most `maxWaiting` queries and a batch; the others stay on the list, which has its own limit.
 */
export async function serveQueries(
  redis: Redis,
  blocking: Redis,
  host: string,
  answers: QueryHandlers,
  clock: RedisClock,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const held = new Set<Promise<void>>();
  const handle = async (text: string) => {
    const parsed = asked.safeParse(parseJson(text));
    if (!parsed.success) return;
    const { id, api, until, question } = parsed.data;
    const left = Math.ceil(until - clock.now());
    if (left <= 0) return;
    const signal = AbortSignal.timeout(Math.min(left, maxTimeout));
    const asking: Asking = { signal, log: log.child({ question }) };
    const reply = await answerOne(answers, parsed.data, asking);
    if (reply === null) return;
    await redis
      .publish(channels.replies(host, api), textOf(id, reply, asking))
      .catch((error: Error) => asking.log.warn({ reason: error.message }, 'an answer got lost'));
  };
  const take = (text: string) => {
    const handled: Promise<void> = handle(text).finally(() => held.delete(handled));
    held.add(handled);
  };
  while (!signal.aborted) {
    try {
      const next = await blocking.brpop(keys.asks(host), 5);
      if (!next) continue;
      take(next[1]);
      for (const text of (await blocking.rpop(keys.asks(host), batch)) ?? []) take(text);
      while (held.size >= maxWaiting) await Promise.race(held);
    } catch (error) {
      if (signal.aborted) return;
      log.debug({ reason: (error as Error).message }, 'queries cannot be read');
      await pause(200);
    }
  }
}

/** An answer as it is sent, or in its place the failure that it is too large. */
function textOf(id: string, reply: object, { log }: Asking): string {
  const text = JSON.stringify({ id, ...reply });
  const bytes = Buffer.byteLength(text);
  if (bytes <= maxAnswer) return text;
  log.warn({ bytes }, 'an answer is too large to be sent');
  const detail = `the answer of the host has ${bytes} bytes, and at most ${maxAnswer} are sent`;
  return JSON.stringify({ id, failure: { code: 'internal', detail } });
}

async function answerOne(
  answers: QueryHandlers,
  { v, question, sealed, args }: z.infer<typeof asked>,
  asking: Asking,
) {
  try {
    if (v > payloadVersion || !Object.hasOwn(answers, question))
      throw new Failure(
        'host_unavailable',
        'the worker of this host is older than the api and does not support this request; upgrade it',
      );
    return { answer: await answers[question as Query](sealed, args, asking) };
  } catch (error) {
    if (error === asking.signal.reason) return null;
    if (!(error instanceof Failure) || error.code === 'internal')
      asking.log.error({ err: error }, 'a query could not be answered');
    if (error instanceof Failure)
      return { failure: { code: error.code, detail: error.message, limit: error.limit } };
    return { failure: { code: 'internal', detail: 'the worker could not answer' } };
  }
}
