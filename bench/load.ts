import { Agent, request } from 'node:http';
import { pause } from '../src/lib/async/pause.ts';

export interface Load {
  /** Requests answered per second, all as expected. */
  perSecond: number;
  /** Milliseconds until each was answered as expected. */
  latencies: number[];
}

type Make = (n: number) => { port: number; method: string; path: string; body?: string };

/**
 * Sends so many requests over kept connections, as fast as they are answered or at a pace (per second), again after a 503.
 * Rejects when one is not answered as expected.
 */
export async function sendMany(
  count: number,
  concurrency: number,
  expected: number,
  make: Make,
  pace = Number.POSITIVE_INFINITY,
): Promise<Load> {
  const agent = new Agent({ keepAlive: true, maxSockets: concurrency });
  const latencies: number[] = [];
  let next = 0;
  const answerTo = ({ body, ...options }: ReturnType<Make>) =>
    new Promise<number | undefined>((resolve, reject) => {
      const req = request({ ...options, host: '127.0.0.1', agent }, (res) => {
        res.resume();
        res.once('end', () => resolve(res.statusCode));
      });
      req.once('error', reject);
      req.end(body);
    });
  const send = async () => {
    const due = started + (next * 1000) / pace;
    const wanted = make(next++);
    if (pace < Number.POSITIVE_INFINITY) await pause(Math.max(0, due - performance.now()));
    const sent = performance.now();
    let status = await answerTo(wanted);
    while (status === 503) status = await answerTo(wanted);
    latencies.push(performance.now() - sent);
    if (status !== expected) throw new Error(`answered ${status}`);
  };
  const started = performance.now();
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (next < count) await send();
    }),
  );
  agent.destroy();
  return { perSecond: count / ((performance.now() - started) / 1000), latencies };
}

/** Sends so many requests over kept connections and returns how many were answered per second, all as expected. */
export async function requestsPerSecond(...args: Parameters<typeof sendMany>): Promise<number> {
  return (await sendMany(...args)).perSecond;
}
