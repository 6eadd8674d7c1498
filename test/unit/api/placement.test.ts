import { expect, test } from 'vitest';
import { type Directory, noHost, placementFor } from '../../../src/api/placement.ts';
import { type GearSpec, gearSpec } from '../../../src/jobs/types/container.ts';
import type { HostEntry } from '../../../src/queue/api-queue.ts';
import { hostLimits } from '../../support/limits.ts';
import { hostNamed } from '../../support/queue.ts';

type Hosts = Record<string, Partial<HostEntry> & Pick<HostEntry, 'state'>>;

/** A directory that knows these hosts, and who holds what (`kind:name`). */
function directoryOf(hosts: Hosts, holders: Record<string, string> = {}): Directory {
  const entries = Object.entries(hosts).map(([name, more]) => ({
    ...hostNamed(name, { draining: more.state === 'draining' }),
    ...more,
  }));
  return {
    hosts: async () => entries,
    host: async (name: string) => entries.find((entry) => entry.name === name) ?? null,
    findHolder: async (kind: string, name: string) => holders[`${kind}:${name}`] ?? null,
  };
}

const plain = gearSpec.parse({ image: 'geard/sample' });
const beside = { ...plain, environment: 'shared' };

/** The hosts to choose from, or the only one there is; what that one takes nothing new. */
async function placement(queue: Directory, spec: GearSpec, wanted?: string): Promise<string> {
  const { only, candidates } = await placementFor(queue, wanted, spec);
  const hosts = candidates.map(({ host }) => host).join(' or ') || 'nobody';
  return only === null ? hosts : `only ${only}${hosts === 'nobody' ? ', nothing new' : ''}`;
}

test('a host that is draining or gone gets nothing new, however empty it is', async () => {
  const hosts: Hosts = {
    h1: { state: 'draining' },
    h2: { state: 'live', gears: 9 },
    h3: { state: 'gone' },
    h4: { state: 'live' },
  };
  expect(await placement(directoryOf(hosts), plain)).toBe('h2 or h4');
  expect(await placement(directoryOf(hosts), plain, 'h1')).toBe('only h1, nothing new');
  expect(await placement(directoryOf(hosts), plain, 'h2')).toBe('only h2');
  expect(await placement(directoryOf({ h1: { state: 'draining' } }), plain)).toBe('nobody');
});

test('a request for a host that is gone waits for it', async () => {
  expect(await placement(directoryOf({ h1: { state: 'gone' }, h2: { state: 'live' } }), plain, 'h1')).toBe(
    'only h1',
  );
});

test('a gear that uses an environment goes where that is, unless that drains', async () => {
  const holders = { 'environment:shared': 'h1' };
  const to = (state: HostEntry['state']) =>
    placement(directoryOf({ h1: { state }, h2: { state: 'live' } }, holders), beside);
  expect([await to('live'), await to('gone'), await to('draining')]).toEqual(['h1', 'h1', 'nobody']);
});

test('what speaks against a host is said: ports that are taken, and too little memory', async () => {
  const asked = { ...plain, ports: [{ internal: 1, external: 4343 }], memory: 900 * 1024 * 1024 };
  const queue = directoryOf({
    h1: { state: 'live', ports: [4343] },
    h2: { state: 'live', memoryTaken: 200 },
    h3: { state: 'live' },
  });
  const { candidates } = await placementFor(queue, undefined, asked);
  expect(candidates.map(({ avoid }) => avoid)).toEqual([2, 1, 0]);
});

test('a gear that names no memory needs what its host gives it', async () => {
  const giving = (gearMemory: number, memoryTaken: number) => ({
    state: 'live' as const,
    memoryTaken,
    limits: hostLimits({ gearMemory: gearMemory * 1024 * 1024 }),
  });
  const hosts: Hosts = {
    h1: giving(512, 600),
    h2: giving(512, 400),
    h3: giving(256, 600),
    h4: { state: 'live' },
  };
  const { candidates, gearMemory } = await placementFor(directoryOf(hosts), undefined, plain);
  expect(candidates.map(({ avoid }) => avoid)).toEqual([1, 0, 0, 0]);
  expect(gearMemory).toEqual({ usual: 512, others: new Map([['h3', 256]]) });
  const lying = await placementFor(directoryOf({ h1: giving(1e300, 0) }), undefined, plain);
  expect(lying.gearMemory.usual).toBe(2 ** 30);
  const others = await placementFor(directoryOf(hosts), undefined, undefined);
  expect(others.candidates.map(({ avoid }) => avoid)).toEqual([0, 0, 0, 0]);
});

test('a gear goes where it is granted what it asks for, and is refused where no host grants that', async () => {
  const asked = { ...plain, memory: 900 };
  const granting = (maxGearMemory: number) => ({
    state: 'live' as const,
    limits: hostLimits({ maxGearMemory }),
  });
  const [small, large] = [granting(800), granting(1_000)];
  expect(await placement(directoryOf({ h1: small, h2: large, h3: { state: 'live' } }), asked)).toBe(
    'h2 or h3',
  );
  const refused = {
    code: 'invalid_request',
    message: 'memory may be at most 800 bytes (limit maxGearMemory)',
  };
  await expect(placement(directoryOf({ h1: small }), asked)).rejects.toMatchObject(refused);
  await expect(placement(directoryOf({ h1: small, h2: large }), asked, 'h1')).rejects.toMatchObject(refused);
});

test('who can take nothing new is named', async () => {
  const drained = directoryOf({ h1: { state: 'draining' }, h2: { state: 'gone' } });
  expect((await noHost(drained, undefined, undefined)).message).toBe(
    'the host h1 is draining; PUT host/live lets it accept something new again',
  );
  expect(
    (await noHost(directoryOf({ h1: { state: 'gone', draining: true } }), 'h1', undefined)).message,
  ).toBe('the host h1 is draining; PUT host/live lets it accept something new again');
  expect((await noHost(directoryOf({}), undefined, undefined)).message).toContain('no live host');
});

test('of several draining hosts the one that the gear needs is named', async () => {
  const holders = { 'environment:shared': 'h2' };
  const drained = directoryOf({ h1: { state: 'draining' }, h2: { state: 'draining' } }, holders);
  expect((await noHost(drained, undefined, beside)).message).toContain('the host h2 is draining');
  expect((await noHost(drained, 'h1', beside)).message).toContain('the host h1 is draining');
});

test('a spec beyond the limits of the host that has its environment is refused, whatever others allow', async () => {
  const asked = { ...beside, memory: 1024 ** 3 };
  const hosts: Hosts = {
    h1: { state: 'live', limits: hostLimits({ maxGearMemory: 512 * 1024 ** 2 }) },
    h2: { state: 'live' },
  };
  const at = (host: string) => placement(directoryOf(hosts, { 'environment:shared': host }), asked);
  await expect(at('h1')).rejects.toMatchObject({ code: 'invalid_request' });
  expect(await at('h2')).toBe('h2');
});

test('where a request may go is said with the hosts that are offline', async () => {
  const queue = directoryOf({ h1: { state: 'live' }, h2: { state: 'gone' } });
  expect((await placementFor(queue, undefined, plain)).gone).toEqual(['h2']);
  expect((await placementFor(queue, 'h2', plain)).gone).toEqual(['h2']);
  expect((await placementFor(queue, 'h1', plain)).gone).toEqual([]);
});
