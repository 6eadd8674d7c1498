import { expect, test } from 'vitest';
import type { Bus } from '../../../../src/worker/systemd/bus.ts';
import { createGearUnits } from '../../../../src/worker/systemd/gear-units.ts';
import { settled } from '../../../support/settled.ts';

/** A systemd that is played by the test: it answers one call after the other, when it is told to. */
function openUnits() {
  const calls: { member: string; reply: (body: unknown[]) => void; fail: (error: Error) => void }[] = [];
  const listeners = new Map<string, (body: unknown[]) => void>();
  const bus: Bus = {
    call: ({ member }) => new Promise((reply, fail) => calls.push({ member, reply, fail })),
    onSignal: ({ member }, listener) => void listeners.set(member, listener),
    onConnect: async () => undefined,
    close: () => undefined,
  };
  const next = async (member: string) => {
    await settled();
    const call = calls.shift();
    expect(call?.member).toBe(member);
    return call;
  };
  return {
    ...createGearUnits(bus),
    /** `then`: runs before the reply is read, like a signal that arrives with it. */
    async list(active: string, then = () => {}) {
      (await next('ListUnitsByPatterns'))?.reply([[['gear-a.service', '', 'loaded', active, 'some']]]);
      then();
      await settled();
    },
    reloaded: async () => (await next('Reload'))?.reply([]),
    failed: async (member: string) => (await next(member))?.fail(new Error('the bus is away')),
    endJob: () => listeners.get('JobRemoved')?.([]),
    /** Takes the first call, which is answered later. */
    takeCall: () => calls.shift(),
    calls: () => calls.map(({ member }) => member),
  };
}

const unit = (active: string) => [{ name: 'gear-a.service', active, sub: 'some' }];

test('while systemd reloads, gears have the state from just before, and afterwards that of then', async () => {
  const systemd = openUnits();
  const reload = systemd.reload();
  await systemd.list('active');
  expect(await systemd.loaded()).toEqual(unit('active'));
  expect(systemd.calls()).toEqual(['Reload']);
  await systemd.reloaded();
  await reload;
  const afterwards = systemd.loaded();
  await systemd.list('failed');
  expect(await afterwards).toEqual(unit('failed'));
});

test.each([
  'with the list',
  'after the list',
])('who waited for a job sees what it did, also while systemd reloads: it ends %s', async (when) => {
  const systemd = openUnits();
  const reload = systemd.reload();
  await systemd.list('active', when === 'with the list' ? systemd.endJob : undefined);
  if (when === 'after the list') systemd.endJob();
  const told = systemd.loaded();
  await systemd.reloaded();
  await systemd.list('inactive');
  expect(await told).toEqual(unit('inactive'));
  await reload;
});

test('a list that fails fails no reload, and a reload that fails leaves no list', async () => {
  const systemd = openUnits();
  const first = systemd.reload();
  await systemd.failed('ListUnitsByPatterns');
  await systemd.reloaded();
  await first;
  const second = systemd.reload();
  await systemd.list('active');
  await systemd.failed('Reload');
  await expect(second).rejects.toThrow('the bus is away');
  const told = systemd.loaded();
  await systemd.list('failed');
  expect(await told).toEqual(unit('failed'));
});

test('a list that comes when its reload has failed is not kept', async () => {
  const systemd = openUnits();
  const reload = systemd.reload();
  await settled();
  const list = systemd.takeCall();
  await systemd.failed('Reload');
  await expect(reload).rejects.toThrow('the bus is away');
  list?.reply([[['gear-a.service', '', 'loaded', 'active', 'some']]]);
  await settled();
  const told = systemd.loaded();
  await systemd.list('failed');
  expect(await told).toEqual(unit('failed'));
});
