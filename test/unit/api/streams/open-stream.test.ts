import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { expect, onTestFinished, test, vi } from 'vitest';
import { openDirect, Unreachable } from '../../../../src/api/streams/direct.ts';
import { createStreamOpener } from '../../../../src/api/streams/open-stream.ts';
import type { Transport } from '../../../../src/jobs/rpc/streams.ts';
import type { ApiQueue } from '../../../../src/queue/api-queue.ts';
import { listening } from '../../../support/listening.ts';
import { keepLog } from '../../../support/log-lines.ts';

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
  const open = createStreamOpener(queue, transport);
  const { log, lines } = keepLog();
  const wanted = { name: 'container.log', sealed: 'sealed', how: {} } as const;
  const ask = () => open('h1', wanted, new AbortController().signal, log.child({ user: 'ann' }));
  return { ask, relay, lines, tries: () => tries };
}

test('a worker that does not answer at its address is not tried there again for 10 s; its streams come through Redis', async () => {
  vi.useFakeTimers({ toFake: ['performance'] });
  onTestFinished(() => void vi.useRealTimers());
  const { ask, relay, lines, tries } = await opened('auto');
  await ask();
  vi.advanceTimersByTime(9_000);
  await ask();
  expect(tries()).toBe(1);
  vi.advanceTimersByTime(2_000);
  await ask();
  expect(tries()).toBe(2);
  expect(relay).toHaveBeenCalledTimes(3);
  const said = { user: 'ann', host: 'h1', msg: 'the worker cannot be reached directly; using Redis' };
  expect(lines).toEqual([expect.objectContaining(said), expect.objectContaining(said)]);
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

test('another program at the address of a worker, which begins an answer and does not end it, is not waited for', async () => {
  const server = createHttpServer((_req, res) => void res.writeHead(200).write('data: hello\n\n'));
  const address = await listening(server);
  onTestFinished(() => server.closeAllConnections());
  const wanted = { name: 'container.log', sealed: 'sealed', how: {} } as const;
  const opened = openDirect(address, wanted, new AbortController().signal, 200);
  await expect(opened).rejects.toBeInstanceOf(Unreachable);
});
