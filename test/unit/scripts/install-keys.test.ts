import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { run } from '../../support/run.ts';

/** make_keys of the installer on directories of its own. A run ends before the step that `stop` names. */
const script = `set -euo pipefail
  settings=$1/etc issuer=$1/issuer link=gear stop=$2 roles=("\${@:3}")
  . contrib/install.d/units.sh
  say() { printf '%s\\n' "$*"; }
  taken=0
  step() { [ $((taken += 1)) != "$stop" ] || exit 9; "$@"; }
  install() { step command install "$@"; }
  mv() { step command mv "$@"; }
  rm() { step command rm "$@"; }
  systemd-tmpfiles() { step true; }
  gear() {
    local end kid=$(date +%s%N)
    mkdir -p "$3"
    for end in issuer.key issuer.pub daemon.key daemon.pub; do step echo $kid >"$3/$kid-\${end%.*}.$end"; done
  }
  make_keys`;

interface Host {
  /** Makes the keys of some roles and returns what was said. */
  make(roles: string): Promise<string>;
  /** Begins that and ends before the step `stop`. Returns whether there was such a step. */
  interrupt(roles: string, stop: number): Promise<boolean>;
  api(): string[];
  worker(): string[];
  issuer(): string[];
  write(path: string, text?: string): void;
}

async function newHost(): Promise<Host> {
  const root = await mkdtemp(join(tmpdir(), 'geard-install-'));
  onTestFinished(() => rm(root, { recursive: true }));
  for (const directory of ['etc/keys', 'etc/api/keys']) mkdirSync(join(root, directory), { recursive: true });
  const list = (path: string) => (existsSync(join(root, path)) ? readdirSync(join(root, path)).sort() : []);
  const start = (roles: string, stop: number) =>
    run('bash', '-c', script, 'bash', root, String(stop), ...roles.split(' '));
  return {
    async make(roles) {
      const { status, stdout, stderr } = await start(roles, 0);
      expect([status, stderr]).toEqual([0, '']);
      return stdout;
    },
    async interrupt(roles, stop) {
      const { status, stderr } = await start(roles, stop);
      expect([0, 9], stderr).toContain(status);
      return status === 9;
    },
    api: () => list('etc/api/keys'),
    worker: () => list('etc/keys'),
    issuer: () => list('issuer'),
    write(path, text = '') {
      mkdirSync(join(root, path, '..'), { recursive: true });
      writeFileSync(join(root, path), text);
    },
  };
}

/** The newest key of a directory that ends so, which is the one that tokens are made with. */
const newest = (files: string[], end: string) => files.findLast((file) => file.endsWith(end))?.split('.')[0];

/** Tokens that are made there are accepted by those who have the keys, and nothing else is in either place. */
function expectToFit(after: string, issuer: string[], ...holders: string[][]): void {
  for (const keys of holders) {
    expect(keys, after).toContain(`${newest(issuer, '.issuer.key')}.issuer.pub`);
    expect(keys, after).toContain(`${newest(issuer, '.daemon.pub')}.daemon.key`);
    expect(keys, after).toEqual(holders[0]);
  }
  const others = (files: string[], expected: RegExp) => files.filter((file) => !expected.test(file));
  expect(others(holders.flat(), /\.(?:issuer\.pub|daemon\.key)$/), after).toEqual([]);
  expect(others(issuer, /\.(?:issuer\.(?:key|pub)|daemon\.pub)$/), after).toEqual([]);
}

test('Redis alone needs no keys: none are made, and those of the host stay the newest', async () => {
  const host = await newHost();
  expect(await host.make('redis')).toBe('');
  expect(host.issuer()).toEqual([]);
  await host.make('redis api worker');
  const before = [host.api(), host.worker(), host.issuer()];
  expect(await host.make('redis')).toBe('');
  expect([host.api(), host.worker(), host.issuer()]).toEqual(before);
});

