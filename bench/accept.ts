import { keys } from '../src/queue/redis/keys.ts';
import { end, startNode } from '../test/support/processes.ts';
import { openTestRedis } from '../test/support/redis.ts';
import { requestsPerSecond } from './load.ts';
import { noLimits } from './no-limits.ts';
import { median, type Row, ratios } from './table.ts';

const rounds = 7;
const warmUp = 4;
const perRound = 4_000;
const concurrency = 64;
const apiPort = 12_223;
const barePort = 12_224;

/** Accepted PUTs per second beside a handler that does nothing but one BullMQ `add`, on the same Redis. */
export async function benchAccept(): Promise<Row[]> {
  const redis = await openTestRedis();
  const socket = redis.url.slice('unix:'.length);
  // A host that takes jobs and never begins them: what is measured is accepting.
  const lastSeen = Date.now() + 3_600_000;
  const host = { name: 'h1', version: 'bench', gears: 0, address: null, lastSeen };
  await redis.redis.set(keys.host('h1'), JSON.stringify(host));
  await redis.redis.sadd(keys.hosts, 'h1');
  const listen = `127.0.0.1:${apiPort}`;
  const api = await startNode(
    ['bin/gear', 'api', '--test-token', '--redis', redis.url, '--listen', listen, ...noLimits],
    /api listens/,
  );
  const bare = await startNode(
    ['--import', 'tsx', 'bench/bare-handler.ts', socket, String(barePort)],
    /ready/,
  );
  const body = '{"ports":[{"external":"4343","internal":"8080"}]}';
  let id = 1;
  const ours = () =>
    requestsPerSecond(perRound, concurrency, 202, () => ({
      port: apiPort,
      method: 'PUT',
      path: `/token/__test__/container?u=0&d=1&t=geard%2Fsample&r=g${id % 500}&i=${(id++).toString(16)}`,
      body,
    }));
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
