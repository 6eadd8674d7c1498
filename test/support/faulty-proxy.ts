import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A proxy before an api that does harm to some of what passes. */
export interface FaultyProxy {
  url: string;
  /** Every request, as `METHOD path`. */
  seen: string[];
  close(): Promise<void>;
}

/** `linesOf`: after how many lines of its answer the connection of a request is cut off; null: never. */
export async function openFaultyProxy(
  target: string,
  linesOf: (request: IncomingMessage, count: number) => number | null,
): Promise<FaultyProxy> {
  const seen: string[] = [];
  const server = createServer(async (req, res) => {
    const count = seen.push(`${req.method} ${req.url?.split('?')[0]}`);
    let left = linesOf(req, count) ?? Number.POSITIVE_INFINITY;
    const gone = new AbortController();
    res.once('close', () => gone.abort());
    const body: Buffer[] = [];
    for await (const chunk of req) body.push(chunk);
    const { host: _, connection: __, 'content-length': ___, ...headers } = req.headers;
    try {
      const answer = await fetch(`${target}${req.url}`, {
        method: req.method ?? 'GET',
        headers: headers as Record<string, string>,
        ...(body.length > 0 && { body: Buffer.concat(body) }),
        signal: gone.signal,
      });
      if (left > 0) res.writeHead(answer.status, Object.fromEntries(answer.headers)).flushHeaders();
      for await (const chunk of answer.body ?? []) {
        for (const line of Buffer.from(chunk)
          .toString()
          .match(/[^\n]*\n?/g) ?? []) {
          if (left-- <= 0) throw new Error('cut off');
          await new Promise((resolve) => res.write(line, resolve));
        }
      }
      res.end();
    } catch {
      res.destroy();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
