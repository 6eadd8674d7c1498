import { mkdtemp, rm } from 'node:fs/promises';
import { openDaemon } from '../test/support/daemon.ts';
import { end, residentMegabytes, startNode } from '../test/support/processes.ts';
import { openTestRedis } from '../test/support/redis.ts';
import type { Row } from './table.ts';

/** Resident memory at rest, after a restart's worth of work; the daemon's is that of its own process, without Redis. */
export async function benchMemory(): Promise<Row[]> {
  const daemon = await openDaemon();
  await daemon.change('PUT', 'container', { r: 'memory', t: 'geard/sample' });
  const ofDaemon = residentMegabytes(daemon.pid());
  const ofRedis = residentMegabytes(daemon.redisPid());
  await daemon.close();

  const redis = await openTestRedis();
  const base = await mkdtemp('/var/lib/gears-test-');
  const api = await startNode(
    ['bin/gear', 'api', '--test-token', '--redis', redis.url, '--listen', '127.0.0.1:12225'],
    /api listens/,
  );
  const worker = await startNode(
    ['bin/gear', 'worker', '--test-token', '--redis', redis.url, '--base', base],
    /worker is ready/,
  );
  const [ofApi, ofWorker] = [api, worker].map(({ pid }) => residentMegabytes(pid ?? 0)) as [number, number];
  await end(worker);
  await end(api);
  await redis.close();
  await rm(base, { recursive: true });

  const row = (what: string, value: number, reach?: { atMost: number }): Row => ({
    what: `${what}, MB resident`,
    ours: `${Math.round(value)} MB`,
    theirs: '',
    value,
    ...(reach ? { reach } : {}),
  });
  return [
    row('daemon without Redis', ofDaemon, { atMost: 150 }),
    row("the daemon's Redis", ofRedis),
    row('api', ofApi),
    row('worker', ofWorker),
  ];
}
