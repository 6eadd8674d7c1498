import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { pacedBody } from '../../../../src/worker/streams/paced-body.ts';

const { pause } = vi.hoisted(() => ({
  pause: vi.fn(async (_: number, signal?: AbortSignal) => signal?.throwIfAborted()),
}));
vi.mock('../../../../src/lib/async/pause.ts', () => ({ pause }));

beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  pause.mockClear();
  vi.useRealTimers();
});

const MiB = 1024 * 1024;
const never = new AbortController().signal;

/** Reads chunks of the given sizes, each of which takes some milliseconds; returns the pauses. */
async function pausesOf(sizes: number[], ms: number, slotsAtLimit = () => 1): Promise<number[]> {
  async function* body() {
    for (const size of sizes) yield new Uint8Array(size);
  }
  const read: number[] = [];
  for await (const chunk of pacedBody(body(), slotsAtLimit, never)) {
    read.push(chunk.length);
    vi.advanceTimersByTime(ms);
  }
  expect(read).toEqual(sizes);
  return pause.mock.calls.map(([length]) => length);
}

test('a large archive of a user at the limit pauses ten times as long as a chunk took', async () => {
  expect(await pausesOf([MiB / 2, MiB / 2, 1, 1], 3)).toEqual([30, 30]);
});

test('archives of one user share the time: each pauses longer, the more there are', async () => {
  expect(await pausesOf([MiB, 1], 3, () => 4)).toEqual([120]);
});

test('a pause is 400 ms at most, however slow the reader is', async () => {
  expect(await pausesOf([MiB, 1], 60_000)).toEqual([400]);
});

test('an archive of up to 1 MiB, and that of a user who is not at the limit, does not pause', async () => {
  expect(await pausesOf([MiB / 2, MiB / 2], 3)).toEqual([]);
  expect(await pausesOf([MiB, MiB, MiB], 3, () => 0)).toEqual([]);
});

test('a stream that is broken off during a pause ends, and with it what makes the body', async () => {
  const abort = new AbortController();
  let isOpen = true;
  async function* body() {
    try {
      yield new Uint8Array(2 * MiB);
      yield new Uint8Array(1);
    } finally {
      isOpen = false;
    }
  }
  const reason = new Error('the client has left');
  pause.mockImplementationOnce(async (_, signal) => {
    abort.abort(reason);
    signal?.throwIfAborted();
  });
  const reader = pacedBody(body(), () => 1, abort.signal);
  await reader.next();
  await expect(reader.next()).rejects.toBe(reason);
  expect(isOpen).toBe(false);
});
