import type { ChildProcess } from 'node:child_process';
import { keys } from '../src/queue/redis/keys.ts';
import { end, startNode } from '../test/support/processes.ts';
import { openTestRedis, type TestRedis } from '../test/support/redis.ts';
import { requestsPerSecond } from './load.ts';
import { noLimits } from './no-limits.ts';
import { median, type Row, ratios } from './table.ts';

const rounds = 7;
const warmUp = 4;
const perRound = 4_000;
const concurrency = 64;
const body = '{"ports":[{"external":"4343","internal":"8080"}]}';
const apiPort = 12_223;
const barePort = 12_224;

/** Adds a host that takes jobs and never begins them: what is measured is accepting. */
export async function addHost({ redis }: TestRedis): Promise<void> {
  const lastSeen = Date.now() + 3_600_000;
  const host = { name: 'h1', version: 'bench', gears: 0, address: null, lastSeen };
  await redis.set(keys.host('h1'), JSON.stringify(host));
  await redis.sadd(keys.hosts, 'h1');
}

/** Starts the api that is built in a tree. */
export function startApi(tree: string, redis: string, port: number): Promise<ChildProcess> {
  const where = ['--redis', redis, '--listen', `127.0.0.1:${port}`];
  return startNode([`${tree}/bin/gear`, 'api', '--test-token', ...where, ...noLimits], /api listens/);
}

let id = 1;

/** One more PUT container. */
export const nextPut = (port: number) => ({
  port,
  method: 'PUT',
  path: `/token/__test__/container?u=0&d=1&t=geard%2Fsample&r=g${id % 500}&i=${(id++).toString(16)}`,
  body,
});

/** Sends so many PUTs to an api, and returns how many it accepted per second: all of them. */
export const acceptMany = (port: number, count: number): Promise<number> =>
  requestsPerSecond(count, concurrency, 202, () => nextPut(port));

/** Accepted PUTs per second beside a handler that does nothing but one BullMQ `add`, on the same Redis. */
export async function benchAccept(): Promise<Row[]> {
  const redis = await openTestRedis();
  const socket = redis.url.slice('unix:'.length);
  await addHost(redis);
  const api = await startApi('.', redis.url, apiPort);
  const bare = await startNode(
    ['--import', 'tsx', 'bench/bare-handler.ts', socket, String(barePort)],
    /ready/,
  );
  const ours = () => acceptMany(apiPort, perRound);
  const theirs = () =>
    requestsPerSecond(perRound, concurrency, 202, () => ({
      port: barePort,
      method: 'PUT',
      path: '/add?u=0&d=1&r=1',
      body,
    }));
  const [us, them]: [number[], number[]] = [[], []];
  try {
    // Both are measured as they run after minutes, not while they are being compiled.
    for (let i = 0; i < warmUp; i++) {
      await ours();
      await theirs();
    }
    for (let i = 0; i < rounds; i++) {
      us.push(await ours());
      them.push(await theirs());
    }
  } finally {
    await end(api);
    await end(bare);
    await redis.close();
  }
  const row = {
    what: 'PUTs accepted per second, beside Express with one BullMQ add',
    ours: `${Math.round(median(us))}/s`,
    theirs: `${Math.round(median(them))}/s`,
  };
  return [{ ...row, ...ratios(us, them), reach: { atLeast: 0.6 } }];
}
