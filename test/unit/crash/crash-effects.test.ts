import { expect, test } from 'vitest';
import { effectNames, effects, isPassedByApi, otherEffects } from '../../../crash/plan/effects.ts';

test('failpoints are drawn from all that the source names, each once', () => {
  expect(effectNames).toEqual(
    expect.arrayContaining([
      'file.fsync',
      'image.build',
      'redis.handBack',
      'docker.removeVolume',
      'dbus.StartUnit',
    ]),
  );
  expect(new Set(effectNames).size).toBe(effectNames.length);
  expect([...effects, ...otherEffects].map(({ name }) => name).sort()).toEqual([...effectNames].sort());
});

test('the api passes what accepts and cancels, a worker the rest', () => {
  expect(isPassedByApi('redis.accept:after')).toBe(true);
  expect(isPassedByApi('redis.finish:after')).toBe(false);
  expect(isPassedByApi('*')).toBe(false);
});

test('effects on Docker, systemd and Redis are found in the source, wherever it lies', () => {
  for (const name of ['docker.waitRemoved', 'dbus.ListUnitsByPatterns', 'redis.deleteEntry', 'draft.adopt'])
    expect(effectNames).toContain(name);
});
