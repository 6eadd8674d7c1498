import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Job } from '../../src/jobs/job.ts';
import type { Gear } from '../../src/jobs/types/container-reads.ts';
import { matchRoute, routes } from '../../src/requests/routes.ts';
import { askAsWritten } from '../support/ask.ts';
import { type Answer, type Client, newId } from '../support/client.ts';
import { sampleImage } from '../support/daemon.ts';
import { type KeyedFleet, openKeyedFleet } from '../support/keyed-fleet.ts';
import { pushFiles } from '../support/repository.ts';
import { ok } from '../support/run.ts';
import {
  type Attempt,
  attackersTokens,
  attempts,
  type TokenName,
  type Victim,
} from '../support/tenant-attempts.ts';
import { until } from '../support/until.ts';

/**
 * Two teams that distrust each other on one host: A has tokens for `team-a-*`, B one for `team-b-*`. What belongs to B holds
 * the words below, and A tries to read, change or delay it. What gears reach by sockets is in test/lab/networks.test.ts.
 */

let fleet: KeyedFleet;
let [a, b] = [] as unknown as [Client, Client];
let tokens: Record<TokenName, string>;
let victim: Victim;
const secrets = ['B-ENVIRONMENT', 'B-INLINE', 'B-VOLUME', 'B-IMAGE', 'B-LOG', 'B-FILE'];

/** Nothing of this is there. What A is answered about it must be what A is answered about B. */
const nobody: Victim = {
  ...{ user: 'c', gear: 'team-b-none', slow: 'team-b-no', host: 'h9', key: 'no-key' },
  ...{ repository: 'team-b-nogit', environment: 'team-b-noenv', network: 'team-b-nonet' },
  ...{ finished: 'c'.repeat(32), running: 'd'.repeat(32), queued: 'e'.repeat(32) },
};

beforeAll(async () => {
  await sampleImage();
  // A tries for eight seconds to pull what B has, under many names, and all of them side by side.
  fleet = await openKeyedFleet('relay', [], { worker: ['--max-parallel-jobs', '40'] });
  const minted = Object.entries(attackersTokens).map(async ([name, claims]) => [
    name,
    await fleet.mint(claims),
  ]);
  tokens = Object.fromEntries(await Promise.all(minted));
  [a, b] = [await fleet.as({ u: 'a', r: 'team-a-*' }), await fleet.as({ u: 'b', r: 'team-b-*' })];
  victim = await settleB();
  await must(a, 'PUT', 'container', { u: 'a', r: 'team-a-web', t: 'geard/sample' });
  await must(a, 'PUT', 'repository', { u: 'a', r: 'team-a-git' });
  await pushFiles(`${fleet.base}/git/team-a-git`, 'main', { readme: 'A' });
});
afterAll(async () => {
  for (const id of [victim.queued, victim.running])
    await b.send('DELETE', `job/${id}`, {}, { headers: { Prefer: 'wait=30' } });
  await fleet.close();
  const volumes = await ok('docker', 'volume', 'ls', '--quiet', '--filter', 'name=gear-team-');
  if (volumes) await ok('docker', 'volume', 'rm', ...volumes.split('\n'));
});

async function must(
  client: Client,
  method: string,
  path: string,
  parameters: Record<string, string>,
  body?: object,
) {
  const answer = await client.change(method, path, parameters, body);
  expect(answer, path).toMatchObject({ status: 200, body: { state: 'succeeded' } });
  return answer.body;
}

/** What B has: a gear that runs, with all that a gear can have, a repository, and jobs in every state. */
async function settleB(): Promise<Victim> {
  await must(b, 'PUT', 'environment', { u: 'b', r: 'team-b-env' }, variables('SECRET', 'B-ENVIRONMENT'));
  const serve = 'busybox httpd -p 7777 -h /data; exec /bin/httpd -f -p 8080 -h /www';
  const body = {
    ...variables('INLINE', 'B-INLINE\nB-IMAGE'),
    environment: 'team-b-env',
    network: 'team-b-net',
    ports: [{ internal: 8080 }],
    volumes: [{ name: 'data', path: '/data' }],
    command: ['/bin/sh', '-c', `echo B-LOG; echo B-VOLUME > /data/secret; /bin/${serve}`],
  };
  const db = { u: 'b', r: 'team-b-db', t: 'geard/sample' };
  const { id: finished } = await must(b, 'PUT', 'container', db, body);
  const key = 'deploy-team-b';
  const restarted = await b.send(
    'PUT',
    'container/restarted',
    { u: 'b', r: 'team-b-db' },
    { headers: { 'Idempotency-Key': key, Prefer: 'wait=60' } },
  );
  expect(restarted.body.state).toBe('succeeded');
  await must(b, 'PUT', 'repository', { u: 'b', r: 'team-b-git' });
  await pushFiles(`${fleet.base}/git/team-b-git`, 'main', { readme: 'B-FILE' });
  const slow = { u: 'b', r: 'team-b-slow' };
  const silent = { ports: [{ internal: 8080 }], command: ['/bin/sleep', '3000'], startSeconds: 3_000 };
  const install = { ...slow, t: 'geard/sample', i: newId() };
  const { id: running } = (await b.send('PUT', 'container', install, { body: silent })).body;
  await until(
    'it is being installed',
    async () => (await b.send('GET', `job/${running}`)).body.state === 'running',
  );
  const { id: queued } = (await b.send('PUT', 'container/restarted', { ...slow, i: newId() })).body;
  return {
    ...{ user: 'b', gear: 'team-b-db', slow: 'team-b-slow', repository: 'team-b-git' },
    ...{ environment: 'team-b-env', network: 'team-b-net', host: 'h1', finished, running, queued, key },
  };
}

