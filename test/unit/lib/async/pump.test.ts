import { PassThrough, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test, vi } from 'vitest';
import { pump } from '../../../../src/lib/async/pump.ts';

const never = new AbortController().signal;

async function* chunks(count: number, taken: { count: number }) {
  for (; taken.count < count; taken.count++) yield Buffer.alloc(16_384);
}

test('a source is read only as fast as the connection takes it', async () => {
  const taken = { count: 0 };
  const slow = new Writable({
    highWaterMark: 16_384,
    write: (_chunk, _encoding, done) => void setTimeout(done, 5),
  });
  const pumped = pump(chunks(20, taken), slow, never);
  await delay(20);
  expect(taken.count).toBeLessThan(10);
  await pumped;
  expect(taken.count).toBe(20);
});

test('a source that fails destroys the connection, so that it does not end like a whole one', async () => {
  const connection = new PassThrough();
  connection.resume();
  async function* failing() {
    yield Buffer.from('a');
    throw new Error('cut off');
  }
  let ended = false;
  connection.on('end', () => {
    ended = true;
  });
  await expect(pump(failing(), connection, never)).rejects.toThrow('cut off');
  expect(connection.destroyed).toBe(true);
  expect(ended).toBe(false);
});

test('who waits for a connection that nobody reads is let go when the client goes', async () => {
  const abort = new AbortController();
  const stuck = new Writable({ highWaterMark: 1, write: () => undefined });
  const pumped = pump(chunks(5, { count: 0 }), stuck, abort.signal);
  abort.abort(new Error('gone'));
  await expect(pumped).rejects.toThrow('gone');
});

test('a reader that takes nothing for 100 seconds is cut off, and its source ends (security M6)', async () => {
  vi.useFakeTimers();
  try {
    const stuck = new Writable({ highWaterMark: 1, write: () => undefined });
    const taken = { count: 0 };
    const pumped = pump(chunks(5, taken), stuck, never);
    const cut = expect(pumped).rejects.toThrow('the reader has stopped reading');
    await vi.advanceTimersByTimeAsync(99_000);
    expect(stuck.destroyed).toBe(false);
    await vi.advanceTimersByTimeAsync(1_000);
    await cut;
    expect(stuck.destroyed).toBe(true);
  } finally {
    vi.useRealTimers();
  }
});
