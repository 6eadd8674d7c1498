import { expect, test } from 'vitest';
import { hasDrift, showDrift, showHosts, showRepair } from '../../../../src/cli/host/show.ts';

test('hosts are shown in columns', () => {
  const host = { name: 'h1', state: 'draining' as const, gears: 12, version: '0.1.0', lastSeen: null };
  expect(showHosts([host])).toBe(
    'NAME  STATE     GEARS  VERSION  LAST SEEN\nh1    draining  12     0.1.0    -\n',
  );
});

test('drift is shown a line for each, and what is only foreign is nothing to mend', () => {
  const none = { unitsWithoutEntry: [], entriesWithoutUnit: [], changedUnits: [], withoutNetwork: [] };
  const foreign = [{ kind: 'unit' as const, name: 'gear-x.service' }];
  expect(showDrift({ host: 'h1', drift: { ...none, foreign } })).toBe(
    'h1: gear-x.service: a unit that geard did not make\n',
  );
  expect(hasDrift({ host: 'h1', drift: { ...none, foreign } })).toBe(false);
  expect(hasDrift({ host: 'h1', drift: { ...none, foreign, entriesWithoutUnit: ['a'] } })).toBe(true);
  const lost = { host: 'h1', drift: { ...none, foreign: [], withoutNetwork: ['a'] } };
  expect(hasDrift(lost)).toBe(true);
  expect(showDrift(lost)).toBe('h1: a: its Docker network is gone\n');
  expect(hasDrift({ host: 'h1', drift: null })).toBe(true);
  expect(showDrift({ host: 'h1', drift: { ...none, foreign: [] } })).toBe('h1: no drift\n');
});

test('a repair tells what it has done and what it has left alone', () => {
  const nothing = {
    ...{ announced: [], forgotten: [], rewritten: [], linked: [], networks: [], released: [] },
    foreign: [],
  };
  const foreign = [{ kind: 'container' as const, name: 'gear-x' }];
  expect(showRepair('h1', nothing)).toBe('h1: nothing to repair\n');
  expect(showRepair('h1', { ...nothing, rewritten: ['a', 'b'], released: [4000], foreign })).toBe(
    'h1: rewritten a, b\nh1: released 4000\nh1: gear-x is a container that geard did not make; untouched\n',
  );
});
