import { chmod, mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeKeys, readKeyring, readMinterKey } from '../../../src/token/key-files.ts';
import { mintToken } from '../../../src/token/mint.ts';
import { createVerifier } from '../../../src/token/verifier.ts';
import { type WatchedKeys, watchKeys } from '../../../src/token/watch-keys.ts';
import { lifetimes, now } from '../../support/tokens.ts';
import { until } from '../../support/until.ts';

let directory: string;
let open: WatchedKeys[] = [];
const written: string[] = [];
const log = pino({}, { write: (line: string) => void written.push(line) });

beforeEach(async () => {
  directory = join(await mkdtemp(join(tmpdir(), 'geard-keys-')), 'keys');
  written.length = 0;
});
afterEach(async () => {
  for (const { close } of open) close();
  open = [];
  await rm(join(directory, '..'), { recursive: true });
});

const both = ['issuer', 'daemon'] as const;
const watch = async () => {
  const watched = await watchKeys(directory, log, 10);
  open.push(watched);
  return watched;
};
const idOf = async (role: string) =>
  (await readdir(directory)).find((name) => name.endsWith(`.${role}.pub`))?.split('.')[0] ?? '';
const mint = async () =>
  mintToken(
    { aud: 'geard', d: now() + 60 },
    await readMinterKey(directory, 'issuer'),
    await readMinterKey(directory, 'daemon'),
  );

test('keys are made for the owner alone, and what they sign and open fits together', async () => {
  await makeKeys(directory, both);
  expect((await stat(directory)).mode & 0o777).toBe(0o700);
  for (const name of await readdir(directory)) {
    const mode = (await stat(join(directory, name))).mode & 0o777;
    expect([name, mode]).toEqual([name, name.endsWith('.key') ? 0o600 : 0o644]);
  }
  const { current } = await watch();
  const verifier = createVerifier({ keys: current, fleet: 'geard', lifetimes, testToken: false });
  expect(await verifier.verify(await mint())).not.toBeNull();
});

test('a daemon needs no key that signs, and who mints none that opens', async () => {
  await makeKeys(directory, both);
  const [issuer, daemon] = [await idOf('issuer'), await idOf('daemon')];
  await rm(join(directory, `${daemon}.daemon.key`));
  await mint();
  await rm(join(directory, `${issuer}.issuer.key`));
  await expect(mint()).rejects.toThrow(/there is no file <kid>.issuer.key in .*gear token keygen/);
});

test.each([
  ['others can read', async (path: string) => chmod(path, 0o640), /can be read by others; chmod 600/],
  ['is no JSON', async (path: string) => writeFile(path, 'secret'), /is not a private X25519 key/],
  [
    'says another id than its name',
    async (path: string) => writeFile(path, (await readFile(path, 'utf8')).replace(/"kid": "/, '$&x')),
    /its kid must match the beginning of its file name/,
  ],
  [
    'does not fit together',
    async (path: string) =>
      writeFile(path, (await readFile(path, 'utf8')).replace(/"d": "[^"]+"/, '"d": "AA"')),
    /is not a private X25519 key|the parts of the key do not match/,
  ],
])('a daemon refuses to start with a private key that %s, and says which', async (_, spoil, reason) => {
  await makeKeys(directory, both);
  const path = join(directory, `${await idOf('daemon')}.daemon.key`);
  await spoil(path);
  await expect(watch()).rejects.toThrow(reason);
  await expect(watch()).rejects.toThrow(path);
});

test('a directory that others can write to is not trusted', async () => {
  await makeKeys(directory, both);
  await chmod(directory, 0o777);
  await expect(watch()).rejects.toThrow(/can be changed by others/);
});

test('a missing directory and a missing key are said with how to make them', async () => {
  await expect(watch()).rejects.toThrow(directory);
  await makeKeys(directory, ['issuer']);
  await expect(watch()).rejects.toThrow(/there is no <kid>.daemon.key .*gear token keygen/);
});

test('keys that are added, removed and spoilt while a daemon runs take effect, and the log names them', async () => {
  await makeKeys(directory, both);
  const first = await idOf('issuer');
  const { current } = await watch();
  const [second] = await makeKeys(directory, ['issuer']);
  await until('the second issuer is known', () => current().issuers.size === 2);
  await rename(join(directory, `${first}.issuer.pub`), join(directory, 'retired'));
  await until('the first issuer is unknown', () => !current().issuers.has(first));
  expect([...current().issuers.keys()]).toEqual([second?.kid]);
  await chmod(join(directory, `${await idOf('daemon')}.daemon.key`), 0o644);
  await until('the readable key is out of use', () => current().daemons.size === 0);
  await until('the log says why', () => written.some((line) => line.includes('chmod 600')));
  expect(
    written.some((line) => line.includes('keys have changed') && line.includes(String(second?.kid))),
  ).toBe(true);
});

test('what is in a key file never gets into an error or the log', async () => {
  await makeKeys(directory, both);
  const name = `${await idOf('daemon')}.daemon.key`;
  const path = join(directory, name);
  const { d } = JSON.parse(await readFile(path, 'utf8'));
  await watch();
  await writeFile(path, (await readFile(path, 'utf8')).replace('"OKP"', '"oct"'));
  const { problems } = await readKeyring(directory);
  expect(problems).toHaveLength(1);
  await until('the log says why', () => written.some((line) => line.includes('a key is not used')));
  expect([...problems, ...written].join('\n')).not.toContain(d);
});
