import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { checks, diagnose, show } from '../../../../src/cli/doctor/command.ts';
import { directories, disk } from '../../../../src/cli/doctor/disk.ts';
import {
  type Check,
  diagnosis,
  doctorOptions,
  type Finding,
  ok,
  type Situation,
} from '../../../../src/cli/doctor/finding.ts';
import { clock, keys, listen, redis, settings } from '../../../../src/cli/doctor/fleet.ts';
import { docker, inotify, network, programs, systemd } from '../../../../src/cli/doctor/host.ts';
import { complete, contradictions, readSettings } from '../../../../src/cli/options/config.ts';
import { findProgram } from '../../../../src/queue/private-redis/private-redis.ts';
import { withoutLogin } from '../../../../src/queue/redis/redis-url.ts';
import { makeKeys } from '../../../../src/token/key-files.ts';
import type { Systemd } from '../../../../src/worker/systemd/systemd.ts';
import { freePort } from '../../../support/free-port.ts';
import { listening } from '../../../support/listening.ts';

let base: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'geard-doctor-'));
  await chmod(base, 0o755);
});
afterEach(() => rm(base, { recursive: true }));

/** What a check is given where the command line says this. */
function situation(flags: Record<string, string | boolean>): Situation {
  const given = readSettings(doctorOptions, flags, {});
  const log = pino({ level: 'silent' });
  return { ...complete(given), contradictions: contradictions('daemon', given), log };
}

/** An api, or what looks like one, and what it answers. */
async function serve(body: unknown, headers: Record<string, string> = {}): Promise<string> {
  return listening(createServer((_req, res) => res.writeHead(200, headers).end(JSON.stringify(body))));
}

/** What speaks as a Redis does, and answers each command by its name. */
const serveRedis = (answer: (command: string) => string) =>
  listening(
    createTcpServer((socket) => {
      const answerAll = (data: Buffer) => {
        for (const [, name = ''] of String(data).matchAll(/^\*\d+\r\n\$\d+\r\n(\w+)/gm))
          socket.write(answer(name.toLowerCase()));
      };
      socket.on('data', answerAll).on('error', () => undefined);
    }),
  );

test('a check that throws, or never ends, has found a problem, and the others are told all the same', async () => {
  const mend = 'turn it off and on';
  const found = await diagnose(
    situation({}),
    {
      fine: { at: '', mend, look: async () => ok('it is') },
      broken: { at: '', mend, look: () => Promise.reject(new Error('no such thing')) },
      silent: { at: '', mend, look: () => new Promise(() => undefined) },
    },
    50,
  );
  expect(diagnosis.parse(found).checks).toEqual([
    { name: 'fine', verdict: 'ok', detail: 'it is' },
    { name: 'broken', verdict: 'problem', detail: 'no such thing', mend },
    { name: 'silent', verdict: 'problem', detail: 'no answer within 0.05 s', mend },
  ]);
});

test('each check is a line, and how to mend what it found is indented below it', () => {
  const shown = show({
    checks: [
      { name: 'docker', verdict: 'ok', detail: '24.0 at /var/run/docker.sock' },
      { name: 'keys', verdict: 'problem', detail: 'two\nof them', mend: 'chmod 600 a\nchmod 600 b' },
    ],
  });
  expect(shown).toBe(
    'ok      docker      24.0 at /var/run/docker.sock\n' +
      'problem keys        two of them\n        chmod 600 a\n        chmod 600 b\n',
  );
});

test('settings with which no daemon starts are a problem, in the words of the daemon', async () => {
  expect(await settings.look(situation({ testToken: true }))).toMatchObject({ verdict: 'ok' });
  const { verdict, mend } = await settings.look(situation({ redis: 'redis://10.0.0.1' }));
  expect(verdict).toBe('problem');
  expect(mend).toMatch(/use rediss:[\s\S]*--keys is missing/);
});

