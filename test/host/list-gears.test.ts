import { afterAll, beforeAll, expect, test } from 'vitest';
import { listenToFailpoints } from '../../src/lib/effect.ts';
import { readUnitStates, showGears } from '../../src/worker/gear/read-gear.ts';
import { writeUnit } from '../../src/worker/gear/transaction.ts';
import { type OpenHostServices, openHostServices } from '../support/host-services.ts';
import { storedGear } from '../support/some-gear.ts';

let open: OpenHostServices;
const all = Array.from({ length: 150 }, (_, n) => `listed-${n}`);
beforeAll(async () => {
  open = await openHostServices();
  for (const resource of all) await writeUnit(open.services, storedGear(resource, open.services));
});
afterAll(() => open.close());

/** The gears on a page, and how many calls to systemd they take. */
async function page(names: string[]) {
  let calls = 0;
  listenToFailpoints((point) => {
    if (point.startsWith('dbus.') && point.endsWith(':before')) calls++;
  });
  const gears = showGears(open.services, names, await readUnitStates(open.services));
  listenToFailpoints(null);
  return { gears, calls };
}

test('the states of all gears on a page take one call to systemd (security M3, house 7.9)', async () => {
  for (const names of [['listed-7'], ['listed-0', 'nobody', 'listed-149'], all]) {
    const { gears, calls } = await page(names);
    expect(calls).toBe(1);
    expect(gears.map(({ resource }) => resource)).toEqual(names.filter((name) => name !== 'nobody'));
  }
});

test('what a page tells of a gear is what systemd and GET container tell', async () => {
  const { systemd, paths } = open.services;
  const unit = paths.unitName('listed-3');
  const told = async () => (await page(['listed-3'])).gears[0];
  expect(await told()).toEqual({
    ...{ resource: 'listed-3', host: 'h1', unit, image: 'geard/sample', ports: [], enabled: false },
    systemd: { active: 'inactive', sub: 'dead' },
  });
  await systemd.link(paths.unit('listed-3'), true);
  await systemd.settle();
  const { active, sub } = await systemd.state(unit); // Which has systemd load it.
  expect(await told()).toMatchObject({ enabled: true, systemd: { active, sub } });
});

test('a page is answered while systemd reloads', async () => {
  const points: string[] = [];
  let end = () => {};
  const held = new Promise<void>((resolve) => {
    end = resolve;
  });
  const reloaded = new Promise<void>((resolve) => {
    listenToFailpoints((point) => {
      points.push(point);
      if (point !== 'dbus.Reload:after') return;
      resolve();
      return held;
    });
  });
  const reload = open.services.systemd.reload();
  await reloaded;
  const gears = showGears(open.services, ['listed-3'], await readUnitStates(open.services));
  end();
  await reload;
  listenToFailpoints(null);
  expect(gears.map(({ resource }) => resource)).toEqual(['listed-3']);
  expect(points.filter((point) => point === 'dbus.ListUnitsByPatterns:before')).toHaveLength(1);
});
