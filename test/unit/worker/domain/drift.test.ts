import fc from 'fast-check';
import { expect, test } from 'vitest';
import { findDrift, type HostSnapshot } from '../../../../src/worker/domain/drift.ts';
import { type GearUnit, renderUnit } from '../../../../src/worker/domain/unit-file.ts';
import { none } from '../../../support/no-drift.ts';
import { someGear, unitHost } from '../../../support/some-gear.ts';

const host = unitHost();
const { paths } = host;

/** A host on which everything is as it was made. */
function hostWith(...gears: GearUnit[]) {
  const names = gears.map(({ resource }) => paths.unitName(resource));
  return {
    units: new Map(gears.map((gear) => [paths.unitName(gear.resource), renderUnit(gear, host)])),
    links: new Map<string, string | null>(
      gears.map(({ resource }) => [paths.unitName(resource), paths.unit(resource)]),
    ),
    halfWanted: new Set<string>(),
    loaded: names,
    containers: gears.map(({ resource }) => ({ name: `gear-${resource}`, gear: resource as string | null })),
    networks: gears.flatMap(({ network }) => network ?? []),
    held: gears.map(({ resource }) => resource),
    busy: new Set<string>(),
  };
}

const gear = (resource: string): GearUnit => ({
  ...(fc.sample(someGear, { numRuns: 1, seed: 1 })[0] as GearUnit),
  resource,
});
const drift = (snapshot: HostSnapshot) => findDrift(snapshot, host);

test('a host on which nobody has changed anything has no drift, whatever its gears', () => {
  fc.assert(
    fc.property(fc.uniqueArray(someGear, { selector: (one) => one.resource, maxLength: 5 }), (gears) => {
      expect(drift(hostWith(...gears))).toEqual(none);
    }),
  );
});

test('a gear that the directory has lost is found, and a name without a gear', () => {
  const host = { ...hostWith(gear('b'), gear('a')), held: ['gone', 'b'] };
  expect(drift(host)).toEqual({ ...none, unitsWithoutEntry: ['a'], entriesWithoutUnit: ['gone'] });
});

test('a unit whose text was changed by hand is found, and a link that is gone or leads elsewhere', () => {
  const host = hostWith(gear('a'), gear('b'), gear('c'), gear('d'));
  host.units.set('gear-a.service', `${host.units.get('gear-a.service')}Environment=A=1\n`);
  host.units.set('gear-d.service', String(host.units.get('gear-d.service')).replace('Restart=', 'Restar='));
  host.links.delete('gear-b.service');
  host.links.set('gear-c.service', '/dev/null');
  expect(drift(host)).toEqual({
    ...none,
    changedUnits: [
      { resource: 'a', text: true, link: 'fine' },
      { resource: 'b', text: false, link: 'missing' },
      { resource: 'c', text: false, link: 'wrong' },
      { resource: 'd', text: true, link: 'fine' },
    ],
    foreign: [{ kind: 'unit', name: 'gear-c.service' }],
  });
});

test('a gear that a boot starts and a start of Docker does not, or the reverse, has lost a link', () => {
  const host = hostWith(gear('a'), gear('b'));
  host.halfWanted.add('gear-a.service').add('gear-b.service');
  host.links.set('gear-b.service', '/dev/null');
  expect(drift(host)).toEqual({
    ...none,
    changedUnits: [
      { resource: 'a', text: false, link: 'missing' },
      { resource: 'b', text: false, link: 'wrong' },
    ],
    foreign: [{ kind: 'unit', name: 'gear-b.service' }],
  });
});

test('what was made by hand under such names is foreign, wherever it lies', () => {
  const host = hostWith(gear('a'));
  host.units.set('gear-below.service', '[Service]\nExecStart=/bin/true\n');
  host.links.set('gear-below.service', paths.unit('below'));
  host.units.set('gear-copy.service', String(host.units.get('gear-a.service')));
  host.links.set('gear-file.service', null);
  host.links.set('gear-link.service', '/opt/gear-link.service');
  host.loaded.push('gear-run.service');
  host.containers.push({ name: 'gear-box', gear: null }, { name: 'gear-liar', gear: 'a' });
  expect(drift(host)).toEqual({
    ...none,
    foreign: [
      ...['below', 'copy', 'file', 'link', 'run'].map((name) => ({
        kind: 'unit',
        name: `gear-${name}.service`,
      })),
      { kind: 'container', name: 'gear-box' },
      { kind: 'container', name: 'gear-liar' },
    ],
  });
});

test('a name that a foreign file has taken is no entry without a unit', () => {
  const host = { ...hostWith(), held: ['x'] };
  host.units.set('gear-x.service', 'by hand');
  expect(drift(host)).toEqual({ ...none, foreign: [{ kind: 'unit', name: 'gear-x.service' }] });
});

test('a link of ours that leads nowhere is nobody else’s', () => {
  const host = hostWith(gear('a'));
  host.links.set('gear-gone.service', paths.unit('gone'));
  expect(drift(host)).toEqual(none);
});

test('a gear whose Docker network is gone is found', () => {
  const host = hostWith({ ...gear('a'), network: 'gear-a' }, { ...gear('b'), network: null });
  expect(drift({ ...host, networks: ['bridge', 'gear-b'] })).toEqual({ ...none, withoutNetwork: ['a'] });
});

test('of a gear on which a job runs nothing is said', () => {
  const host = { ...hostWith(gear('a')), networks: [], held: ['b'], busy: new Set(['a', 'b', 'c']) };
  host.units.set('gear-a.service', `${host.units.get('gear-a.service')}#`);
  host.loaded.push('gear-c.service');
  expect(drift(host)).toEqual(none);
});
