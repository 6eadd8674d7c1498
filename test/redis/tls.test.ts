import { once } from 'node:events';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readConfig } from '../../src/cli/options/config.ts';
import { redisAccess } from '../../src/cli/roles/redis-access.ts';
import { succeeds } from '../../src/lib/async/succeeds.ts';
import { patientConnection } from '../../src/queue/redis/connection.ts';
import { freePort } from '../support/free-port.ts';
import { openTestRedis, type TestRedis } from '../support/redis.ts';
import { redisOfMachine, type ServerProcess, startServer } from '../support/redis-server.ts';
import { ok } from '../support/run.ts';
import { until } from '../support/until.ts';

let directory: string;
let redis: TestRedis;
let port: number;
let cluster: TestRedis;
let clusterPort: number;
let sentinel: ServerProcess;
let sentinelPort: number;
const password = 'a password of more than sixteen characters'.replaceAll(' ', '-');

const file = (name: string) => join(directory, name);

/** Runs openssl in the directory; its words have spaces between them and none in them. */
const openssl = (words: string) => ok('env', '-C', directory, 'openssl', ...words.split(' '));

/** A certificate for 127.0.0.1 by an authority of our own. */
async function certify(name: string, authority: string): Promise<void> {
  await openssl(`req -new -newkey rsa:2048 -nodes -subj /CN=${name} -keyout ${name}.key -out ${name}.csr`);
  await writeFile(file('extensions'), 'subjectAltName=IP:127.0.0.1\n');
  const by = `-CA ${authority}.pem -CAkey ${authority}.key -CAcreateserial -days 1 -extfile extensions`;
  await openssl(`x509 -req -in ${name}.csr ${by} -out ${name}.pem`);
  await chmod(file(`${name}.key`), 0o600);
}

const makeAuthority = (name: string) =>
  openssl(`req -x509 -newkey rsa:2048 -nodes -subj /CN=${name} -days 1 -keyout ${name}.key -out ${name}.pem`);

/** A Cluster of one node, which has nothing to say to others. */
async function startCluster(files: string[]): Promise<void> {
  clusterPort = await freePort();
  const settings = `--tls-port ${clusterPort} --bind 127.0.0.1 --cluster-port ${await freePort()} --cluster-enabled yes`;
  const more = '--tls-cluster yes --cluster-announce-ip 127.0.0.1';
  cluster = await openTestRedis([...settings.split(' '), ...more.split(' '), ...files]);
  await cluster.redis.call('CLUSTER', ['ADDSLOTSRANGE', '0', '16383']);
  await until('the Cluster is one', async () =>
    /cluster_state:ok/.test(String(await cluster.redis.call('CLUSTER', ['INFO']))),
  );
}

async function listens(at: number): Promise<boolean> {
  const socket = createConnection(at, '127.0.0.1');
  const there = await succeeds(once(socket, 'connect'));
  socket.destroy();
  return there;
}

/** A Sentinel that knows the first Redis as `fleet`. */
async function startSentinel(files: string[]): Promise<void> {
  sentinelPort = await freePort();
  const options = files.map((word) => word.replace(/^--/, ''));
  const lines = [
    ...['port 0', `tls-port ${sentinelPort}`, 'bind 127.0.0.1', 'tls-replication yes'],
    ...options.flatMap((word, at) => (at % 2 === 0 ? [`${word} ${options[at + 1]}`] : [])),
    `sentinel monitor fleet 127.0.0.1 ${port} 1`,
  ];
  await writeFile(file('sentinel.conf'), `${lines.join('\n')}\n`);
  sentinel = await startServer(redisOfMachine, directory, [file('sentinel.conf'), '--sentinel']);
  await until('the Sentinel listens', () => listens(sentinelPort));
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'geard-tls-'));
  await Promise.all([makeAuthority('ours'), makeAuthority('theirs')]);
  await certify('server', 'ours');
  await certify('client', 'ours');
  await writeFile(file('password'), `${password}\n`, { mode: 0o600 });
  port = await freePort();
  const listen = `--tls-port ${port} --bind 127.0.0.1 --tls-auth-clients yes`;
  const files = ['cert', 'key', 'ca-cert'].flatMap((what, at) => [
    `--tls-${what}-file`,
    file(['server.pem', 'server.key', 'ours.pem'][at] ?? ''),
  ]);
  redis = await openTestRedis([...listen.split(' '), ...files]);
  await startCluster(files);
  await startSentinel(files);
  await redis.redis.call('ACL', ['SETUSER', 'geard-api', 'on', `>${password}`, '~*', '&*', '+@all']);
});
afterAll(async () => {
  await sentinel.kill();
  await cluster.close();
  await redis.close();
  await rm(directory, { recursive: true });
});

