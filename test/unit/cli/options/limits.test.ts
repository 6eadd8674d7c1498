import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readConfig } from '../../../../src/cli/options/config.ts';
import { limitOptions } from '../../../../src/cli/options/limit-options.ts';
import { namedOptions } from '../../../../src/cli/options/option-definition.ts';
import { beyondLimits, hostLimits, includesPort, limitNames } from '../../../../src/jobs/limits.ts';
import { gearBody } from '../../../../src/jobs/types/container.ts';
import { hostLimits as granted } from '../../../support/limits.ts';

const redis = { redis: 'redis://127.0.0.1', testToken: true } as const;
const MiB = 1024 * 1024;

/** Defaults that a table tells in words. */
const inWords: Partial<Record<string, string>> = {
  maxGearMemory: 'half of the host’s',
  maxGearCpus: 'the host’s',
  maxStarts: 'the host’s CPUs',
  publishAddress: 'all',
};

test('docs/limits.md has every limit with its option and default, and no other', () => {
  const page = readFileSync('docs/limits.md', 'utf8');
  const rows = [...page.matchAll(/^\| `(\w+)` \| `(--[\w-]+)` \| ([^|]+) \|/gm)].map(
    ([, name, flag, preset]) => `${name} ${flag} ${preset?.trim().replaceAll("'", '’')}`,
  );
  const table = Object.entries(namedOptions(limitOptions)).map(
    ([name, { flag, default: preset }]) => `${name} ${flag} ${inWords[name] ?? preset}`,
  );
  expect(rows).toEqual(table);
});

test('every limit has an option of its name, and every option of a limit is one', () => {
  expect([...limitNames].sort()).toEqual(Object.keys(limitOptions).sort());
});

test('the defaults are limits as a worker announces them', () => {
  expect(hostLimits.parse(readConfig('worker', redis, {}))).toMatchObject({
    gearMemory: 512 * MiB,
    gearPids: 1_024,
    gearLogLines: 10_000,
    publishPorts: '1024-2222,2224-65535',
    publishAddress: [],
  });
});

test('limits that cannot be are refused at the start', () => {
  const wrong = (flags: Record<string, string>) => () => readConfig('worker', { ...redis, ...flags }, {});
  expect(wrong({ gearMemory: '5m' })).toThrow('--gear-memory');
  expect(wrong({ publishPorts: '0' })).toThrow('--publish-ports');
  expect(wrong({ publishPorts: '2000-1000' })).toThrow('--publish-ports');
  expect(wrong({ publishPorts: '80,,90' })).toThrow('--publish-ports');
  expect(wrong({ publishAddress: 'localhost' })).toThrow('--publish-address');
  expect(wrong({ gearMemory: '2g', maxGearMemory: '1g' })).toThrow(
    '--gear-memory is more than --max-gear-memory',
  );
  expect(wrong({ gearCpus: '2', maxGearCpus: '1' })).toThrow('--gear-cpus is more than --max-gear-cpus');
  expect(wrong({ publishPorts: '443,1024-65535', publishAddress: '192.0.2.1,::1' })).not.toThrow();
});

test('a list of ports has its single ports and its ranges, with their ends', () => {
  const has = (port: number) => includesPort('443,1024-1026', port);
  expect([442, 443, 444, 1023, 1024, 1026, 1027].map(has)).toEqual([
    ...[false, true, false],
    ...[false, true, true, false],
  ]);
});

test.each([
  ['memory', { memory: '2g' }, 'memory may be at most 1073741824 bytes (limit maxGearMemory)'],
  ['cpus', { cpus: 3 }, 'cpus may be at most 2 (limit maxGearCpus)'],
  ['a port below 1024', { ports: [{ internal: 80, external: 443 }] }, 'the external port 443'],
])('%s beyond what a host grants is refused in words that mend it', (_, body, words) => {
  const limits = granted({ maxGearMemory: 1024 * MiB, maxGearCpus: 2 });
  expect(beyondLimits(gearBody.parse(body), limits)).toContain(words);
});

test('what a host grants, and what it chooses itself, is not refused', () => {
  const body = {
    memory: '64m',
    ports: [{ internal: 80, external: 8080 }, { internal: 81, external: 0 }, { internal: 82 }],
  };
  expect(beyondLimits(gearBody.parse(body), granted())).toBeNull();
});
