import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { listeningIn, listeningPorts, reachablePorts } from '../../../../src/worker/host/listening.ts';

async function fileWith(text: string): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'geard-listening-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const path = join(directory, 'tcp');
  await writeFile(path, text);
  return path;
}

const listener = (port: number) =>
  `   0: 00000000:${port.toString(16).toUpperCase().padStart(4, '0')} 00000000:0000 0A 00000000:00000000 00:00000000`;
const table = (...lines: string[]) => `${['  sl  local_address rem_address   st', ...lines].join('\n')}\n`;

test('only listening sockets count as listened on, and what is behind them is not read', async () => {
  const ofIPv6 = '   2: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 0 0 0';
  const connected =
    '   1: 0100007F:0050 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 2';
  const path = await fileWith(table(listener(8080), ofIPv6, connected, listener(81)));
  expect(await listeningIn(path)).toEqual([
    { port: 8080, isLoopback: false },
    { port: 443, isLoopback: false },
  ]);
  expect(await listeningIn(await fileWith(table()))).toEqual([]);
});

test('however much a program listens on, a megabyte of it is read', async () => {
  const path = await fileWith(table(...Array.from({ length: 60_000 }, (_, port) => listener(port))));
  expect((await listeningIn(path)).length).toBeLessThan(20_000);
});

test('the kernel lists a listener before the connections of its process', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as { port: number };
  expect(await listeningPorts(process.pid)).toContain(port);
  expect(await reachablePorts(process.pid)).not.toContain(port);
  expect(await listeningPorts(2 ** 22)).toEqual(new Set());
});

test.each([
  ['127.0.0.1', '0100007F', true],
  ['127.0.0.11, where Docker answers for names', '0B00007F', true],
  ['127.255.255.254', 'FEFFFF7F', true],
  ['::1', '00000000000000000000000001000000', true],
  ['::ffff:127.0.0.1', '0000000000000000FFFF00000100007F', true],
  ['all addresses', '00000000', false],
  ['all addresses of IPv6', '00000000000000000000000000000000', false],
  ['172.17.0.127', '7F0011AC', false],
  ['::ffff:172.17.0.2', '0000000000000000FFFF0000020011AC', false],
  ['7f00::1', '0000007F000000000000000001000000', false],
  ['fe80::1', '000080FE000000000000000001000000', false],
])('a listener on %s is one on loopback: %s, %s', async (_, address, isLoopback) => {
  const path = await fileWith(table(`   0: ${address}:1F90 00000000:0000 0A 0 0 0`));
  expect(await listeningIn(path)).toEqual([{ port: 8080, isLoopback }]);
});

test('a port with a listener on loopback and one elsewhere is reachable', async () => {
  const servers = await Promise.all(
    ['127.0.0.1', '0.0.0.0'].map(async (host) => {
      const server = createServer().listen(0, host);
      await new Promise((resolve) => server.once('listening', resolve));
      onTestFinished(() => void server.close());
      return server.address() as AddressInfo;
    }),
  );
  const reachable = await reachablePorts(process.pid);
  expect(servers.map(({ port }) => reachable.has(port))).toEqual([false, true]);
});
