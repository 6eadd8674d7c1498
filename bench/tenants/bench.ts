import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import { activeTime } from '../../src/lib/async/limiter.ts';
import type { Client } from '../../test/support/client.ts';
import { type KeyedFleet, openKeyedFleet } from '../../test/support/keyed-fleet.ts';
import { startNode } from '../../test/support/processes.ts';
import { fillRepository, pushFiles } from '../../test/support/repository.ts';
import { milliseconds } from '../install.ts';
import { median, p99, type Row } from '../table.ts';

const rounds = 3;
/** Fewer than usual of what is only waited for, so that it is full soon. */
const soonFull = ['--user-jobs', '200', '--user-queue-megabytes', '8'];

async function must(client: Client, path: string, parameters: Record<string, string>) {
  const { status, body } = await client.send('GET', path, parameters);
  if (status !== 200) throw new Error(`${path}: ${status} ${JSON.stringify(body)}`);
}

async function change(client: Client, method: string, path: string, r: string, body: object = {}, t = '') {
  const parameters = { u: r.split('-')[0] ?? '', r, ...(t && { t }) };
  const { body: job } = await client.change(method, path, parameters, body);
  if (job.state !== 'succeeded') throw new Error(`${path} ${r}: ${JSON.stringify(job)}`);
}

let installs = 0;
/** What the measured tenant does, one after the other, and how often in a round. */
const kinds: Record<string, { times: number; work: (bob: Client) => Promise<unknown> }> = {
  install: {
    times: 16,
    work: (bob) => {
      const env = [{ name: 'N', value: String(installs++) }];
      return change(bob, 'PUT', 'container', 'bob-0', { ports: [{ internal: 8080 }], env }, 'geard/sample');
    },
  },
  log: { times: 96, work: (bob) => must(bob, 'container/log', { r: 'bob-0', for: '0' }) },
  archive: { times: 96, work: (bob) => must(bob, 'content', { t: 'gitarchive', r: 'bob-git' }) },
  'GET containers': { times: 192, work: (bob) => must(bob, 'containers', {}) },
  'GET jobs': { times: 192, work: (bob) => must(bob, 'jobs', {}) },
};
type Took = Record<string, number[]>;

/** Makes the measured tenant an active one before it is measured. */
async function warmUp(bob: Client): Promise<void> {
  const until = performance.now() + 4_000;
  while (performance.now() < until) for (const { work } of Object.values(kinds)) await work(bob);
}

/** Each kind spread evenly over the round, so that what disturbs the machine disturbs all. */
async function measure(bob: Client, took: Took): Promise<void> {
  const most = Math.max(...Object.values(kinds).map(({ times }) => times));
  await warmUp(bob);
  for (let n = 0; n < most; n++) {
    for (const [kind, { times, work }] of Object.entries(kinds)) {
      if (Math.floor((n * times) / most) === Math.floor(((n + 1) * times) / most)) continue;
      took[kind]?.push(await milliseconds(() => work(bob)));
    }
  }
}

/** How the other tenant presses; see press.ts. */
const presses = {
  reads: 'only reads, as fast as it is answered',
  limits: 'is at all of its limits',
};

const press = (alice: Client, how: string): Promise<ChildProcess> =>
  startNode(['--import', 'tsx', 'bench/tenants/press.ts', alice.url, how], /pressing/);

async function release(pressing: ChildProcess, alice: Client): Promise<void> {
  const exited = once(pressing, 'exit');
  pressing.kill('SIGKILL');
  await exited;
  for (const state of ['queued', 'running']) {
    for (;;) {
      const { body } = await alice.send<{ jobs: { id: string }[] }>('GET', 'jobs', { state, limit: '50' });
      if (!body.jobs) continue; // It is at its limits still.
      if (body.jobs.length === 0) break;
      for (const { id } of body.jobs) await alice.send('DELETE', `job/${id}`);
    }
  }
  await pause(activeTime);
}

async function prepare(fleet: KeyedFleet): Promise<{ alice: Client; bob: Client }> {
  const as = (u: string) => fleet.as({ u, r: `${u}-*` });
  const [alice, bob] = await Promise.all([as('alice'), as('bob')]);
  await change(bob, 'PUT', 'container', 'bob-0', {}, 'geard/sample');
  await change(alice, 'PUT', 'container', 'alice-0', {}, 'geard/sample');
  await change(bob, 'PUT', 'repository', 'bob-git');
  await pushFiles(`${fleet.base}/git/bob-git`, 'main', { readme: 'x'.repeat(100_000) });
  await change(alice, 'PUT', 'repository', 'alice-git');
  await fillRepository(`${fleet.base}/git/alice-git`, 60);
  return { alice, bob };
}

/** What a tenant waits for while another one presses, beside what it waits for alone. */
export async function benchTenants(): Promise<Row[]> {
  const fleet = await openKeyedFleet('relay', [], {
    api: [...soonFull, '--log-level', 'info'],
    worker: ['--log-level', 'info'],
  });
  const none = (): Took => Object.fromEntries(Object.keys(kinds).map((kind) => [kind, []]));
  const alone = none();
  const pressed = Object.entries(presses).map(([how, inWords]) => ({ how, inWords, took: none() }));
  try {
    const { alice, bob } = await prepare(fleet);
    for (let round = 0; round < rounds; round++) {
      await measure(bob, alone);
      for (const { how, inWords, took } of pressed) {
        const pressing = await press(alice, how);
        console.error(`# round ${round + 1} of ${rounds}: the other tenant ${inWords}`);
        await measure(bob, took);
        await release(pressing, alice);
      }
    }
  } finally {
    await fleet.close();
  }
  return pressed.flatMap(({ inWords, took }) => rowsOf(took, alone, inWords));
}

function rowsOf(pressed: Took, alone: Took, inWords: string): Row[] {
  return Object.keys(kinds).map((kind) => {
    const [us, them] = [pressed[kind] ?? [], alone[kind] ?? []];
    const ms = (values: number[]) => `${Math.round(p99(values))} ms (median ${Math.round(median(values))})`;
    return {
      what: `${kind} of a tenant while another one ${inWords}, p99, beside alone`,
      ours: ms(us),
      theirs: ms(them),
      value: p99(us) / p99(them),
      reach: { atMost: 2 },
    };
  });
}
