import { connect, type Socket } from 'node:net';
import { pause } from '../src/lib/pause.ts';
import { type Client, newId } from '../test/support/client.ts';
import { type KeyedFleet, openKeyedFleet } from '../test/support/keyed-fleet.ts';
import { fillRepository, pushFiles } from '../test/support/repository.ts';
import { milliseconds } from './install.ts';
import type { Row } from './table.ts';

const rounds = 3;
/** Of each kind in a round, with and without the other tenant. */
const samples = 15;

const p99 = (values: number[]) => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.99) - 1] as number;
};

async function must(client: Client, method: string, path: string, parameters: Record<string, string>) {
  const { status, body } = await client.send(method, path, parameters);
  if (status !== 200) throw new Error(`${path}: ${status} ${JSON.stringify(body)}`);
}

/** What the measured tenant does, one after the other. */
const kinds: Record<string, (bob: Client, n: number) => Promise<unknown>> = {
  async install(bob, n) {
    const body = { ports: [{ internal: 8080 }], env: [{ name: 'N', value: String(n) }] };
    const { body: job } = await bob.change(
      'PUT',
      'container',
      { u: 'bob', r: 'bob-0', t: 'geard/sample' },
      body,
    );
    if (job.state !== 'succeeded') throw new Error(JSON.stringify(job));
  },
  log: (bob) => must(bob, 'GET', 'container/log', { r: 'bob-0', for: '0' }),
  archive: (bob) => must(bob, 'GET', 'content', { t: 'gitarchive', r: 'bob-git' }),
  containers: (bob) => must(bob, 'GET', 'containers', {}),
  jobs: (bob) => must(bob, 'GET', 'jobs', {}),
};

/** One tenant at its limits in every dimension at once, until it is stopped. */
function press(alice: Client): () => Promise<void> {
  const abort = new AbortController();
  const { signal } = abort;
  const { hostname, port, pathname } = new URL(alice.url);
  const sockets = new Set<Socket>();
  const half = () => {
    const socket = connect(Number(port), hostname);
    socket.on('error', () => undefined);
    socket.write(
      `PUT ${pathname}/container/stopped?r=alice-0&i=${newId()} HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n`,
    );
    sockets.add(socket);
  };
  for (let n = 0; n < 40; n++) half();
  const again = async (count: number, work: (n: number) => Promise<unknown>) => {
    await Promise.all(
      Array.from({ length: count }, async (_, n) => {
        while (!signal.aborted) {
          await work(n).catch(() => undefined);
          await pause(20, signal).catch(() => undefined);
        }
      }),
    );
  };
  const get = async (path: string, read = true) => {
    const response = await fetch(`${alice.url}/${path}`, { signal });
    if (read) await response.arrayBuffer();
    else await pause(20_000, signal); // It takes nothing.
    if (response.status === 429) await pause(1_000, signal); // As Retry-After says.
  };
  let made = 0;
  let last = '';
  const install = async () => {
    const parameters = { r: `alice-${made++ % 40}`, t: 'geard/sample', i: newId() };
    const body = { ports: [{ internal: 8080 }], env: [{ name: 'N', value: 'x'.repeat(1_000) + made }] };
    const { status, body: job } = await alice.send('PUT', 'container', parameters, { body });
    if (status === 429) await pause(1_000, signal);
    else last = job.id;
  };
  const all = [
    again(32, () => get('containers')),
    again(140, () => get('container/log?r=alice-0&for=600')),
    again(140, () => get(`job/${last}?wait=60`)),
    again(6, (n) => get('content?t=gitarchive&r=alice-git', n % 2 === 0)),
    again(4, install),
  ];
  return async () => {
    abort.abort();
    for (const socket of sockets) socket.destroy();
    await Promise.all(all);
  };
}

async function cancelAll(admin: Client): Promise<void> {
  for (;;) {
    const { body } = await admin.send<{ jobs: { id: string }[] }>('GET', 'jobs', {
      state: 'queued',
      limit: '50',
    });
    if (body.jobs.length === 0) return;
    await Promise.all(body.jobs.map(({ id }) => admin.send('DELETE', `job/${id}`)));
  }
}

async function prepare(fleet: KeyedFleet): Promise<{ alice: Client; bob: Client; admin: Client }> {
  const [alice, bob, admin] = await Promise.all([
    fleet.as({ u: 'alice' }),
    fleet.as({ u: 'bob' }),
    fleet.as(),
  ]);
  await kinds['install']?.(bob, -1);
  await alice.change('PUT', 'container', { u: 'alice', r: 'alice-0', t: 'geard/sample' }, {});
  await bob.change('PUT', 'repository', { u: 'bob', r: 'bob-git' });
  await pushFiles(`${fleet.base}/git/bob-git`, 'main', { readme: 'x'.repeat(100_000) });
  await alice.change('PUT', 'repository', { u: 'alice', r: 'alice-git' });
  await fillRepository(`${fleet.base}/git/alice-git`, 60);
  return { alice, bob, admin };
}

/** What a tenant waits for while another one is at all of its limits at once, beside what it waits for alone. */
export async function benchTenants(): Promise<Row[]> {
  const fleet = await openKeyedFleet('relay');
  const alone = Object.fromEntries(Object.keys(kinds).map((kind) => [kind, [] as number[]]));
  const pressed = structuredClone(alone);
  try {
    const { alice, bob, admin } = await prepare(fleet);
    let n = 0;
    const measure = async (into: Record<string, number[]>) => {
      for (let i = 0; i < samples; i++) {
        for (const [kind, work] of Object.entries(kinds))
          into[kind]?.push(await milliseconds(() => work(bob, n++)));
      }
    };
    for (let round = 0; round < rounds; round++) {
      await measure(alone);
      const stop = press(alice);
      await pause(10_000); // Until it is at its limits.
      await measure(pressed);
      await stop();
      await cancelAll(admin);
    }
  } finally {
    await fleet.close();
  }
  return Object.keys(kinds).map((kind) => {
    const [us, them] = [p99(pressed[kind] ?? []), p99(alone[kind] ?? [])];
    const ms = (value: number) => `${Math.round(value)} ms`;
    const what = `${kind} of a tenant while another one is at all of its limits, p99, beside alone`;
    return { what, ours: ms(us), theirs: ms(them), value: us / them, reach: { atMost: 2 } };
  });
}
