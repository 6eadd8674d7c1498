import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Transport } from '../../src/jobs/rpc/streams.ts';
import { apiAcl, workerAcl } from '../../src/queue/redis/acl.ts';
import type { TokenClaims } from '../../src/token/claims.ts';
import { type KeyRole, makeKeys, readMinterKey } from '../../src/token/key-files.ts';
import { mintToken } from '../../src/token/mint.ts';
import { type Client, createClient } from './client.ts';
import { makeBase, removeGearsOf } from './daemon.ts';
import { end, startNode } from './processes.ts';
import { openTestRedis, type TestRedis } from './redis.ts';
import { now } from './tokens.ts';

/** An api and a worker that take real tokens only, each with keys and with rights in Redis of its own. */
export interface KeyedFleet {
  base: string;
  redis: TestRedis;
  /** `http://address:port`. */
  api: string;
  /** The directory with all keys, of which api and worker have what they need. */
  keys: string;
  directories: Record<Role, string>;
  /** The issuers that api and worker began with. */
  issuers: string[];
  processes: Record<Role, ChildProcess>;
  /**
   * A token by the first issuer that is valid for a quarter of an hour, unless something else is
   * said.
   */
  mint(claims?: Partial<TokenClaims>, issuer?: string): Promise<string>;
  /** A client with a token. */
  as(claims?: Partial<TokenClaims>, issuer?: string): Promise<Client>;
  /** Gives keys that were made in `keys` to api and worker. */
  handOut(): Promise<void>;
  /** Takes a key away from api and worker. */
  revoke(role: KeyRole, kid: string): Promise<void>;
  start(role: Role): Promise<void>;
  stop(role: Role): Promise<void>;
  /** kill -9, and resolves when it has ended. */
  kill(role: Role): Promise<void>;
  /** A worker that is the host h2, with a base directory of its own. Its role is `other`. */
  addHost(): Promise<{ base: string }>;
  close(): Promise<void>;
}

type Role = 'api' | 'worker' | 'other';

let nextPort = 12_900;

export async function openKeyedFleet(
  transport: Transport = 'relay',
  redisOptions: string[] = [],
  more: { api?: string[]; worker?: string[]; issuers?: number } = {},
): Promise<KeyedFleet> {
  const base = await makeBase();
  const directory = await mkdtemp(join(tmpdir(), 'geard-fleet-'));
  const keys = join(directory, 'all');
  const made = await makeKeys(keys, [...Array<KeyRole>(more.issuers ?? 1).fill('issuer'), 'daemon']);
  const issuers = made.flatMap(({ role, kid }) => (role === 'issuer' ? kid : []));
  const acl = await writeAcl(directory);
  const redis = await openTestRedis(['--aclfile', acl, ...redisOptions]);
  const [apiPort, workerPort, otherPort] = [nextPort++, nextPort++, nextPort++];
  const directories = {
    api: join(directory, 'api-keys'),
    worker: join(directory, 'worker-keys'),
    other: join(directory, 'other-keys'),
  };
  const bases = { worker: base, other: '' };
  const access = (user: string, role: Role) => [
    ...[
      '--redis',
      redis.url,
      '--redis-user',
      user,
      '--redis-password-file',
      join(directory, `${user}.password`),
    ],
    ...['--keys', directories[role], '--stream', transport, '--log-level', 'debug'],
  ];
  const startWorker = (role: 'worker' | 'other', host: string, port: number) => {
    const listen = transport === 'relay' ? [] : ['--stream-listen', `127.0.0.1:${port}`];
    const place = ['--base', bases[role], '--host', host, ...listen, ...(more.worker ?? [])];
    return startNode(['bin/gear', 'worker', ...access(`geard-${host}`, role), ...place], /worker is ready/);
  };
  const starts = {
    api: () =>
      startNode(
        [
          'bin/gear',
          'api',
          ...access('geard-api', 'api'),
          '--listen',
          `127.0.0.1:${apiPort}`,
          ...(more.api ?? []),
        ],
        /api listens/,
      ),
    worker: () => startWorker('worker', 'h1', workerPort),
    other: () => startWorker('other', 'h2', otherPort),
  };
  const mint = async (claims: Partial<TokenClaims> = {}, issuer = issuers[0]) =>
    mintToken(
      { aud: 'geard', d: now() + 900, ...claims },
      await readMinterKey(keys, 'issuer', issuer),
      await readMinterKey(keys, 'daemon'),
    );
  const api = `http://127.0.0.1:${apiPort}`;
  const handOut = () => handOutKeys(keys, Object.values(directories));
  await handOut();
  const [worker, opened] = await Promise.all([starts.worker(), starts.api()]);
  const fleet: KeyedFleet = {
    ...{ base, redis, api, keys, directories, issuers, mint, handOut },
    processes: { worker, api: opened } as Record<Role, ChildProcess>,
    as: async (claims, issuer) => createClient(`${api}/token/${await mint(claims, issuer)}`),
    async revoke(role, kid) {
      const file = role === 'issuer' ? `${kid}.issuer.pub` : `${kid}.daemon.key`;
      for (const one of Object.values(directories)) await rm(join(one, file));
    },
    async start(role) {
      fleet.processes[role] = await starts[role]();
    },
    stop: (role) => end(fleet.processes[role]),
    async kill(role) {
      const exited = once(fleet.processes[role], 'exit');
      fleet.processes[role].kill('SIGKILL');
      await exited;
    },
    async addHost() {
      bases.other = await makeBase();
      await fleet.start('other');
      return { base: bases.other };
    },
    async close() {
      await end(fleet.processes.api);
      if (bases.other !== '') {
        await end(fleet.processes.other);
        await rm(bases.other, { recursive: true, force: true });
      }
      await end(fleet.processes.worker);
      await redis.close();
      await removeGearsOf(base);
      await rm(base, { recursive: true, force: true });
      await rm(directory, { recursive: true, force: true });
    },
  };
  return fleet;
}

/** An ACL file as `gear redis-acl` prints it, and a file with the password of each user. */
async function writeAcl(directory: string): Promise<string> {
  const users = {
    'geard-api': apiAcl,
    'geard-h1': (password: string) => workerAcl(password, 'h1'),
    'geard-h2': (password: string) => workerAcl(password, 'h2'),
  };
  const lines = ['user default on nopass ~* &* +@all'];
  for (const [user, acl] of Object.entries(users)) {
    const password = randomBytes(24).toString('hex');
    await writeFile(join(directory, `${user}.password`), `${password}\n`, { mode: 0o600 });
    lines.push(acl(password));
  }
  const path = join(directory, 'users.acl');
  await writeFile(path, `${lines.join('\n')}\n`);
  return path;
}

async function handOutKeys(from: string, to: string[]): Promise<void> {
  for (const directory of to) {
    await mkdir(directory, { recursive: true, mode: 0o700 });
    for (const name of await readdir(from)) {
      if (/\.(?:issuer\.pub|daemon\.key)$/.test(name))
        await copyFile(join(from, name), join(directory, name));
    }
  }
}
