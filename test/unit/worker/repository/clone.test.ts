import { expect, test } from 'vitest';
import { canonicalCloneUrl } from '../../../../src/jobs/fields/clone-url.ts';
import { refName } from '../../../../src/jobs/fields/identifier.ts';
import { isLoopback, isPublic, parseAllowance } from '../../../../src/worker/domain/addresses.ts';
import {
  createGitProgress,
  type GitProgress,
  throttled,
} from '../../../../src/worker/repository/git/git-progress.ts';
import { hostileRefs, hostileUrls } from '../../../support/hostile.ts';

test.each([
  ['https://github.com/openshift/geard.git', 'https://github.com/openshift/geard.git'],
  ['HTTPS://GitHub.com/a/b', 'https://github.com/a/b'],
  ['git://example.org:9418/a', 'git://example.org:9418/a'],
  ['git://example.org:80/a', 'git://example.org:80/a'],
  ['http://2130706433/a', 'http://127.0.0.1/a'],
  ['git://0x7f.1/a', 'git://127.0.0.1/a'],
  ['https://0177.0.0.1/a', 'https://127.0.0.1/a'],
  ['http://[::FFFF:127.0.0.1]/a', 'http://[::ffff:7f00:1]/a'],
  ['https://example.org/a/../b', 'https://example.org/b'],
  ['https://example.org', { wrong: expect.any(String) }],
])('%s is understood as what it means', (given, meant) => {
  const canonical = canonicalCloneUrl(given);
  if (given === 'https://example.org') expect(canonical).toBe('https://example.org/');
  else expect(canonical).toEqual(meant);
});

test.each(hostileUrls)('%j is no clone URL', (url) => {
  expect(canonicalCloneUrl(url)).toEqual({ wrong: expect.any(String) });
});

test.each([
  '0.0.0.0',
  '10.1.2.3',
  '100.64.0.1',
  '127.0.0.1',
  '127.255.255.254',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '198.18.0.1',
  '224.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '::ffff:10.0.0.1',
  '::127.0.0.1',
  '64:ff9b::7f00:1',
  'fc00::1',
  'fe80::1',
  'fe80::1%eth0',
  'ff02::1',
  '2001:db8::1',
  '2001::1',
  '2002:7f00:1::',
  '3fff::1',
  '3fff:fff:ffff::1',
])('%s is not of the Internet', (address) => {
  expect(isPublic(address)).toBe(false);
});

test.each([
  '1.1.1.1',
  '140.82.121.4',
  '172.32.0.1',
  '2606:50c0:8000::153',
  '::ffff:1.1.1.1',
])('%s is of the Internet', (address) => {
  expect(isPublic(address)).toBe(true);
});

test('what --clone-allow or --registry-allow names is allowed, and nothing beside it', () => {
  const allowance = parseAllowance(['10.0.0.0/8', 'git.local', '::1', '127.0.0.1']);
  expect(['10.200.1.1', '127.0.0.1', '::ffff:127.0.0.1', '::1'].map(allowance.allowsAddress)).toEqual(
    Array(4).fill(true),
  );
  expect(['11.0.0.1', '127.0.0.2', '::2'].map(allowance.allowsAddress)).toEqual(Array(3).fill(false));
  expect(['git.local', 'git.local.', 'a.git.local'].map(allowance.allowsName)).toEqual([true, true, false]);
  expect(isLoopback('::ffff:127.0.0.9')).toBe(true);
});

test.each(['main', 'v1.0', 'feature/a-b', 'a', '0123abcd', 'ü/ö', 'a@b', 'HEAD'])('%j is a ref', (ref) => {
  expect(refName.safeParse(ref).success).toBe(true);
});

test.each(hostileRefs)('%j is no ref', (ref) => {
  expect(refName.safeParse(ref).success).toBe(false);
});

test("git's progress is read however it comes in pieces", () => {
  const text =
    "Cloning into bare repository 'x'...\nremote: Counting objects:  50% (1/2)\rremote: Counting objects: 100% (2/2), done.\n" +
    'Receiving objects:   7% (14/200)\rReceiving objects: 100% (200/200), 1.00 MiB | 2.00 MiB/s, done.\n';
  for (const size of [1, 7, 1000]) {
    const told: GitProgress[] = [];
    const read = createGitProgress((progress) => told.push(progress));
    for (let at = 0; at < text.length; at += size) read(text.slice(at, at + size));
    expect(told).toEqual([
      { phase: 'Counting objects', percent: 50, total: 2 },
      { phase: 'Counting objects', percent: 100, total: 2 },
      { phase: 'Receiving objects', percent: 7, total: 200 },
      { phase: 'Receiving objects', percent: 100, total: 200 },
    ]);
  }
});

test.each([
  ['of one phase after the other', 'remote: Counting objects', 'remote: Compressing objects'],
  ['with phases that git does not know', 'remote: Phase A', 'remote: Phase B'],
  ["with the client's phases", 'remote: Receiving objects', 'remote: Resolving deltas'],
])('100,000 lines of a server %s are a few hundred reports at most', (_, ...phases) => {
  let reports = 0;
  const read = createGitProgress(() => reports++);
  for (let n = 0; n < 100_000; n++) read(`${phases[n % 2]}:  ${n % 101}% (${n}/100000)\r`);
  expect(reports).toBeLessThanOrEqual(202);
});

test('progress is reported five times a second, and the end of every phase at once', () => {
  let now = 0;
  const told: string[] = [];
  const tell = throttled(
    ({ phase, percent }) => told.push(`${phase} ${percent} at ${now}`),
    () => now,
  );
  for (const phase of ['a', 'b'])
    for (const percent of [0, 40, 70, 90, 99, 100]) {
      tell({ phase, percent, total: 1 });
      now += 90;
    }
  expect(told).toEqual(['a 0 at 0', 'a 90 at 270', 'a 100 at 450', 'b 70 at 720', 'b 100 at 990']);
});