test('a test token beyond loopback is a problem, unless --insecure-test-token is given as to the daemon', async () => {
  const flags = { testToken: true, listen: '0.0.0.0:2223' };
  expect((await settings.look(situation(flags))).mend).toContain('or use --insecure-test-token');
  expect((await settings.look(situation({ ...flags, insecureTestToken: true }))).verdict).toBe('ok');
});

test('keys that others can read are a problem, and so are halves that are missing', async () => {
  const look = () => keys.look(situation({ keys: base }));
  expect((await look()).mend).toMatch(
    /no <kid>\.daemon\.key .*\n.*no <kid>\.issuer\.pub .*gear token keygen/,
  );
  const [issuer, daemon] = await makeKeys(base, ['issuer', 'daemon']);
  await chmod(join(base, `${daemon?.kid}.daemon.key`), 0o644);
  expect(await look()).toMatchObject({
    verdict: 'problem',
    mend: `${base}/${daemon?.kid}.daemon.key can be read by others; chmod 600 it`,
  });
  await chmod(join(base, `${daemon?.kid}.daemon.key`), 0o600);
  expect(await look()).toMatchObject({ verdict: 'warning', mend: expect.stringContaining('remove it here') });
  await rm(join(base, `${issuer?.kid}.issuer.key`));
  expect(await look()).toMatchObject({ verdict: 'ok', detail: `1 of daemons and 1 of issuers in ${base}` });
});