/** All of B's that somebody could have changed. */
async function stateOfB(): Promise<string[]> {
  const show = ['ActiveState', 'InvocationID', 'NRestarts', 'UnitFileState'].join();
  const files = ['-path', '*team-b-*', '-printf', '%p %y %s %T@ %l\\n'];
  const read = async (path: string, query: Record<string, string> = {}) =>
    JSON.stringify((await b.send('GET', path, query)).body);
  return Promise.all([
    ok('find', fleet.base, '-path', `${fleet.base}/redis`, '-prune', '-o', ...files),
    ok('find', '/var/lib/docker/volumes', '/etc/systemd/system', ...files),
    ok('docker', 'ps', '--all', '--filter=name=team-b-', '--format={{.ID}} {{.Names}} {{.State}}'),
    ok('systemctl', 'show', `--property=${show}`, 'gear-team-b-db', 'gear-team-b-slow'),
    read('content', { t: 'env', r: 'team-b-env' }),
    read('containers'),
    b
      .send<{ jobs: Job[] }>('GET', 'jobs')
      .then(({ body }) => JSON.stringify(body.jobs.map(({ id, state }) => [id, state]))),
    read('hosts'),
  ]);
}

interface Told {
  status: number;
  text: string;
}

/** Sends an attempt. What it is told are the headers and the body. */
async function send({ method, target, token, bearer, headers, body }: Attempt): Promise<Told> {
  const path = bearer ? `/${target}` : `/token/${tokens[token]}/${target}`;
  const authorization = bearer ? { Authorization: `Bearer ${tokens[token]}` } : {};
  const written = { method, target: path, headers: { ...headers, ...authorization }, body };
  const answer = await askAsWritten(fleet.api, written);
  if (!answer) throw new Error(`${method} ${target}: the connection was broken`);
  const text = JSON.stringify(Object.fromEntries(answer.headers)) + answer.body.toString('latin1');
  return { status: answer.status, text };
}

/** What an answer tells once the names that A has said, and what differs from answer to answer, are taken out. */
function withoutNames({ status, text }: Told, names: Victim): string {
  let plain = `${status} ${text}`.replace(/"date":"[^"]*",|"etag":"[^"]*",|"content-length":"\d+",/g, '');
  const said = Object.values(names).sort((one, other) => other.length - one.length);
  for (const name of said.filter((one) => one.length > 2))
    plain = plain.replaceAll(name, '<name>').replaceAll(name.toUpperCase(), '<name>');
  return plain;
}

/** Returns what the answer to an attempt gives away; null: nothing. */
async function leakOf(attempt: Attempt, twin: Attempt): Promise<string | null> {
  const told = await send(attempt);
  const { status, text } = told;
  if (status >= 500) return `${status} ${text}`;
  const said = JSON.stringify(attempt);
  const { running, queued, finished } = victim;
  const words = [...secrets, running, queued, finished, ...(status < 300 ? ['team-b'] : [])];
  const found = words.find((word) => text.includes(word) && !(status >= 400 && said.includes(word)));
  if (found !== undefined) return `${status} tells ${found}`;
  if (attempt.tells) return status === 422 ? null : `${status} ${text}`;
  const [mine, other] = [withoutNames(told, victim), withoutNames(await send(twin), nobody)];
  return mine === other ? null : `tells B from nobody: ${mine} / ${other}`;
}

/** A look at all of B's takes longer than an attempt: one look for this many of them. */
const perLook = 8;

