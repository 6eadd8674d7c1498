import { afterAll, beforeAll, expect, test } from 'vitest';
import { jobs } from '../../src/jobs/registry.ts';
import { listenToFailpoints } from '../../src/lib/failpoint.ts';
import { showGears } from '../../src/worker/gear/read-gear.ts';
import { writeUnit } from '../../src/worker/gear/transaction.ts';
import { type OpenRoom, openRoom } from '../support/room.ts';

let open: OpenRoom;
beforeAll(async () => {
  open = await openRoom();
  const { spec } = jobs['container.install'].params.parse({
    ...{ resource: 'a', start: false, createOnly: false },
    spec: { image: 'geard/sample' },
  });
  for (let n = 0; n < 150; n++)
    await writeUnit(
      open.room,
      { resource: `listed-${n}`, spec, ports: [], envTag: null, imageTag: null },
      [],
    );
});
afterAll(() => open.close());

/** How many calls to systemd a page takes. */
async function callsFor(names: string[]): Promise<number> {
  let calls = 0;
  listenToFailpoints((point) => {
    if (point.startsWith('dbus.') && point.endsWith(':before')) calls++;
  });
  const gears = await showGears(open.room, names);
  listenToFailpoints(null);
  expect(gears.map(({ resource }) => resource)).toEqual(names.filter((name) => name !== 'nobody'));
  return calls;
}

test('the states of all gears on a page take one call to systemd (security M3, house 7.9)', async () => {
  expect(await callsFor(['listed-7'])).toBe(1);
  expect(await callsFor(['listed-0', 'nobody', 'listed-149'])).toBe(1);
  expect(await callsFor(Array.from({ length: 150 }, (_, n) => `listed-${n}`))).toBe(1);
  expect(await callsFor(['nobody'])).toBe(0);
});

test('what a page tells of a gear is what systemd and GET container tell', async () => {
  const unit = open.paths.unitName('listed-3');
  await open.room.systemd.link(open.paths.unit('listed-3'), true);
  await open.room.systemd.settle();
  const [gear] = await showGears(open.room, ['listed-3']);
  const { active, sub } = await open.room.systemd.state(unit);
  expect(gear).toEqual({
    ...{ resource: 'listed-3', host: 'h1', unit, image: 'geard/sample', ports: [], enabled: true },
    systemd: { active, sub },
  });
  expect(active).toBe('inactive');
});