/** What a role with these options gets when it says who it is. */
async function whoAmI(flags: Record<string, string>): Promise<string> {
  const config = readConfig('api', { testToken: true, ...flags }, {});
  const failures: string[] = [];
  const log = pino({}, { write: (line: string) => void failures.push(JSON.parse(line).reason) });
  const connection = patientConnection(await redisAccess(config.redis ?? '', config), log);
  try {
    const failed = new Promise<string>((resolve) =>
      connection.on('error', ({ message }) => resolve(message)),
    );
    const answered = connection.call('ACL', 'WHOAMI').catch(({ message }: Error) => message);
    return String(await Promise.race([answered, failed]));
  } finally {
    connection.disconnect();
    expect(failures.join()).not.toContain(password);
  }
}

const tls = () => ({ redis: `rediss://127.0.0.1:${port}`, redisCa: file('ours.pem') });
const certificate = () => ({ redisCert: file('client.pem'), redisKey: file('client.key') });
const user = () => ({ redisUser: 'geard-api', redisPasswordFile: file('password') });

test('TLS with a certificate of our own, user and password out of files', async () => {
  expect(await whoAmI({ ...tls(), ...certificate(), ...user() })).toBe('geard-api');
});

test('a Cluster, and Sentinels with their master, are spoken to with TLS as well', async () => {
  await cluster.redis.call('ACL', ['SETUSER', 'geard-api', 'on', `>${password}`, '~*', '&*', '+@all']);
  const options = { ...tls(), ...certificate(), ...user() };
  expect(await whoAmI({ ...options, redis: `rediss+cluster://127.0.0.1:${clusterPort}` })).toBe('geard-api');
  expect(await whoAmI({ ...options, redis: `rediss+sentinel://127.0.0.1:${sentinelPort}/fleet` })).toBe(
    'geard-api',
  );
  const inUrl = `geard-api:${password}@127.0.0.1`;
  const others = { ...tls(), ...certificate() };
  expect(await whoAmI({ ...others, redis: `rediss+cluster://${inUrl}:${clusterPort}` })).toBe('geard-api');
  expect(await whoAmI({ ...others, redis: `rediss+sentinel://${inUrl}:${sentinelPort}/fleet` })).toBe(
    'geard-api',
  );
});

test('user and password in the URL', async () => {
  const url = `rediss://geard-api:${password}@127.0.0.1:${port}`;
  expect(await whoAmI({ ...tls(), ...certificate(), redis: url })).toBe('geard-api');
});

test.each<[string, () => Record<string, string>, RegExp]>([
  [
    'a server whose certificate is by somebody else',
    () => ({ ...tls(), ...certificate(), redisCa: file('theirs.pem') }),
    /certificate|self.signed/,
  ],
  ['no certificate of our own', tls, /closed|certificate required|ECONNRESET|alert|EPIPE/i],
])('%s is not spoken to', async (_, flags, reason) => {
  expect(await whoAmI(flags())).toMatch(reason);
});

test('a wrong password is refused and not told', async () => {
  await writeFile(file('other'), 'another-password-than-that\n', { mode: 0o600 });
  const answer = await whoAmI({ ...tls(), ...certificate(), ...user(), redisPasswordFile: file('other') });
  expect(answer).toMatch(/WRONGPASS|NOAUTH/);
  expect(answer).not.toContain((await readFile(file('other'), 'utf8')).trim());
});

test('a password or a key that others can read is refused', async () => {
  await writeFile(file('open'), `${password}\n`, { mode: 0o644 });
  await expect(whoAmI({ ...tls(), ...user(), redisPasswordFile: file('open') })).rejects.toThrow(/chmod 600/);
  await writeFile(file('open.key'), await readFile(file('client.key')), { mode: 0o644 });
  await expect(
    whoAmI({ ...tls(), redisCert: file('client.pem'), redisKey: file('open.key') }),
  ).rejects.toThrow(/chmod 600/);
});
