import type { ChildProcess } from 'node:child_process';
import { Agent } from 'node:http';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { askAsWritten } from '../support/ask.ts';
import { type BadRequest, badRequests } from '../support/bad-requests.ts';
import type { Client } from '../support/client.ts';
import { hostState, sampleImage } from '../support/daemon.ts';
import { type KeyedFleet, openKeyedFleet } from '../support/keyed-fleet.ts';
import { outputOf } from '../support/processes.ts';
import { until } from '../support/until.ts';

/** How many are sent, and what they are made from; `npm run fuzz` sends more. */
const count = Number(process.env['GEARD_FUZZ'] ?? 3_000);
const seed = Number(process.env['GEARD_FUZZ_SEED'] ?? 13);

/** Sent before the host is looked at again, and side by side: fewer than one user may have in flight. */
const chunk = 1_000;
const sideBySide = 16;
/** MiB by which what api and worker hold may have grown since a fifth has warmed them up. */
const growth = 4;

let fleet: KeyedFleet;
let client: Client;
let token: string;
const agent = new Agent({ keepAlive: true, maxSockets: sideBySide });

beforeAll(async () => {
  await sampleImage();
  vi.stubEnv('NODE_OPTIONS', `--import=${import.meta.resolve('../support/report-memory.mjs')}`);
  fleet = await openKeyedFleet();
  vi.unstubAllEnvs();
  token = await fleet.mint();
  client = await fleet.as();
});
afterAll(async () => {
  agent.destroy();
  await fleet.close();
});

/** The status of the answer, which is as the document has it; 0 where the connection was broken. */
async function statusOf({ target, token: own = token, method, headers, body }: BadRequest): Promise<number> {
  const written = { method, target: `/token/${own}/${target}`, headers, body, agent };
  return (await askAsWritten(fleet.api, written))?.status ?? 0;
}

/** What a request could have changed: the host, and what Redis keeps of jobs and ids. */
async function state(): Promise<string> {
  const { body } = await client.send<{ jobs: unknown[] }>('GET', 'jobs', { limit: '1' });
  return [await hostState(fleet.base), JSON.stringify(body), await fleet.redis.redis.dbsize()].join('\n');
}

/** MiB that a process holds when it has collected its garbage: how much it has not yet collected differs. */
async function held(child: ChildProcess): Promise<number> {
  const reports = () => [...outputOf(child).matchAll(/^memory: (\d+)$/gm)];
  const before = reports().length;
  child.kill('SIGUSR2');
  await until('it has told what it holds', () => reports().length > before);
  return Number(reports().at(-1)?.[1]) / 1024 ** 2;
}

const memory = async () => (await held(fleet.processes.api)) + (await held(fleet.processes.worker));

test(`${count} bad requests, made from the seed ${seed}, are refused and change nothing, and memory stays`, {
  timeout: 300_000 + count * 30,
}, async () => {
  const before = await state();
  const answered = new Map<string, number>();
  const wrong: string[] = [];
  let warm = 0;
  for (let sent = 0; sent < count; sent += chunk) {
    const size = Math.min(chunk, count - sent);
    const all = fc.sample(badRequests(token), { numRuns: size, seed: seed * 1_000_003 + sent });
    let next = 0;
    const sender = async () => {
      for (let bad = all[next++]; bad !== undefined; bad = all[next++]) {
        const status = await statusOf(bad);
        const key = `${bad.wrong} ${status}`;
        answered.set(key, (answered.get(key) ?? 0) + 1);
        if (status < 400 || status >= 500 || status === 429)
          wrong.push(`${status}: ${JSON.stringify({ ...bad, body: bad.body?.toString() })}`.slice(0, 2_000));
      }
    };
    await Promise.all(Array.from({ length: sideBySide }, sender));
    expect(wrong).toEqual([]);
    expect(await state()).toBe(before);
    if (warm === 0 && sent + size >= count / 5) warm = await memory();
  }
  const grown = (await memory()) - warm;
  console.info(`${count} from the seed ${seed}: ${JSON.stringify(Object.fromEntries([...answered].sort()))}`);
  console.info(`api and worker: ${warm.toFixed(0)} MiB after a fifth, ${grown.toFixed(0)} more at the end`);
  expect(grown).toBeLessThan(growth);
});
