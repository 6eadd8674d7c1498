import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { compactDecrypt } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Job } from '../../src/jobs/job.ts';
import { keyNames, readKeyring } from '../../src/token/key-files.ts';
import { askAsWritten } from '../support/ask.ts';
import { type Client, createClient, newId } from '../support/client.ts';
import { curl } from '../support/curl.ts';
import { sampleImage } from '../support/daemon.ts';
import { type KeyedFleet, openKeyedFleet } from '../support/keyed-fleet.ts';
import { behindStreams } from '../support/leftovers.ts';
import { outputOf } from '../support/processes.ts';
import { ok, run } from '../support/run.ts';
import { until } from '../support/until.ts';

let fleet: KeyedFleet;
/** Of a variable. It is in a file of its host, for root only, and nowhere else. */
const value = randomBytes(24).toString('base64url');
const commands: string[] = [];
const processLists = new Set<string>();
let watch: NodeJS.Timeout;
let began = '';
let monitor: Socket;

beforeAll(async () => {
  await sampleImage();
  began = (await ok('date', '+%Y-%m-%d %H:%M:%S')).trim();
  fleet = await openKeyedFleet('auto', ['--rdbcompression', 'no']);
  // Spoken by hand: the library cannot read what MONITOR says in the protocol it prefers.
  monitor = connect(fleet.redis.url.slice('unix:'.length), () => monitor.write('MONITOR\r\n'));
  monitor.on('data', (chunk) => commands.push(String(chunk)));
  monitor.on('error', () => undefined);
  watch = setInterval(() => {
    for (const line of commandLines()) processLists.add(line);
  }, 20);
});
afterAll(async () => {
  clearInterval(watch);
  monitor.destroy();
  await fleet.close();
});

/** The arguments of every process there is, as ps shows them to everybody; not those of this test's own clients. */
function commandLines(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        return [readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')];
      } catch {
        return []; // It has ended.
      }
    })
    .filter((line) => line !== '' && !line.startsWith('curl '));
}

/** Everything there is to ask for, right and wrong. */
async function everyRoute(client: Client): Promise<void> {
  const r = 'silent';
  const install = { ports: [{ internal: 8080 }], env: [{ name: 'A', value }] };
  const change = (method: string, path: string, parameters: Record<string, string> = {}, body?: unknown) =>
    client.change(method, path, { r, ...parameters }, body);
  const absent = change('PUT', 'container', { r: 'silent-absent', t: 'geard/absent' }); // Asked for a while.
  await change('PUT', 'environment', {}, { env: [{ name: 'A', value: 'b' }] });
  await change('PATCH', 'environment', {}, { env: [{ name: 'A', value }] });
  await change('PUT', 'container', { t: 'geard/sample' }, install);
  await change('PUT', 'container/stopped');
  await change('PUT', 'container/started');
  await change('PUT', 'container/restarted');
  await change('PUT', 'repository', { r: 'silent-repository' });
  await change('PUT', 'container', { t: 'geard/sample' }, { ports: [{ internal: 0 }] });
  await change('PUT', 'container', { t: 'geard/sample' }, { command: ['/absent'] });
  await change('PUT', 'container/started', { r: 'nobody' });
  await change('PUT', 'container', { t: '--privileged' });
  await client.send(
    'PUT',
    'container',
    { u: '0', r, t: 'geard/sample', i: newId() },
    { raw: 'x'.repeat(200_000) },
  );
  await client.send('PUT', 'container', { u: '0', r, t: 'geard/sample', i: newId() }, { raw: '{' });
  const queued = await client.send('PUT', 'container/stopped', { u: '0', r, i: newId() });
  await client.send('DELETE', `job/${(queued.body as Job).id}`);
  for (const path of [
    'container',
    'containers',
    'hosts',
    'jobs',
    `job/${(queued.body as Job).id}`,
    'nothing',
  ])
    await client.send('GET', path, { r });
  for (const t of ['env', 'gitarchive', 'other']) await client.send('GET', 'content', { r, t });
  await client.send('GET', 'content/main', { r: 'silent-repository', t: 'gitarchive' });
  await client.send('GET', `job/${(queued.body as Job).id}/log`);
  await client.send('GET', 'container/log', { r, for: '1' });
  await client.send('GET', 'container/log', { r, for: 'x' });
  await client.send('POST', 'container', { r });
  await absent;
}

/** What clients do that is not quite a request. */
async function oddRequests(token: string): Promise<void> {
  const send = (target: string, headers: Record<string, string> = {}) =>
    askAsWritten(fleet.api, { target, headers });
  await send(`/tokens/${token}/container`);
  await send(`/token/${token}`);
  await send(`/token/${token}x/container`);
  await send(`/token/${token}${'x'.repeat(3_000)}/container`);
  await send(`/token//token/${token}/container`);
  await send(`/container?token=${token}`);
  await send('/container', { Authorization: `Bearer ${token}` });
  await send('/container', { Authorization: `Basic ${token}`, 'X-Token': token });
  await send(`/token/${token}/container?r=${token}&i=${token}&u=${token}`);
  await send(`/token/${token}/content/%?r=a&t=gitarchive`);
  await send(`/token/${token}/jobs?after=${token.slice(0, 60)}`);
  const cut = curl(`${fleet.api}/token/${token}/container/log?r=silent&for=30`);
  await until('it is followed', () => behindStreams().some((line) => line.includes('--follow')));
  cut.child.kill('SIGKILL');
  await cut.done;
}

