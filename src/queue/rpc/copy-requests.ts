import type { Redis } from 'ioredis';
import { z } from 'zod';
import { Failure } from '../../jobs/errors.ts';
import { hostName } from '../../jobs/fields/identifier.ts';
import { requestId } from '../../jobs/fields/request-id.ts';
import { parseJson } from '../../lib/parse-json.ts';
import { channels, hostOfChannel, keys } from '../redis/keys.ts';
import { claimFrames, type FrameReader, openFrames, sendFrames } from './stream-relay.ts';

/**
 * How what another host holds comes to a worker, which can reach neither that host nor its keys:
 * the worker makes a stream of frames to read from and says so on its own channel; every api hears
 * it, and the first one that claims the stream sends what the job's request is to copy. An api that
 * dies is silence on the stream, and the worker asks again.
 */
const wanted = z.strictObject({ job: requestId, frames: z.uuid() });

/** What a worker asks the apis for. */
export interface CopyRequest {
  host: string;
  job: string;
  /** The stream it reads. */
  frames: string;
}

/**
 * Asks for what a job of a host is to copy. The body throws a `Failure` when it does not come
 * whole.
 */
export async function requestCopy(
  redis: Redis,
  connect: () => Redis,
  host: string,
  job: string,
  signal: AbortSignal,
): Promise<AsyncIterable<Uint8Array>> {
  const reader = await openFrames(redis, connect, (id) => keys.frames(host, id), signal);
  try {
    await redis.publish(channels.fetch(host), JSON.stringify({ job, frames: reader.id }));
  } catch (error) {
    await reader.drop();
    throw error;
  }
  return asFailures(reader, signal);
}

/** A connection to Redis that breaks is a stream that is cut off. */
async function* asFailures({ body }: FrameReader, signal: AbortSignal): AsyncGenerator<Uint8Array> {
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

/** Calls the listener with whatever any worker asks for. */
export function onCopyRequest(subscriber: Redis, listener: (fetch: CopyRequest) => void): void {
  const everywhere = channels.fetch('*');
  subscriber.on('pmessage', (pattern: string, channel: string, text: string) => {
    if (pattern !== everywhere) return;
    const host = hostName.safeParse(hostOfChannel(channel));
    const parsed = wanted.safeParse(parseJson(text));
    if (host.success && parsed.success) listener({ host: host.data, ...parsed.data });
  });
  // Waits for the first connection; ioredis repeats it at every other.
  subscriber.psubscribe(everywhere).catch(() => undefined);
}

/**
 * Sends a body to the worker that asked for it; resolves with false where another api does, or
 * nobody reads any more. `open` is called when the stream is ours. Its signal aborts when nobody
 * reads.
 */
export async function sendTo(
  redis: Redis,
  { host, frames }: CopyRequest,
  open: (signal: AbortSignal) => AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<boolean> {
  const key = keys.frames(host, frames);
  if (!(await claimFrames(redis, key))) return false;
  const gone = new AbortController();
  const body = open(AbortSignal.any([signal, gone.signal]));
  await sendFrames(redis, key, body, (reason) => gone.abort(reason), { first: 1 });
  return true;
}
