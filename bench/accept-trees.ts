/**
 * What accepting a job costs in one tree beside another one, both built: PUTs to both apis in
 * turns, on one Redis. The CPU time of the apis tells more than the time of day.
 * usage: node --import tsx bench/accept-trees.ts OLD NEW [PAIRS]
 */
import type { ChildProcess } from 'node:child_process';
import { end } from '../test/support/processes.ts';
import { openTestRedis } from '../test/support/redis.ts';
import { acceptMany, addHost, startApi } from './accept.ts';
import { type Cost, measureRound, perRound, printCosts } from './accept-cost.ts';

const warmUp = 6;

interface Api extends Cost {
  process: ChildProcess;
  port: number;
}

const [oldTree, newTree, pairs = '40'] = process.argv.slice(2);
if (oldTree === undefined || newTree === undefined) throw new Error('name two trees that are built');
const redis = await openTestRedis();
await addHost(redis);
const start = async (tree: string, port: number): Promise<Api> => ({
  process: await startApi(tree, redis.url, port),
  port,
  cpu: [],
  wall: [],
});
const old = await start(oldTree, 12_223);
const now = await start(newTree, 12_224);
try {
  for (let i = 0; i < warmUp; i++) for (const { port } of [old, now]) await acceptMany(port, perRound);
  // Old, new, new, old: what changes in the course of time favours neither.
  for (let i = 0; i < Number(pairs); i++)
    for (const api of i % 2 === 0 ? [old, now] : [now, old]) await measureRound(api.process, api.port, api);
} finally {
  await end(old.process);
  await end(now.process);
  await redis.close();
}
printCosts(old, now);
