import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keys } from '../src/queue/redis/keys.ts';
import { makeKeys, readKeyring, readMinterKey } from '../src/token/key-files.ts';
import { mintToken } from '../src/token/mint.ts';
import { createVerifier } from '../src/token/verifier.ts';
import { end, startNode } from '../test/support/processes.ts';
import { openTestRedis } from '../test/support/redis.ts';
import { requestsPerSecond } from './load.ts';
import { noLimits } from './no-limits.ts';
import { median, type Row, ratios } from './table.ts';

const rounds = 7;
const warmUp = 3;
const perRound = 2_000;
const concurrency = 64;
const ports = { test: 12_233, real: 12_234 };

/** Accepted PUTs per second with real tokens beside the test token, and what verifying one costs. */
export async function benchTokens(): Promise<Row[]> {
  const directory = await mkdtemp(join(tmpdir(), 'geard-bench-'));
  await makeKeys(directory, ['issuer', 'daemon']);
  try {
    const tokens = await mintMany(directory, (warmUp + rounds) * perRound);
    return [await verifying(directory, tokens.slice(0, 1_000)), ...(await accepting(directory, tokens))];
  } finally {
    await rm(directory, { recursive: true });
  }
}

/** Capabilities that work once, each for a request of its own. */
async function mintMany(directory: string, count: number): Promise<string[]> {
  const [issuer, daemon] = [
    await readMinterKey(directory, 'issuer'),
    await readMinterKey(directory, 'daemon'),
  ];
  const d = Math.floor(Date.now() / 1000) + 3_600;
  const mint = (n: number) => {
    const claims = { u: '0', i: (n + 1).toString(16), t: 'geard/sample', r: `g${n % 500}` };
    return mintToken({ aud: 'geard', d, a: ['container.install'], ...claims }, issuer, daemon);
  };
  return Promise.all(Array.from({ length: count }, (_, n) => mint(n)));
}

async function verifying(directory: string, tokens: string[]): Promise<Row> {
  const { keyring } = await readKeyring(directory);
  const lifetimes = { change: 86_400, read: 86_400 };
  const verifier = createVerifier({ keys: () => keyring, fleet: 'geard', lifetimes, testToken: false });
  const timed = async () => {
    const times: number[] = [];
    for (const token of tokens) {
      const began = performance.now();
      if (!(await verifier.verify(token))) throw new Error('a token was refused');
      times.push(performance.now() - began);
    }
    return times;
  };
  const [first, again] = [(await timed()).slice(100), await timed()];
  return {
    what: 'milliseconds to verify a token that was not seen before, beside one that was',
    ours: `${median(first).toFixed(3)} ms`,
    theirs: `${median(again).toFixed(3)} ms`,
    value: median(first),
    spread: [Math.min(...first), Math.max(...first)],
    reach: { atMost: 1 },
  };
}

async function accepting(directory: string, tokens: string[]): Promise<Row[]> {
  const redis = await openTestRedis();
  const host = { name: 'h1', version: 'bench', gears: 0, address: null, lastSeen: Date.now() + 3_600_000 };
  await redis.redis.set(keys.host('h1'), JSON.stringify(host));
  await redis.redis.sadd(keys.hosts, 'h1');
  const limits = [...noLimits, '--redis', redis.url];
  const api = (port: number, ...how: string[]) =>
    startNode(['bin/gear', 'api', ...how, ...limits, '--listen', `127.0.0.1:${port}`], /api listens/);
  const apis = [await api(ports.test, '--test-token'), await api(ports.real, '--keys', directory)];
  const body = '{"ports":[{"external":"4343","internal":"8080"}]}';
  let id = 2 ** 40;
  let next = 0;
  const put = (port: number, token: string, query: string) => ({
    port,
    method: 'PUT',
    path: `/token/${token}/container${query}`,
    body,
  });
  const whole = () => `?u=0&t=geard%2Fsample&r=g${id % 500}&i=${(id++).toString(16)}`;
  const reusable = await mintReusable(directory);
  const rate = (make: () => ReturnType<typeof put>) => requestsPerSecond(perRound, concurrency, 202, make);
  const sides = {
    test: () => rate(() => put(ports.test, '__test__', whole())),
    once: () => rate(() => put(ports.real, tokens[next++] ?? '', '')),
    again: () => rate(() => put(ports.real, reusable, whole())),
  };
  const figures = { test: [] as number[], once: [] as number[], again: [] as number[] };
  try {
    for (let i = 0; i < warmUp + rounds; i++) {
      for (const side of ['test', 'once', 'again'] as const) {
        const figure = await sides[side]();
        if (i >= warmUp) figures[side].push(figure);
      }
    }
  } finally {
    for (const one of apis) await end(one);
    await redis.close();
  }
  const row = (what: string, ours: number[]): Row => ({
    what: `PUTs accepted per second with ${what}, beside the test token`,
    ours: `${Math.round(median(ours))}/s`,
    theirs: `${Math.round(median(figures.test))}/s`,
    ...ratios(ours, figures.test),
    reach: { atLeast: 0.7 },
  });
  return [row('a token for each', figures.once), row('one token for all', figures.again)];
}

async function mintReusable(directory: string): Promise<string> {
  const d = Math.floor(Date.now() / 1000) + 3_600;
  return mintToken(
    { aud: 'geard', d, a: ['container.install'] },
    await readMinterKey(directory, 'issuer'),
    await readMinterKey(directory, 'daemon'),
  );
}
