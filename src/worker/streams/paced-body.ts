import { cooldownAfter } from '../../lib/async/limiter.ts';
import { pause } from '../../lib/async/pause.ts';

/** Bytes that are sent at full speed. */
const fullSpeed = 1024 * 1024;

/** Maximum pause after a chunk, in milliseconds. */
const longestPause = 400;

/**
 * A large body that pauses after each chunk while `slotsAtLimit()` is not 0: git, worker, Redis and
 * api would otherwise keep the processors busy with it. The pause is the cooldown after the time
 * that the chunk took until the next one was wanted. Rejects with the signal's reason when the
 * signal aborts during a pause.
 */
export async function* pacedBody(
  body: AsyncIterable<Uint8Array>,
  slotsAtLimit: () => number,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let size = 0;
  let started = performance.now();
  for await (const chunk of body) {
    yield chunk;
    size += chunk.length;
    const slots = size > fullSpeed ? slotsAtLimit() : 0;
    const rest = cooldownAfter(performance.now() - started, slots);
    if (slots > 0) await pause(Math.min(rest, longestPause), signal);
    started = performance.now();
  }
}
