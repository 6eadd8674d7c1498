import { expect, test } from 'vitest';
import { partsOf, without } from '../../../crash/plan/parts.ts';
import { createPlan } from '../../../crash/plan/round.ts';
import { tellRound } from '../../../crash/report.ts';
import { shrink } from '../../../crash/shrink.ts';

const round = createPlan(4, { fleet: false, inTurn: false, bias: { secondFault: 1 } }).next();
const parts = partsOf(round);
const others = parts.map((_part, i) => i + 1).filter((number) => number !== 2 && number !== parts.length);

test('a round that breaks by two of its parts is shrunk to these, in one try for each part', async () => {
  let tries = 0;
  const left = await shrink(parts.length, async (tried) => {
    tries++;
    return !tried.includes(2) && !tried.includes(parts.length);
  });
  expect(left).toEqual(others);
  expect(tries).toBe(parts.length + 1);
});

test('a round that does not break again is not shrunk', async () => {
  expect(await shrink(parts.length, async () => false)).toBeNull();
});

test('a round without some of its parts sends the others when it always did, and tells them by the same numbers', () => {
  const smaller = without(round, others);
  expect(partsOf(smaller)).toEqual([parts[1], parts.at(-1)]);
  expect(smaller.steps.map(({ pause }) => pause)).toEqual(round.steps.map(({ pause }) => pause));
  const numbers = tellRound(round, others).flatMap((line) => /^ {2}(\d+)\. /.exec(line)?.[1] ?? []);
  expect(numbers).toEqual(['2', `${parts.length}`]);
});