describe('nothing of B is read, changed or told from what is not there by', () => {
  test.each(Object.entries(attempts))('%s', async (_, of) => {
    const [all, twins] = [of(victim), of(nobody)];
    const succeeded: string[] = [];
    let before = await stateOfB();
    for (let first = 0; first < all.length; first += perLook) {
      const some = all.slice(first, first + perLook);
      for (const [i, attempt] of some.entries()) {
        const leak = await leakOf(attempt, twins[first + i] as Attempt);
        if (leak !== null) succeeded.push(`${attempt.what}: ${leak}`);
      }
      const after = await stateOfB();
      const changed = after.find((part, i) => part !== before[i]);
      if (changed !== undefined)
        succeeded.push(`one of ${some.map(({ what }) => what).join(', ')} has changed B: ${changed}`);
      before = after;
    }
    expect(succeeded).toEqual([]);
  });

  test('any of at least 300 attempts, every route among them', () => {
    const all = Object.values(attempts).flatMap((of) => of(nobody));
    console.info(`requests by which A tries to get at B: ${all.length}`);
    expect(all.length).toBeGreaterThanOrEqual(300);
    const tried = new Set<string>();
    for (const { method, target } of all) {
      const { pathname, searchParams } = new URL(target, 'http://h/');
      try {
        const [{ name }] = matchRoute({ method: method as never, path: pathname }).candidates;
        tried.add(searchParams.get('t') === 'env' ? 'environment.read' : name);
      } catch {
        // It is none.
      }
    }
    expect(tried).toEqual(new Set(routes.map(({ name }) => name)));
  });
});

const variables = (name: string, value: string) => ({ env: [{ name, value }] });

/** All that a gear can see: its variables, and what its mounts hold. It tries to change that, too. */
const look = [
  '/bin/sh',
  '-c',
  'env; cat /data/* 2>/dev/null; echo B-TAMPERED > /data/secret; echo looked; exec sleep 100000',
];

/** What the container of a gear has told once it has looked. */
async function toldBy(r: string): Promise<string> {
  const told = () => ok('journalctl', '--quiet', '--output=cat', '--identifier=docker', `--unit=gear-${r}`);
  await until('it has looked', async () => (await told()).includes('looked'));
  return told();
}

/** Installs a gear of A's that looks around. */
async function spy(t: string, body: object): Promise<{ answer: Answer; seen: string }> {
  const r = `team-a-spy-${newId()}`;
  const answer = await a.change('PUT', 'container', { u: 'a', r, t }, { command: look, ...body });
  const seen = answer.status === 200 ? await toldBy(r) : '';
  await a.change('DELETE', 'container', { u: 'a', r });
  return { answer, seen };
}

const expectNothing = ({ answer, seen }: { answer: Answer; seen: string }) => {
  for (const secret of secrets) expect(seen + JSON.stringify(answer.body)).not.toContain(secret);
};

test('a gear of A that names an environment of B is refused and reads nothing (security H1)', async () => {
  const tried = await spy('geard/sample', { environment: 'team-b-env' });
  expect(tried.answer).toMatchObject({ status: 403, body: { code: 'token_forbids' } });
  expectNothing(tried);
});

test('who may read gears and no environments sees names and hashes in place of values (security M9)', async () => {
  const read = async (actions: string[]) => {
    const reader = await fleet.as({ r: 'team-b-*', a: actions });
    return (await reader.send<Gear>('GET', 'container', { r: 'team-b-db' })).body;
  };
  const hidden = await read(['container.read']);
  expect(hidden.spec.env).toEqual([{ name: 'INLINE', hash: expect.stringMatching(/^[\w-]{43}$/) }]);
  for (const secret of secrets.slice(0, 2)) expect(JSON.stringify(hidden)).not.toContain(secret);
  expect((await read(['*.read'])).spec.env).toEqual([{ name: 'INLINE', value: 'B-INLINE\nB-IMAGE' }]);
  expect((await read(['container.read'])).spec.env).toEqual(hidden.spec.env);
});

describe('an image of B is run by nobody else, whatever it is called (security H2)', () => {
  test('by its id, the beginning of that, or the name that geard has given it', async () => {
    const [image] = (
      await ok('docker', 'images', '--format', '{{.Repository}}:{{.Tag}}', 'geard.invalid/environment')
    ).split('\n');
    const id = await ok('docker', 'images', '--quiet', '--no-trunc', String(image));
    const hex = id.replace('sha256:', '');
    expect(hex).toMatch(/^[0-9a-f]{64}$/);
    const beginnings = [1, 2, 4, 8, 12, 16, 32, 63].map((length) => hex.slice(0, length));
    const own = String(image);
    const spelledOtherwise = [
      own.replace('geard.invalid', 'GEARD.INVALID'),
      own.replace('geard.invalid', 'geard.invalid:443'),
      `docker.io/${own}`,
      `localhost/${own}`,
      `${own.replace(/:.*/, '')}@${id}`,
      `geard/sample@${id}`,
      `sha256@${id}`,
    ];
    const names = [...beginnings, hex, id, own, `${hex.slice(0, 12)}:latest`, ...spelledOtherwise];
    const tries = names.map(async (t) => {
      const tried = await spy(t, {});
      expect(tried.answer.status, `${t} ${JSON.stringify(tried.answer.body)}`).toBeGreaterThanOrEqual(400);
      expectNothing(tried);
    });
    await Promise.all(tries);
  });
});

