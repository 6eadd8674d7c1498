import { once } from 'node:events';
import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterEach, beforeEach, expect, onTestFinished, test } from 'vitest';
import { checks, diagnose, show } from '../../../../src/cli/doctor/command.ts';
import { directories } from '../../../../src/cli/doctor/disk.ts';
import { diagnosis, doctorOptions, ok, type Situation } from '../../../../src/cli/doctor/finding.ts';
import { clock, keys, listen, redis, settings } from '../../../../src/cli/doctor/fleet.ts';
import { complete, contradictions, readSettings } from '../../../../src/cli/options/config.ts';
import { withoutLogin } from '../../../../src/queue/redis/redis-url.ts';
import { makeKeys } from '../../../../src/token/key-files.ts';
import { freePort } from '../../../support/free-port.ts';

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
  const server = createServer((_req, res) => res.writeHead(200, headers).end(JSON.stringify(body)));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void server.close());
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

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
    detail: '192.0.2.1 is no address of this host',
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
