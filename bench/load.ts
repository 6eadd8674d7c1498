import { Agent, request } from 'node:http';

/** Sends so many requests over kept connections and returns how many were answered per second, all as expected. */
export async function requestsPerSecond(
  count: number,
  concurrency: number,
  expected: number,
  make: (n: number) => { port: number; method: string; path: string; body?: string },
): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
  let next = 0;
  const send = () =>
    new Promise<void>((resolve, reject) => {
      const { body, ...options } = make(next++);
      const req = request({ ...options, host: '127.0.0.1', agent }, (res) => {
        res.resume();
        res.once('end', () =>
          res.statusCode === expected ? resolve() : reject(new Error(`answered ${res.statusCode}`)),
        );
      });
      req.once('error', reject);
      req.end(body);
    });
  const started = performance.now();
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (next < count) await send();
    }),
  );
  agent.destroy();
  return count / ((performance.now() - started) / 1000);
}