test.each([
  ['redis worker', 'redis api'],
  ['redis api', 'redis worker'],
  ['daemon', 'redis api worker'],
])('%s and then %s: all have the same keys', async (first, second) => {
  const host = await newHost();
  await host.make(first);
  const made = host.issuer();
  expect(await host.make(second)).toMatch(/ has those of \S+\/etc\/(?:api\/)?keys\n/);
  expectToFit(second, host.issuer(), host.api(), host.worker());
  expect(host.issuer()).toEqual(made);
});

test('a run that is interrupted, wherever that is, is finished by the next one', async () => {
  let stop = 0;
  for (let interrupted = true; interrupted; ) {
    const host = await newHost();
    stop += 1;
    interrupted = await host.interrupt('redis api worker', stop);
    await host.make('redis api worker');
    expectToFit(`step ${stop}`, host.issuer(), host.api(), host.worker());
  }
  expect(stop).toBeGreaterThan(15);
});

test('what was rotated is copied as a whole by the run after one that was interrupted', async () => {
  let stop = 0;
  for (let interrupted = true; interrupted; ) {
    const host = await newHost();
    for (const name of ['1.issuer.pub', '2.daemon.key', '3.issuer.pub', '4.daemon.key'])
      host.write(`etc/keys/${name}`, name);
    stop += 1;
    interrupted = await host.interrupt('redis api worker', stop);
    await host.make('redis api worker');
    expect(host.api(), `step ${stop}`).toEqual(host.worker());
  }
  expect(stop).toBeGreaterThan(8);
});

test('what an earlier version has left behind when it was interrupted is put in order', async () => {
  const host = await newHost();
  for (const name of ['1.issuer.key', '1.issuer.pub', '2.daemon.key', '2.daemon.pub'])
    host.write(`issuer/${name}`, name);
  for (const name of ['1.issuer.pub', '2.daemon.key']) host.write(`etc/api/keys/${name}`, name);
  await host.make('redis api worker');
  expect(host.worker()).toEqual(['1.issuer.pub', '2.daemon.key']);
  expect(host.issuer()).toEqual(['1.issuer.key', '1.issuer.pub', '2.daemon.pub']);
});

test('a new key that waits in the directory of the issuer to be copied stays there', async () => {
  const host = await newHost();
  await host.make('redis api worker');
  host.write('issuer/9.daemon.key', 'new');
  await host.make('redis api worker');
  expect(host.issuer()).toContain('9.daemon.key');
});

test('where a role has keys elsewhere, or the test token, none are made', async () => {
  for (const setting of ['GEARD_KEYS=/srv/keys', 'GEARD_TEST_TOKEN=1']) {
    const host = await newHost();
    host.write('etc/api.env', `${setting}\n`);
    await host.make('redis api worker');
    expect([host.api(), host.worker(), host.issuer()], setting).toEqual([[], [], []]);
  }
});

test('in a fleet keys are brought, and what was brought first is not spread', async () => {
  const host = await newHost();
  await host.make('api worker');
  for (const name of ['1.issuer.pub', '2.daemon.key']) host.write(`etc/keys/${name}`, name);
  host.write('issuer/2.daemon.key', '2.daemon.key');
  await host.make('api worker');
  expect([host.api(), host.issuer()]).toEqual([[], ['2.daemon.key']]);
});

test('a private half stays where it was made until a role has it, whatever is installed', async () => {
  const host = await newHost();
  const made = ['1.issuer.key', '1.issuer.pub', '2.daemon.key', '2.daemon.pub'];
  for (const name of made) host.write(`issuer/${name}`, name);
  await host.make('redis');
  expect(host.issuer()).toEqual(made);
});

test('a new private half stays until every role has it', async () => {
  const host = await newHost();
  await host.make('redis api worker');
  host.write('issuer/9.daemon.key', '9');
  host.write('etc/keys/9.daemon.key', '9');
  await host.make('redis api worker');
  expect(host.issuer()).toContain('9.daemon.key');
  host.write('etc/api/keys/9.daemon.key', '9');
  await host.make('redis api worker');
  expect(host.issuer()).not.toContain('9.daemon.key');
});
