import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import pino from 'pino';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createStreamOpener } from '../../../../src/api/streams/open-stream.ts';
import type { Transport } from '../../../../src/jobs/rpc/streams.ts';
import type { ApiQueue } from '../../../../src/queue/api-queue.ts';

/** Streams of a host at whose address somebody hangs up: how often that was tried, and the relay. */
async function opened(transport: Transport, announces = true) {
  let tries = 0;
  const server = createServer((socket) => {
    tries++;
    socket.destroy();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = announces ? `127.0.0.1:${(server.address() as AddressInfo).port}` : null;
  const relay = vi.fn(async () => ({ head: {}, body: [] as never }));
  const queue = { host: async () => ({ address }), relay } as unknown as ApiQueue;
  const open = createStreamOpener(queue, transport, pino({ level: 'silent' }));
  const ask = () => open('h1', 'container.log', 'sealed', {}, new AbortController().signal);
  return { ask, relay, tries: () => tries };
}

test('a worker that does not answer at its address is not tried there again for 10 s; its streams come through Redis', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const { ask, relay, tries } = await opened('auto');
  await ask();
  vi.advanceTimersByTime(9_000);
  await ask();
  expect(tries()).toBe(1);
  vi.advanceTimersByTime(2_000);
  await ask();
  expect(tries()).toBe(2);
  expect(relay).toHaveBeenCalledTimes(3);
});

test('with --stream relay no address is tried, with --stream direct nothing else', async () => {
  const relayed = await opened('relay');
  await relayed.ask();
  expect(relayed.tries()).toBe(0);
  for (const announces of [true, false]) {
    const direct = await opened('direct', announces);
    await expect(direct.ask()).rejects.toThrow('cannot be reached directly');
    expect(direct.relay).not.toHaveBeenCalled();
  }
});
