import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** An address for a socket, as a name is one for a server that another one may replace. */
export interface SilentProxy {
  url: string;
  /** The open connections carry nothing more and stay open, as those to a host that has lost its power. */
  fallSilent(): void;
  close(): Promise<void>;
}

export async function openSilentProxy(socket: string): Promise<SilentProxy> {
  const open = new Set<Socket>();
  const server = createServer((client) => {
    const behind = connect(socket);
    for (const [from, to] of [
      [client, behind],
      [behind, client],
    ] as const) {
      open.add(from);
      from.on('error', () => undefined);
      from.on('close', () => {
        open.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `redis://127.0.0.1:${(server.address() as AddressInfo).port}`,
    fallSilent() {
      for (const one of open) one.unpipe().pause();
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const one of open) one.destroy();
      }),
  };
}
