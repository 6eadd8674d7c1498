import type { PathLike } from 'node:fs';
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { makeKeys } from '../../../src/token/key-files.ts';
import { watchKeys } from '../../../src/token/watch-keys.ts';
import { keepLog } from '../../support/log-lines.ts';
import { until } from '../../support/until.ts';

/** The next call that fails: its function, the end of its path, and the code of its error. */
const { faults } = vi.hoisted(() => ({ faults: [] as { call: string; end: string; code: string }[] }));
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>();
  const failing = <F extends (path: PathLike, ...more: never[]) => unknown>(call: string, carryOut: F) =>
    (async (path, ...more) => {
      const fault = faults.find((one) => one.call === call && String(path).endsWith(one.end));
      if (!fault) return carryOut(path, ...more);
      faults.splice(faults.indexOf(fault), 1);
      throw Object.assign(new Error(`${fault.code}: ${call}`), { code: fault.code, errno: -1 });
    }) as F;
  return {
    ...real,
    readdir: failing('readdir', real.readdir as never),
    stat: failing('stat', real.stat as never),
    readFile: failing('readFile', real.readFile as never),
  };
});

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'geard-keys-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  await makeKeys(directory, ['issuer', 'daemon']);
  faults.length = 0;
});

const passing = [
  { call: 'readdir', end: '', code: 'EMFILE' },
  { call: 'stat', end: '', code: 'ENFILE' },
  { call: 'stat', end: '.daemon.key', code: 'ENOMEM' },
  { call: 'readFile', end: '.issuer.pub', code: 'EIO' },
];

test.each(passing)('keys stay in use while $call fails with $code', async (fault) => {
  const { log, lines } = keepLog();
  const { current, close } = await watchKeys(directory, log, 10);
  onTestFinished(close);
  const before = current();
  faults.push(fault);
  const said = (msg: string) => lines.find((line) => line['msg'] === msg);
  await until('the fault is in the log', () => said('a key cannot be read; the one in use stays'));
  expect(current()).toBe(before);
  expect(before.daemons.size + before.issuers.size).toBe(2);
  await makeKeys(directory, ['daemon']);
  await until('the keys are read again', () => said('keys have changed'));
  expect(current().daemons.size).toBe(2);
});

test('a key that is taken away, or that others may read, is not used, even while another cannot be read', async () => {
  const { log, lines } = keepLog();
  const [revoked] = await makeKeys(directory, ['issuer']);
  const file = `${revoked?.kid}.issuer.pub`;
  const { current, close } = await watchKeys(directory, log, 10);
  onTestFinished(close);
  const [kept] = [...current().issuers.keys()].filter((kid) => kid !== revoked?.kid);
  for (let i = 0; i < 1_000; i++) faults.push({ call: 'readFile', end: `${kept}.issuer.pub`, code: 'EIO' });
  await rm(join(directory, file));
  await chmod(
    join(directory, String((await readdir(directory)).find((name) => name.endsWith('daemon.key')))),
    0o644,
  );
  await until('the keys are not used', () => current().daemons.size + current().issuers.size === 1);
  expect([...current().issuers.keys()]).toEqual([kept]);
  const problems = lines.filter((line) => line['reason'] !== undefined).map(({ msg }) => msg);
  expect(new Set(problems)).toEqual(
    new Set(['a key cannot be read; the one in use stays', 'a key is not used']),
  );
});

test.each(passing)('no program starts while $call fails with $code', async (fault) => {
  faults.push(fault);
  await expect(watchKeys(directory, keepLog().log)).rejects.toThrow(fault.code);
});

test.each([
  { call: 'stat', end: '', code: 'ENOENT' },
  { call: 'readdir', end: '', code: 'EACCES' },
])('no key is in use where $call fails with $code', async (fault) => {
  const { log, lines } = keepLog();
  const { close } = await watchKeys(directory, log, 10);
  onTestFinished(close);
  faults.push(fault);
  const changed = () => lines.find((line) => line['msg'] === 'keys have changed');
  expect(await until('the keys are not used', changed)).toMatchObject({ issuers: [], daemons: [] });
});
