import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { expect, onTestFinished, test, vi } from 'vitest';
import type { Kind } from '../../../../src/jobs/fields/resource.ts';
import { gearSpec } from '../../../../src/jobs/types/container.ts';
import { type HostReport, heartbeatInterval, maxPorts } from '../../../../src/queue/directory/hosts.ts';
import { hostPaths } from '../../../../src/worker/domain/paths.ts';
import { type GearUnit, renderUnit } from '../../../../src/worker/domain/unit-file.ts';
import { createGearIndex } from '../../../../src/worker/gear/gear-index.ts';
import { makeDirectories } from '../../../../src/worker/host/files.ts';
import { createAnnouncer } from '../../../../src/worker/host-state/announcer.ts';
import { hostLimits } from '../../../support/limits.ts';
import { unitHost } from '../../../support/some-gear.ts';
import { until } from '../../../support/until.ts';

/** A point at which a call stops until it may go on. */
function barrier() {
  let reached = () => {};
  let goOn = () => {};
  const arrival = new Promise<void>((resolve) => {
    reached = resolve;
  });
  const permission = new Promise<void>((resolve) => {
    goOn = resolve;
  });
  const pass = () => {
    reached();
    return permission;
  };
  return { pass, arrival, goOn };
}

/** An announcer that has announced its host, and what it has said. */
async function anAnnouncer(...units: GearUnit[]) {
  const base = await mkdtemp(join(tmpdir(), 'geard-announcer-'));
  onTestFinished(() => rm(base, { recursive: true }));
  const paths = hostPaths(base);
  await makeDirectories(paths.directories);
  const write = (unit: GearUnit) => writeFile(paths.unit(unit.resource), renderUnit(unit, unitHost(base)));
  for (const unit of units) await write(unit);
  const said: string[] = [];
  const hosts: HostReport[] = [];
  const holdUp = { held: async () => {}, host: async () => {} };
  const held = new Map<Kind, string[]>();
  const epoch = { now: '' };
  const inWork = { gear: [] as string[], repository: [] as string[], environment: [] as string[] };
  const queue = {
    async announceHeld(kind: Kind, list: () => Promise<string[]>) {
      await holdUp.held();
      held.set(kind, await list());
    },
    async announceHost(report: HostReport, what: string) {
      await holdUp.host();
      hosts.push(report);
      said.push(what === '' ? 'beat' : what);
    },
    withdrawHost: async () => void said.push('left'),
    onAsked: () => undefined,
    epoch: () => epoch.now,
  };
  const log = pino({ level: 'silent' });
  const onFatal = () => undefined;
  const gears = createGearIndex(paths);
  const limits = hostLimits();
  const announcer = createAnnouncer({
    ...{ queue, paths, gears, host: 'h1', version: '1', limits, onFatal, log },
  });
  const live = announcer.keep(null, (kind) => inWork[kind]);
  await live.ready;
  expect(said).toEqual(['beat', 'held']);
  return { announcer, gears, live, said, hosts, held, inWork, holdUp, epoch, paths, write };
}

test('a host that has withdrawn is not announced again by what was about to be said (house 7.14)', async () => {
  const { announcer, live, said, holdUp } = await anAnnouncer();
  const { pass, arrival, goOn } = barrier();
  holdUp.held = pass;
  const late = announcer.everything();
  await arrival;
  await live.stop();
  goOn();
  await late;
  expect(said).toEqual(['beat', 'held', 'left']);
});

test('what is being said of a host is said before it withdraws, however long that takes', async () => {
  const { announcer, live, said, holdUp } = await anAnnouncer();
  const { pass, arrival, goOn } = barrier();
  holdUp.host = pass;
  const running = announcer.everything();
  await arrival;
  await live.stop(); // Which does not wait for ever.
  goOn();
  await running;
  await until('the host has withdrawn', () => said.includes('left'));
  expect(said).toEqual(['beat', 'held', 'held', 'left']);
});

test('an announcement names the epoch from before it lists anything', async () => {
  const { announcer, said, holdUp, epoch } = await anAnnouncer();
  const { pass, arrival, goOn } = barrier();
  epoch.now = 'before';
  holdUp.held = pass;
  const late = announcer.everything();
  await arrival;
  epoch.now = 'after'; // Redis was emptied.
  goOn();
  await late;
  expect(said).toEqual(['beat', 'held', 'held before']);
  await announcer.everything();
  expect(said.at(-1)).toBe('held after');
});

/** A gear as its unit says it. */
const gear = (resource: string, megabytes: number, external: number): GearUnit => ({
  resource,
  spec: gearSpec.parse({ image: 'geard/sample', memory: `${megabytes}m` }),
  ports: [{ internal: 80, external }],
  envTag: null,
  pids: 64,
  logLines: 10_000,
  addresses: [],
  imageTag: null,
  network: null,
});

test('a sign of life tells what is in memory: no unit and no port is read for it (house 7.9)', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  const { announcer, gears, live, said, hosts, holdUp, paths, write } = await anAnnouncer(
    gear('a', 100, 4_001),
    gear('b', 200, 4_002),
  );
  const told = (count: number, memoryTaken: number, ports: number[]) =>
    expect(hosts.at(-1)).toMatchObject({ gears: count, memoryTaken, ports });
  told(2, 300, [4_001, 4_002]);
  const beat = async () => {
    const { pass, arrival, goOn } = barrier();
    holdUp.host = pass;
    const count = said.length;
    await vi.advanceTimersByTimeAsync(heartbeatInterval);
    await arrival;
    goOn();
    await vi.waitUntil(() => said.length > count);
  };
  await write(gear('b', 500, 4_003));
  await rm(paths.unit('a'));
  await beat();
  told(2, 300, [4_001, 4_002]); // Nobody has said that there is something to look at.
  await gears.read('b');
  await gears.read('a');
  await beat();
  told(1, 500, [4_003]);
  await write(gear('c', 50, 4_004)); // By hand: the next comparison with the disk finds it.
  await announcer.everything();
  told(2, 550, [4_003, 4_004]);
  await live.stop();
});

test('a host whose gears have more ports than an announcement may have announces some of them', async () => {
  const { hosts, live } = await anAnnouncer(
    ...Array.from({ length: 79 }, (_, g) => ({
      ...gear(`g${g}`, 100, 0),
      ports: Array.from({ length: 64 }, (_, p) => ({ internal: p + 1, external: 4_000 + 64 * g + p })),
    })),
  );
  expect(hosts.at(-1)).toMatchObject({ gears: 79 });
  expect(hosts.at(-1)?.ports).toEqual(Array.from({ length: maxPorts }, (_, i) => 4_000 + i));
  await live.stop();
});

test('what running jobs may be about to make is announced beside what is on the disk', async () => {
  const { announcer, held, inWork, live } = await anAnnouncer(gear('a', 100, 4_001));
  inWork.gear = ['a', 'web'];
  inWork.repository = ['git1'];
  await announcer.everything();
  expect(new Set(held.get('gear'))).toEqual(new Set(['a', 'web']));
  expect(held.get('repository')).toEqual(['git1']);
  inWork.gear = [];
  await announcer.everything();
  expect(held.get('gear')).toEqual(['a']);
  await live.stop();
});