test('a clock that tokens do not allow for is a problem, and one that drifts a warning', async () => {
  const look = async (seconds: number) => {
    const date = new Date(Date.now() + seconds * 1000).toUTCString();
    return clock.look(situation({ api: `http://${await serve({}, { date })}` }));
  };
  expect(await look(0)).toMatchObject({
    verdict: 'ok',
    detail: expect.stringMatching(/s or less from the api's/),
  });
  expect(await look(-20)).toMatchObject({ verdict: 'warning', mend: expect.stringContaining('timedatectl') });
  expect(await look(90)).toMatchObject({ verdict: 'problem', detail: expect.stringMatching(/^(89|90)\./) });
  const alone = await clock.look(situation({ api: `http://127.0.0.1:${await freePort()}` }));
  expect(alone).toMatchObject({ verdict: 'ok', detail: expect.stringContaining('nothing to compare') });
});

test('the address to listen on is free, geard answers there, or somebody else has it', async () => {
  const look = (at: string) => listen.look(situation({ listen: at }));
  const free = `127.0.0.1:${await freePort()}`;
  expect(await look(free)).toEqual(ok(`${free} is free`));
  const geard = await serve({ info: { title: 'geard', version: '1.2.3' } });
  expect(await look(geard)).toEqual(ok(`geard 1.2.3 answers at ${geard}`));
  const port = (await serve({ hello: 'world' })).split(':')[1];
  // 127.0.0.2 is free; 127.0.0.1 is not, and an address that stands for all of them would be refused.
  for (const host of ['127.0.0.1', '127.0.0.2', '0.0.0.0'])
    expect(await look(`${host}:${port}`)).toMatchObject({
      verdict: 'problem',
      mend: expect.stringContaining(`sport = :${port}`),
    });
  expect(await look('192.0.2.1:80')).toMatchObject({
    verdict: 'problem',
    detail: '192.0.2.1 is not an address of this host',
  });
});

test('a directory that others can change, and a secret that they can read, are a problem', async () => {
  const look = () => directories.look(situation({ base }));
  expect((await look()).verdict).not.toBe('problem');
  await mkdir(join(base, 'units'));
  await chmod(join(base, 'units'), 0o777);
  await writeFile(join(base, 'hash.key'), '', { mode: 0o644 });
  const found = await look();
  expect(found.verdict).toBe('problem');
  expect(found.mend?.split('\n')).toEqual([
    `${base}/units can be changed by others; chmod go-w it`,
    `${base}/hash.key can be read by others; chmod 600 it`,
  ]);
});

test('a Redis that is away is a problem that names it without its password', async () => {
  const at = `127.0.0.1:${await freePort()}`;
  const { checks: found } = await diagnose(situation({ redis: `redis://me:secret@${at}` }), { redis });
  expect(found).toMatchObject([{ verdict: 'problem', detail: expect.stringContaining(`redis://${at}: `) }]);
  expect(JSON.stringify(found)).not.toContain('secret');
  expect(withoutLogin('redis+cluster://u:p%40@a:1,b:2')).toBe('redis+cluster://a:1,b:2');
  expect(withoutLogin('rediss://u:p@q@a:1/3')).toBe('rediss://a:1/3');
});

/** A check that looks with something else. */
const by = <How>(check: Check<How>, how: How): Check => ({
  ...check,
  look: (given) => check.look(given, how),
});
const failing = (message: string) => () => Promise.reject(new Error(message));
/** Asks a systemd of which this is known. */
const systemdWith =
  (known: Partial<Systemd>) =>
  <T>(_: unknown, ask: (systemd: Systemd) => Promise<T>) =>
    ask(known as Systemd);
const version = (known: number) => systemdWith({ version: async () => known });
const rulesAre = (active: string) =>
  systemdWith({ activity: async () => ({ active, sub: '', invocation: '', pending: false }) });
const without =
  (...missing: string[]) =>
  async (program: string) =>
    missing.includes(program) ? null : `/usr/bin/${program}`;
const free = (megabytes: number, files: number) => async () => [{ place: '/data', megabytes, files }];

const bus = 'it must be PID 1, and have a system bus: systemctl start dbus';
const rules = 'systemctl enable --now geard-network.service; contrib/install.sh worker installs it';
const instances = 'sysctl -w fs.inotify.max_user_instances=1024, and the same in /etc/sysctl.d/geard.conf';
const ofRedis =
  'check that it runs there, and that --redis and --redis-… are right; without --redis install redis-server';
const room =
  'make room, for example with docker image prune; du -xh /data | sort -h | tail shows where it is';

test.each<[what: string, check: Check, verdict: Finding['verdict'], mend: string | undefined]>([
  ['no systemd', by(systemd, failing('no bus')), 'problem', bus],
  ['a systemd that is too old', by(systemd, version(243)), 'problem', 'update to 244 or later'],
  ['a systemd that is new enough', by(systemd, version(244)), 'ok', undefined],
  ['rules that nobody can ask for', by(network, failing('no bus')), 'problem', 'see the check of systemd'],
  ['rules that are not loaded', by(network, rulesAre('inactive')), 'warning', rules],
  ['rules that have failed', by(network, rulesAre('failed')), 'warning', rules],
  ['rules that are loaded', by(network, rulesAre('active')), 'ok', undefined],
  [
    'no nft, flock and choom',
    by(programs, without('nft', 'flock', 'choom')),
    'problem',
    'apt-get install nftables util-linux',
  ],
  [
    'neither docker nor git',
    by(programs, without('docker', 'git')),
    'problem',
    'apt-get install docker.io git',
  ],
  ['no git', by(programs, without('git')), 'warning', 'apt-get install git'],
  ['all programs', by(programs, without()), 'ok', undefined],
  ['no instance of inotify that is left', by(inotify, failing('EMFILE')), 'problem', instances],
  ['too few instances of inotify', by(inotify, async () => 127), 'warning', instances],
  ['enough instances of inotify', by(inotify, async () => 128), 'ok', undefined],
  [
    'no redis-server',
    by(redis, () => findProgram(without('valkey-server', 'redis-server'))),
    'problem',
    ofRedis,
  ],
  ['a redis-server', by(redis, () => findProgram(without('valkey-server'))), 'ok', undefined],
  ['a full disk', by(disk, free(63, 1e6)), 'problem', room],
  ['a disk that is soon full', by(disk, free(1_023, 1e6)), 'warning', room],
  ['a disk without inodes', by(disk, free(1e6, 999)), 'problem', room],
  ['a disk that is soon without inodes', by(disk, free(1e6, 19_999)), 'warning', room],
  ['a disk with room', by(disk, free(1_024, 20_000)), 'ok', undefined],
])('%s: it is told whether that is a fault, and what mends it', async (_, check, verdict, mend) => {
  const { checks: found } = await diagnose(situation({ base, docker: join(base, 'none') }), { check });
  expect(found).toEqual([
    { name: 'check', verdict, detail: expect.stringMatching(/./), ...(mend !== undefined && { mend }) },
  ]);
});

test('a Docker that is too old is a problem, and how it is updated is told', async () => {
  const socket = join(base, 'docker.sock');
  let ApiVersion = '1.40';
  const engine = createServer((_req, res) =>
    res.end(JSON.stringify({ DockerRootDir: '/data', Version: '19.03.15', ApiVersion })),
  );
  await once(engine.listen(socket), 'listening');
  onTestFinished(() => void engine.close());
  const look = () => docker.look(situation({ docker: socket }));
  expect(await look()).toEqual({
    verdict: 'problem',
    detail: `19.03.15 (API 1.40) at ${socket} is too old`,
    mend: 'update to Docker 20.10 or later',
  });
  ApiVersion = '1.41';
  expect((await look()).verdict).toBe('ok');
});

test('a Redis that does not let this user ask is a warning that names the rules for it', async () => {
  const at = await serveRedis(
    (name) => `-NOPERM this user has no permissions to run the '${name}' command\r\n`,
  );
  expect(await redis.look(situation({ redis: `redis://${at}` }))).toEqual({
    verdict: 'warning',
    detail: `redis://${at} does not tell this user whether it keeps jobs`,
    mend: 'use the rules of "gear redis-acl"',
  });
});

test("Redis's own clock is compared, too", async () => {
  const look = async (seconds: number) => {
    const time = String(Math.round(Date.now() / 1000) + seconds);
    const at = await serveRedis((name) =>
      name === 'time' ? `*2\r\n$10\r\n${time}\r\n$1\r\n0\r\n` : '$0\r\n\r\n',
    );
    return clock.look(situation({ redis: `redis://${at}`, api: `http://127.0.0.1:${await freePort()}` }));
  };
  const mend = 'timedatectl set-ntp true, on all machines; tokens allow for 60 s';
  const detail = expect.stringMatching(/^\d+\.\d s or less from Redis's$/);
  expect(await look(0)).toEqual({ verdict: 'ok', detail });
  expect(await look(-20)).toEqual({ verdict: 'warning', detail, mend });
  expect(await look(90)).toEqual({ verdict: 'problem', detail, mend });
});

test('a directory above --base that git may not pass is a warning with the command that opens it', async () => {
  const closed = join(base, 'closed');
  await mkdir(join(closed, 'gears'), { recursive: true });
  await chmod(closed, 0o700);
  const look = () => directories.look(situation({ base: join(closed, 'gears') }));
  expect(await look()).toEqual({
    verdict: 'warning',
    detail: `other users cannot enter ${closed}: no archive can be created`,
    mend: `chmod o+x ${closed}`,
  });
  await chmod(closed, 0o701);
  expect((await look()).verdict).toBe('ok');
});

test('without keys and test token there is a warning, for a daemon that runs may have either', async () => {
  const found = await settings.look(situation({}));
  expect(found).toMatchObject({
    verdict: 'warning',
    mend: expect.stringMatching(/gear token keygen .*use --test-token$/),
  });
  const wrong = { testToken: true, redisCert: '/cert' };
  for (const flags of [wrong, { ...wrong, testToken: false }])
    expect((await settings.look(situation(flags))).verdict).toBe('problem');
});

test('docs/operations.md has every check with what it looks at, and no other', async () => {
  const page = (await readFile('docs/operations.md', 'utf8')).split('## Doctor\n')[1]?.split('\n## ')[0];
  const rows = [...(page ?? '').matchAll(/^\| `(\w+)` \| ([^|]+) \|/gm)].map(([, name, at]) => [name, at]);
  expect(rows).toEqual(Object.entries(checks).map(([name, { at }]) => [name, at]));
});
