import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import type { Logger } from 'pino';
import { z } from 'zod';
import { errorCodes, Failure } from '../jobs/errors.ts';
import type { Question, Questions } from '../jobs/gear.ts';
import { parseJson } from '../lib/parse-json.ts';
import { channels, keys } from './keys.ts';

/**
 * Questions to a worker that need no job: reads, and the wish to cancel. A question goes onto the host's list,
 * the answer comes back by pub/sub; whichever gets lost is a timeout for the one who asked.
 */
const asked = z.object({
  id: z.uuid(),
  api: z.uuid(),
  question: z.string().max(64),
  args: z.unknown(),
  /** Milliseconds since the epoch after which nobody waits for the answer. */
  until: z.number(),
});

const answered = z.object({
  id: z.uuid(),
  answer: z.unknown().optional(),
  failure: z.object({ code: z.enum(errorCodes), detail: z.string() }).optional(),
});

/** So many questions may wait for a worker; more than that nobody will still be waiting for. */
const mostWaiting = 1_000;

export interface Asker {
  /** Throws what the worker threw, or `host_unavailable` when no answer came in time. */
  ask<Q extends Question>(
    host: string,
    question: Q,
    args: Questions[Q]['args'],
    timeout?: number,
  ): Promise<Questions[Q]['answer']>;
}

export function createAsker(redis: Redis, subscriber: Redis): Asker {
  const api = randomUUID();
  const pending = new Map<string, (reply: z.infer<typeof answered>) => void>();
  const channel = channels.replies(api);
  subscriber.on('message', (from: string, text: string) => {
    if (from !== channel) return;
    const reply = answered.safeParse(parseJson(text));
    if (reply.success) pending.get(reply.data.id)?.(reply.data);
  });
  subscriber.subscribe(channel).catch(() => undefined); // Repeated by ioredis at every reconnect.

  return {
    async ask(host, question, args, timeout = 5_000) {
      const id = randomUUID();
      const reply = new Promise<z.infer<typeof answered>>((resolve, reject) => {
        const timer = setTimeout(() => {
          pending.delete(id);
          reject(new Failure('host_unavailable', `the host ${host} does not answer`));
        }, timeout);
        pending.set(id, (answer) => {
          clearTimeout(timer);
          pending.delete(id);
          resolve(answer);
        });
      });
      reply.catch(() => undefined); // It may be refused before anybody waits for it.
      const text = JSON.stringify({ id, api, question, args, until: Date.now() + timeout });
      await redis
        .multi()
        .lpush(keys.asks(host), text)
        .ltrim(keys.asks(host), 0, mostWaiting - 1)
        .expire(keys.asks(host), 60)
        .exec();
      const { answer, failure } = await reply;
      if (failure) throw new Failure(failure.code, failure.detail);
      return answer as never;
    },
  };
}

export type Answers = { [Q in Question]: (args: unknown) => Promise<Questions[Q]['answer']> };

/**
 * Answers questions until the signal aborts. `blocking` is a connection of its own, `redis` sends the answers.
 * Arguments are passed on unchecked: the answers check them.
 */
export async function answerQuestions(
  redis: Redis,
  blocking: Redis,
  host: string,
  answers: Answers,
  log: Logger,
  signal: AbortSignal,
): Promise<void> {
  const handle = async (text: string) => {
    const parsed = asked.safeParse(parseJson(text));
    if (!parsed.success || parsed.data.until < Date.now()) return;
    const { id, api, question, args } = parsed.data;
    const reply = await answerOne(answers, question, args, log);
    await redis.publish(channels.replies(api), JSON.stringify({ id, ...reply }));
  };
  while (!signal.aborted) {
    try {
      const next = await blocking.brpop(keys.asks(host), 5);
      if (next)
        handle(next[1]).catch((error: Error) => log.warn({ reason: error.message }, 'an answer got lost'));
    } catch (error) {
      if (signal.aborted) return;
      log.debug({ reason: (error as Error).message }, 'questions cannot be read');
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

async function answerOne(answers: Answers, question: string, args: unknown, log: Logger) {
  try {
    if (!Object.hasOwn(answers, question))
      throw new Failure('internal', 'the worker does not know this question');
    return { answer: await answers[question as Question](args) };
  } catch (error) {
    if (!(error instanceof Failure) || error.code === 'internal')
      log.error({ err: error, question }, 'a question could not be answered');
    if (error instanceof Failure) return { failure: { code: error.code, detail: error.message } };
    return { failure: { code: 'internal', detail: 'the worker could not answer' } };
  }
}
