import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';

export interface RoundRobin {
  port: number;
  /** How many connections each port behind it has had. */
  counts: number[];
  close(): Promise<void>;
}

/** One address for several ports on loopback: each connection goes to the next one. */
export async function openRoundRobin(ports: number[]): Promise<RoundRobin> {
  const counts = ports.map(() => 0);
  let next = 0;
  const server = createServer((client) => {
    const at = next++ % ports.length;
    counts[at] = (counts[at] ?? 0) + 1;
    const behind = connect(ports[at] ?? 0, '127.0.0.1');
    for (const [from, to] of [
      [client, behind],
      [behind, client],
    ] as const) {
      from.pipe(to);
      from.once('error', () => to.destroy());
      from.once('close', () => to.destroy());
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    counts,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}
