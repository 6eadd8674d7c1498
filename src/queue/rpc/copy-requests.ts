import type { Redis } from 'ioredis';
import { z } from 'zod';
import { Failure } from '../../jobs/errors.ts';
import { hostName } from '../../jobs/fields/identifier.ts';
import { requestId } from '../../jobs/fields/request-id.ts';
import { parseJson } from '../../lib/parse-json.ts';
import { channels, hostOfChannel, keys } from '../redis/keys.ts';
import type { RelaySender } from './relay-sender.ts';
import { openFrames } from './stream-relay.ts';

/**
 * Brings a resource of another host to a worker, which can reach neither that host nor its keys.
 * The worker creates a stream of frames to read from and announces it on its own channel. Every api
 * hears it, and the first to claim the stream sends the data for the job's copy. If that api dies,
 * the stream falls silent, and the worker asks again.
 */
const wanted = z.strictObject({ job: requestId, frames: z.uuid() });

/** A worker's request to the apis; `frames` is the stream that it reads. */
export type CopyRequest = z.infer<typeof wanted> & { host: string };

/** Requests the data for a job's copy. The body throws a `Failure` when it breaks off. */
export async function requestCopy(
  redis: Redis,
  connect: () => Redis,
  host: string,
  job: string,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  const announce = (frames: string) => redis.publish(channels.fetch(host), JSON.stringify({ job, frames }));
  const { body } = await openFrames(redis, connect, host, announce, signal);
  return asFailures(body, signal);
}

/** Treats a lost connection to Redis as a stream that breaks off. */
async function* asFailures(body: AsyncIterable<Uint8Array>, signal: AbortSignal) {
  try {
    yield* body;
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof Failure) throw error;
    throw new Failure('host_unavailable', 'the stream was cut off: the queue cannot be reached', {
      cause: error,
    });
  }
}

/** Calls the listener with every request of any worker. */
export function subscribeToCopyRequests(subscriber: Redis, listener: (request: CopyRequest) => void): void {
  const everywhere = channels.fetch('*');
  subscriber.on('pmessage', (pattern: string, channel: string, text: string) => {
    if (pattern !== everywhere) return;
    const host = hostName.safeParse(hostOfChannel(channel));
    const parsed = wanted.safeParse(parseJson(text));
    if (host.success && parsed.success) listener({ host: host.data, ...parsed.data });
  });
  // Waits for the first connection; ioredis repeats it at every reconnect.
  subscriber.psubscribe(everywhere).catch(() => undefined);
}

/**
 * Sends a body to the worker that requested it; resolves with false when another api does, or no
 * reader is left. Calls `open` once the stream is ours; its signal aborts when the reader has left.
 */
export async function sendCopy(
  sender: RelaySender,
  { host, frames }: CopyRequest,
  open: (signal: AbortSignal) => AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<boolean> {
  const key = keys.frames(host, frames);
  if (!(await sender.claim(key))) return false;
  const gone = new AbortController();
  const body = open(AbortSignal.any([signal, gone.signal]));
  await sender.send(key, body, (reason) => gone.abort(reason), { first: 1 });
  return true;
}
