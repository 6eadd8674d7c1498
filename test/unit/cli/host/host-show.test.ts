import { expect, test } from 'vitest';
import type { ChangeFlags } from '../../../../src/cli/client/change.ts';
import type { Call } from '../../../../src/cli/client/row.ts';
import { hosts } from '../../../../src/cli/host/command.ts';
import { showDrift, showHosts, showRepair } from '../../../../src/cli/host/show.ts';
import type { Drift } from '../../../../src/jobs/rpc/drift.ts';
import { none } from '../../../support/no-drift.ts';

test('hosts are shown in columns', () => {
  const host = { name: 'h1', state: 'draining' as const, gears: 12, version: '0.1.0', lastSeen: null };
  expect(showHosts([host])).toBe(
    'NAME  STATE     GEARS  VERSION  LAST SEEN\nh1    draining  12     0.1.0    -\n',
  );
});

const foreign = [{ kind: 'unit' as const, name: 'gear-x.service' }];
const unit = { resource: 'a', text: false, link: 'fine' as const };

test('drift is shown a line for each, and so is a host that does not answer', () => {
  expect(showDrift({ host: 'h1', drift: { ...none, foreign } })).toBe(
    'h1: gear-x.service: a unit that geard did not make\n',
  );
  const lost = { ...none, withoutNetwork: ['a'] };
  expect(showDrift({ host: 'h1', drift: lost })).toBe('h1: a: its Docker network is gone\n');
  expect(showDrift({ host: 'h1', drift: none })).toBe('h1: no drift\n');
  expect(showDrift({ host: 'h1', drift: null })).toBe('h1: does not answer\n');
});

test('a link that leads elsewhere is told apart from one that is missing', () => {
  const changedUnits = (['missing', 'wrong'] as const).map((link) => ({ resource: link, text: false, link }));
  expect(showDrift({ host: 'h1', drift: { ...none, changedUnits } })).toBe(
    'h1: missing: the link below /etc/systemd/system is missing\n' +
      'h1: wrong: the link below /etc/systemd/system is a file, or leads elsewhere\n',
  );
});

/** The exit code of `gear host drift` where hosts differ so. */
function driftCode(...drifts: (Drift | null)[]) {
  const answer = { hosts: drifts.map((drift, i) => ({ host: `h${i}`, drift })) };
  const client = { drift: { read: async () => answer } };
  const call = { client, args: [], printEnd: async () => undefined } as unknown as Call<ChangeFlags>;
  return hosts['drift']?.run(call);
}

test.each<[string, number, (Drift | null)[]]>([
  ['nothing differs', 0, [none, none]],
  ['a repair would leave alone what differs', 0, [{ ...none, foreign }]],
  [
    'a link that leads elsewhere stays so',
    0,
    [{ ...none, changedUnits: [{ ...unit, link: 'wrong' }], foreign }],
  ],
  ['the directory lacks a gear', 3, [none, { ...none, unitsWithoutEntry: ['a'] }]],
  ['the directory has a gear too many', 3, [{ ...none, entriesWithoutUnit: ['a'], foreign }]],
  ['a unit was changed', 3, [{ ...none, changedUnits: [{ ...unit, text: true }] }]],
  ['a link is missing', 3, [{ ...none, changedUnits: [{ ...unit, link: 'missing' }] }]],
  ['a network is gone', 3, [{ ...none, withoutNetwork: ['a'] }]],
  ['a host does not answer', 1, [none, null]],
  ['a host does not answer, whatever another one has', 1, [{ ...none, withoutNetwork: ['a'] }, null]],
])('where %s gear host drift exits with %i', async (_, code, drifts) => {
  expect(await driftCode(...drifts)).toBe(code);
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
  expect(showRepair('h1', { ...nothing, networks: ['a', 'b'] })).toBe('h1: created the networks of a, b\n');
});