describe('volumes of B (security H3)', () => {
  test.each([
    'data',
    'gear-team-b-db..data',
    'team-b-db..data',
    'b-db..data',
  ])('named %s are an own, empty one', async (name) => {
    const tried = await spy('geard/sample', { volumes: [{ name, path: '/data' }] });
    expect(tried.answer).toMatchObject({ status: 200 });
    expectNothing(tried);
  });

  test('are shared with no gear of A', async () => {
    const tried = await spy('geard/sample', { volumes: [{ name: 'data', path: '/data', of: 'team-b-db' }] });
    expect(tried.answer).toMatchObject({ status: 403, body: { code: 'token_forbids' } });
    expectNothing(tried);
  });

  test('are shared with a gear of B that names the other one, and stay as they were', async () => {
    const shared = { volumes: [{ name: 'data', path: '/data', of: 'team-b-db' }] };
    const command = ['/bin/sh', '-c', 'cat /data/secret; echo looked; exec sleep 100000'];
    const answer = await b.change(
      'PUT',
      'container',
      { u: 'b', r: 'team-b-reader', t: 'geard/sample' },
      { ...shared, command },
    );
    expect((answer.body as Job).state).toBe('succeeded');
    expect(await toldBy('team-b-reader')).toContain('B-VOLUME\nlooked');
  });

  test('of a gear that is not there are not made', async () => {
    const shared = { volumes: [{ name: 'data', path: '/data', of: 'team-b-none' }] };
    const answer = await b.change(
      'PUT',
      'container',
      { u: 'b', r: 'team-b-lone', t: 'geard/sample' },
      shared,
    );
    expect(answer).toMatchObject({ status: 404, body: { code: 'container_not_found' } });
    expect(await ok('docker', 'volume', 'ls', '--quiet', '--filter', 'name=gear-team-b-none')).toBe('');
  });
});

/** What a process of a gear tries. None of it may come to a good end. */
const escapes = (address: string, image: string) => [
  'cat /proc/*/environ /proc/1/root/data/secret',
  'ls -R /var/lib/gears* /var/lib/docker',
  'find / -path /proc -prune -o -name secret -type f -print | xargs cat | grep .',
  'ls -l /var/run/docker.sock /run/docker.sock',
  'mount -t proc proc /mnt',
  'mount -o bind / /mnt',
  'mount -o remount,rw /sys',
  'mknod /disk b 8 0 && cat /disk',
  'nsenter -t 1 -m -- cat /etc/hostname',
  'unshare -m true',
  'chroot /proc/1/root true && ls /var/lib/gears-test-*',
  'dmesg',
  'dd if=/dev/mem bs=1 count=1',
  'echo c > /proc/sysrq-trigger',
  'echo /x > /proc/sys/kernel/core_pattern',
  'mkdir /sys/fs/cgroup/memory/x || (mount | grep cgroup2 && mkdir /sys/fs/cgroup/x)',
  'ip link set lo down',
  'ip route replace default via 127.0.0.1',
  'hostname gear-team-b-db',
  'killall -9 httpd',
  ...[7777, 8080].map((port) => `nc -w 2 ${address} ${port} < /dev/null`),
  ...['team-b-db', 'gear-team-b-db', 'team-b-db.team-b-net', image].map(
    (name) => `nslookup ${name} 127.0.0.11; wget -T 2 -O - http://${name}:7777/secret`,
  ),
];

test('a process of a gear of A finds nothing of B on its host, and changes nothing', async () => {
  const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}} {{.Id}}';
  const [address = '', id = ''] = (await ok('docker', 'inspect', '--format', format, 'gear-team-b-db')).split(
    ' ',
  );
  expect(await (await fetch(`http://${address}:7777/secret`)).text()).toBe('B-VOLUME\n');
  const tried = escapes(address, id.slice(0, 12));
  const script = tried
    .map((one) => `timeout 5 sh -c '${one}' 2>&1 </dev/null && echo 'DONE ${one}' &`)
    .join('\n');
  const before = await stateOfB();
  const tools = '/bin/busybox mkdir /tools; /bin/busybox --install -s /tools; PATH=/tools';
  const command = ['/bin/sh', '-c', `${tools}\n${script}\nwait; echo looked; exec sleep 100000`];
  const told = await spy('geard/sample', { command });
  expect(told.answer.status).toBe(200);
  console.info(`tried by a process of a gear: ${tried.length}`);
  expect(told.seen).not.toContain('DONE');
  expectNothing(told);
  expect(await stateOfB()).toEqual(before);
});
