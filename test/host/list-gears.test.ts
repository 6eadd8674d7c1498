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
      { resource: `listed-${n}`, spec, ports: [], envTag: null, imageTag: null, pids: 64, addresses: [] },
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

test('a page of gears costs what is on it, however many the host has', async () => {
  const one = await callsFor(['listed-7']);
  expect(one).toBeGreaterThan(0);
  expect(await callsFor(['listed-0', 'nobody', 'listed-149'])).toBe(2 * one);
});
