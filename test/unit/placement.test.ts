import { expect, test } from 'vitest';
import { firstChoice } from '../../src/api/placement.ts';
import { Failure } from '../../src/jobs/errors.ts';
import type { Command } from '../../src/jobs/registry.ts';
import type { Front, HostEntry } from '../../src/queue/open-front.ts';

type Hosts = Record<string, { state: HostEntry['state']; gears?: number; draining?: boolean }>;

/** A front that knows these hosts, and who holds what (`kind:name`). */
function frontOf(hosts: Hosts, holders: Record<string, string> = {}): Front {
  const entries = Object.entries(hosts).map(
    ([name, { state, gears = 0, draining = state === 'draining' }]) => ({
      ...{ name, state, gears, draining, version: '1', address: null, lastSeen: 1 },
    }),
  );
  return {
    hosts: async () => entries,
    host: async (name: string) => entries.find((entry) => entry.name === name) ?? null,
    findHolder: async (kind: string, name: string) => holders[`${kind}:${name}`] ?? null,
  } as unknown as Front;
}

const install = { type: 'container.install', params: { resource: 'web', spec: {} } } as unknown as Command;
const beside = {
  type: 'container.install',
  params: { resource: 'web', spec: { environment: 'shared' } },
} as unknown as Command;
const stop: Command = { type: 'container.stop', params: { resource: 'web' } };

const choice = (front: Front, command: Command, wanted?: string) =>
  firstChoice(front, command, wanted).catch((error: unknown) => {
    if (error instanceof Failure) return `${error.code}: ${error.message}`;
    throw error;
  });
const drained = 'no_host: the host h1 is draining';

test('a host that is draining gets nothing new, however empty it is', async () => {
  const hosts: Hosts = { h1: { state: 'draining' }, h2: { state: 'live', gears: 9 } };
  expect(await choice(frontOf(hosts), install)).toBe('h2');
  expect(await choice(frontOf(hosts), install, 'h1')).toBe(drained);
  expect(await choice(frontOf(hosts), install, 'h2')).toBe('h2');
  expect(await choice(frontOf({ h1: { state: 'draining' } }), install)).toBe(drained);
});

test('what a draining host has stays its own, named or not', async () => {
  const front = frontOf({ h1: { state: 'draining' }, h2: { state: 'live' } }, { 'gear:web': 'h1' });
  for (const command of [install, stop]) {
    expect(await choice(front, command)).toBe('h1');
    expect(await choice(front, command, 'h1')).toBe('h1');
  }
});

test('a new gear does not follow its environment to a host that is draining', async () => {
  const front = frontOf({ h1: { state: 'draining' }, h2: { state: 'live' } }, { 'environment:shared': 'h1' });
  expect(await choice(front, beside)).toBe(drained);
});

test('who asks for what is not there is not told of draining', async () => {
  expect(await choice(frontOf({ h1: { state: 'draining' } }), stop)).toBe('h1');
});

test('a host that was draining when it went takes nothing new while it is away', async () => {
  const front = frontOf({ h1: { state: 'gone', draining: true } });
  expect(await choice(front, install, 'h1')).toBe(drained);
  expect(await choice(front, { type: 'host.undrain', params: { resource: 'h1' } }, 'h1')).toBe('h1');
});
