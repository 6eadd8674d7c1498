import { expect, test } from 'vitest';
import { isOnHost } from '../../../crash/plan/operation.ts';
import { partsOf, without } from '../../../crash/plan/parts.ts';
import { createPlan, type Round } from '../../../crash/plan/round.ts';
import { apply, emptyWorld } from '../../../crash/plan/world.ts';

const roundsOf = (seed: number, fleet = false) => {
  const plan = createPlan(seed, { fleet, inTurn: false, bias: {} });
  return Array.from({ length: 30 }, () => plan.next());
};

test('the same seed plans the same requests and faults, another seed others', () => {
  expect(roundsOf(1)).toEqual(roundsOf(1));
  expect(roundsOf(1)).not.toEqual(roundsOf(2));
});

test('a round has 4 to 9 requests apart from those to hosts, each with an id of its own, and faults that come with one of its steps', () => {
  const rounds = roundsOf(3, true);
  const ids = rounds.flatMap(({ steps }) =>
    steps.flatMap(({ operations }) => operations.map(({ id }) => id)),
  );
  expect(new Set(ids).size).toBe(ids.length);
  for (const { steps, faults } of rounds) {
    const count = steps.flatMap(({ operations }) => operations.filter((one) => !isOnHost(one))).length;
    expect(count).toBeGreaterThanOrEqual(4);
    expect(count).toBeLessThanOrEqual(9);
    expect(faults.length).toBeGreaterThan(0);
    for (const { step } of faults) expect(step).toBeLessThan(steps.length);
  }
});

test('a host that a round drains takes what is new again before the round is over, also where its parts are left out', () => {
  const rounds = roundsOf(4, true);
  const drains = (round: Round) =>
    round.steps.flatMap(({ operations }) =>
      operations.flatMap(({ kind, name }) => (/^(un)?drain$/.test(kind) ? [`${kind} ${name}`] : [])),
    );
  const drained = rounds.filter((round) => drains(round).length > 0);
  expect(drained.length).toBeGreaterThan(3);
  for (const round of drained) {
    const [, host] = /^drain (h[1-3])$/.exec(drains(round)[0] ?? '') ?? [];
    expect(drains(round)).toEqual([`drain ${host}`, `undrain ${host}`]);
    const all = partsOf(round).map((_, i) => i + 1);
    expect(drains(without(round, all))).toEqual([`undrain ${host}`]);
  }
  const kinds = rounds.flatMap(({ steps }) =>
    steps.flatMap(({ operations }) => operations.map((one) => one.kind)),
  );
  expect(kinds).toContain('repair');
});

test('operations come to what they say: starts, refusals, and what runs', () => {
  const world = emptyWorld();
  const gear = { id: '1', name: 'a' };
  const spec = { mark: 'm', port: null, environment: null, volume: null, fails: false };
  const install = () => apply(world, { ...gear, kind: 'install', spec, start: true, createOnly: false });
  expect(apply(world, { ...gear, kind: 'restart' })).toEqual({ refused: 'container_not_found' });
  expect(install()).toEqual({ starts: 1, atMost: 1 });
  expect(install()).toEqual({ starts: 0, atMost: 0 });
  expect(apply(world, { ...gear, kind: 'restart' })).toEqual({ starts: 1, atMost: 1 });
  expect(apply(world, { ...gear, kind: 'stop' })).toEqual({ starts: 0, atMost: 0 });
  expect(world.gears.get('a')).toMatchObject({ running: false, enabled: false, runs: null });
  expect(install()).toEqual({ starts: 1, atMost: 1 });
  expect(apply(world, { ...gear, kind: 'remove' })).toEqual({ starts: 0, atMost: 0 });
  expect(world.gears.size).toBe(0);
});

test('an installation that fails and one that meets a gear where it may not leave everything as it was', () => {
  const world = emptyWorld();
  const spec = { mark: 'm', port: 0, environment: null, volume: 'v', fails: false };
  const install = (more: Partial<typeof spec>, createOnly: boolean) =>
    apply(world, {
      id: '1',
      name: 'a',
      kind: 'install',
      spec: { ...spec, ...more },
      start: true,
      createOnly,
    });
  expect(install({ fails: true }, false)).toEqual({ refused: 'start_failed' });
  expect(world).toEqual(emptyWorld());
  expect(install({}, true)).toEqual({ starts: 1, atMost: 1 });
  expect(install({ mark: 'n' }, true)).toEqual({ refused: 'precondition_failed' });
  expect(install({ mark: 'n', fails: true }, false)).toEqual({ refused: 'start_failed' });
  expect(world.gears.get('a')).toMatchObject({ runs: 'm', spec });
  expect(world.volumes).toEqual(new Set(['gear-a..v']));
});
