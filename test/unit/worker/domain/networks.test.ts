import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readConfig } from '../../../../src/cli/options/config.ts';
import { gearBody } from '../../../../src/jobs/types/container.ts';
import {
  type AddressRange,
  freeNetwork,
  parseNetwork,
  parsePool,
} from '../../../../src/worker/domain/networks.ts';
import { bridgeOf, networkOf } from '../../../../src/worker/domain/paths.ts';
import { parseUnit, renderUnit } from '../../../../src/worker/domain/unit-file.ts';
import { parseRoutes } from '../../../../src/worker/host/routes.ts';
import { runCommand, someGear, unitHost } from '../../../support/some-gear.ts';

const host = unitHost();
const range = (text: string) => parseNetwork(text) as AddressRange;

test('no gear has the network of another one, whatever their names, and no common one is a gear’s own', () => {
  const names = ['a', 'network-a', 'a.b', 'd-network-a'];
  const all = [
    ...names.map((name) => networkOf(name, {})),
    ...names.map((name) => networkOf('x', { network: name })),
  ];
  expect(new Set(all).size).toBe(all.length);
  const bridges = all.flatMap((name) => [0, 1, 2].map((attempt) => bridgeOf(name, attempt)));
  expect(new Set(bridges).size).toBe(3 * all.length);
  for (const bridge of bridges) expect(bridge).toMatch(/^gear-[0-9a-f]{10}$/);
});

test('the unit of a gear names a network of its own, or the common one and the name it has there (security H4)', () => {
  fc.assert(
    fc.property(someGear, (gear) => {
      const own = runCommand(
        { ...gear, spec: { ...gear.spec, network: undefined }, network: 'gear-x' },
        host,
      );
      expect(own.filter((word) => word.startsWith('--network'))).toEqual(['--network=gear-x']);
      const spec = { ...gear.spec, network: 'team' };
      const common = runCommand({ ...gear, spec, network: networkOf(gear.resource, spec) }, host);
      expect(common).toContain('--network=geard-network-team');
      expect(common).toContain(`--network-alias=${gear.resource}`);
    }),
  );
});

test('a unit of before networks is read and written as it was, and is no drift', () => {
  const [gear] = fc.sample(someGear, { numRuns: 1, seed: 1 });
  if (!gear) throw new Error('no gear');
  const text = renderUnit({ ...gear, network: null }, host);
  const spec = /^Spec=(.*)$/m.exec(text)?.[1] ?? '';
  const { network: _, ...content } = JSON.parse(Buffer.from(spec, 'base64url').toString());
  const old = text.replace(spec, Buffer.from(JSON.stringify(content)).toString('base64url'));
  expect(old).not.toContain('--network');
  expect(parseUnit(old)?.network).toBeNull();
});

test.each([
  '',
  ' ',
  '../x',
  'a b',
  'x\n',
  '--net=host',
  'host:',
  'a'.repeat(64),
])('the network %j is refused', (network) => expect(gearBody.safeParse({ network }).success).toBe(false));

test('a network is the first of the pool that touches nothing', () => {
  const pool = range('10.128.0.0/12');
  expect(freeNetwork(pool, [])).toBe('10.128.0.0/26');
  expect(freeNetwork(pool, [range('10.128.0.0/26'), range('10.128.0.128/26')])).toBe('10.128.0.64/26');
  expect(freeNetwork(pool, [range('10.128.0.5/32')])).toBe('10.128.0.64/26');
  expect(freeNetwork(pool, [range('10.128.0.0/9')])).toBeNull();
  expect(freeNetwork(range('255.255.255.192/26'), [])).toBe('255.255.255.192/26');
});

test('as many networks as the pool has room for are given, none twice', () => {
  const taken: AddressRange[] = [];
  for (;;) {
    const next = freeNetwork(range('192.168.0.0/18'), taken);
    if (next === null) break;
    const { first, last } = range(next);
    expect(taken.every((other) => other.last < first || last < other.first)).toBe(true);
    taken.push({ first, last });
  }
  expect(taken).toHaveLength(256);
});

test.each([
  '10.0.0.0',
  '10.0.0.0/27',
  '10.0.0.0/33',
  'fd00::/8',
  '10.0.0/8',
  '10.0.0.0/8/8',
  '',
])('the pool %j is refused by name', (pool) => {
  expect(parsePool(pool)).toBeNull();
  expect(() => readConfig('daemon', { testToken: true, networkPool: pool }, {})).toThrow(
    '--network-pool: must be an IPv4 network',
  );
});

test('routes of the host are read from the kernel’s table, but for the default one', () => {
  const table = [
    'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT',
    'eth0\t00000000\tFE004D0A\t0003\t0\t0\t0\t00000000\t0\t0\t0',
    'eth0\t00004D0A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0',
    '',
  ].join('\n');
  expect(parseRoutes(table)).toEqual([range('10.77.0.0/24')]);
});

test('the addresses of routes have the byte order of the machine', () => {
  const route = (address: string, mask: string) =>
    `\neth0\t${address}\t00000000\t0001\t0\t0\t0\t${mask}\t0\t0\t0`;
  expect(parseRoutes(route('00004D0A', '00FFFFFF'), 'LE')).toEqual([range('10.77.0.0/24')]);
  expect(parseRoutes(route('0A4D0000', 'FFFFFF00'), 'BE')).toEqual([range('10.77.0.0/24')]);
});