/** What nobody may get to see: the token, what is in it, and the keys. */
async function secretsOf(token: string): Promise<Record<string, string>> {
  const { keyring } = await readKeyring(fleet.directories.worker);
  const [[, opening] = []] = [...keyring.daemons];
  if (!opening) throw new Error('there is no daemon key');
  const jws = Buffer.from((await compactDecrypt(token, opening.open)).plaintext).toString();
  const secrets: Record<string, string> = {
    token,
    'what is encrypted in the token': token.split('.')[3] ?? '',
    "the token's tag": token.split('.')[4] ?? '',
    signature: jws.split('.')[2] ?? '',
    'signed claims': jws.split('.')[1] ?? '',
  };
  for (const [file, , , half] of await keyNames(fleet.keys)) {
    if (half === 'key') secrets[file] = JSON.parse(await readFile(join(fleet.keys, file), 'utf8')).d;
  }
  for (const user of ['geard-api', 'geard-h1'])
    secrets[`password of ${user}`] = (await readFile(join(fleet.keys, `../${user}.password`), 'utf8')).trim();
  return secrets;
}

/** A secret as it is, in hex, and in base64 wherever in a longer text it stands. */
function guises(secret: string): string[] {
  const shifted = [0, 1, 2].flatMap((before) => {
    const bytes = Buffer.from('x'.repeat(before) + secret);
    return (['base64', 'base64url'] as const).map((form) => bytes.toString(form).slice(4, -6));
  });
  return [secret, Buffer.from(secret).toString('hex'), ...shifted];
}

/** Everything that lies in a directory: the dump of a Redis, and what it appends. */
async function filesOf(directory: string): Promise<string> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const files = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  expect(files.map((file) => file.split('.').at(-1))).toEqual(expect.arrayContaining(['rdb', 'aof']));
  return (await Promise.all(files.map((file) => readFile(file, 'latin1')))).join('\n');
}

test('a token is found nowhere, and a value in its file only: not in a log, the journal, Redis or a process list', async () => {
  const token = await fleet.mint({ a: ['*.*'] });
  const client = createClient(`${fleet.api}/token/${token}`);
  await everyRoute(client);
  await oddRequests(token);
  await client.change('DELETE', 'container', { r: 'silent' });
  await fleet.stop('worker');
  const firstWorker = outputOf(fleet.processes.worker);
  await client.send('GET', 'container', { r: 'silent' });
  const waiting = await client.send('PUT', 'container', {
    u: '0',
    r: 'silent',
    t: 'geard/sample',
    h: 'h1',
    i: newId(),
  });
  expect(waiting.status).toBe(202);
  await fleet.redis.redis.save();
  const dump = await filesOf(join(fleet.redis.url.slice('unix:'.length), '../data'));
  await fleet.redis.restart();
  await client.send('GET', 'jobs');
  await fleet.start('worker');
  await until('the api sees the host', async () => (await client.send('GET', 'hosts')).status === 200);

  const places: Record<string, string> = {
    "the api's log": outputOf(fleet.processes.api),
    "the worker's log": firstWorker + outputOf(fleet.processes.worker),
    'the journal': await ok('journalctl', '--quiet', '--output=export', '--since', began),
    'what is written to Redis': commands.join(''),
    'what Redis has on its disk': dump,
    'process lists': [...processLists].join('\n'),
    'the files of the host': (await run('grep', '-raF', '', fleet.base)).stdout,
    'the units': (await run('systemctl', 'cat', 'gear-*')).stdout,
  };
  // What is looked for would be found: each place has what it must have.
  expect(places["the api's log"]).toContain('"token":"token:');
  expect(places["the worker's log"]).toContain('job begins');
  expect(places['what is written to Redis']).toContain('sealed');
  expect(dump).toContain('sealed');
  expect(places['process lists']).toContain('gear worker');
  expect(places['the journal']?.length).toBeGreaterThan(1_000);
  const found: string[] = [];
  for (const [what, secret] of Object.entries(await secretsOf(token))) {
    expect(secret.length, what).toBeGreaterThan(20);
    for (const [place, text] of Object.entries(places)) {
      if (guises(secret).some((guise) => text.includes(guise))) found.push(`${what} in ${place}`);
    }
  }
  const { 'the files of the host': files = '', ...elsewhere } = places;
  expect(files).toContain(value);
  for (const [place, text] of Object.entries(elsewhere))
    if (guises(value).some((guise) => text.includes(guise))) found.push(`a value in ${place}`);
  expect(found).toEqual([]);
});
