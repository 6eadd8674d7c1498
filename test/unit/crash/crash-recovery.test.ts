import { expect, test } from 'vitest';
import { checkRecoveries } from '../../../crash/check/recovery.ts';
import type { Fault } from '../../../crash/plan/fault.ts';
import type { Struck } from '../../../crash/play/strike.ts';

const resumedAfter = (resumed: number | null) => [{ start: 1_000, ready: 500, resumed }];
const struck = (fault: Fault, from: number, to: number) =>
  ({ fault, from, to, happened: true, leaked: false }) as Struck;

test('a job that is resumed more than 20 s after a start is late', () => {
  expect(checkRecoveries(resumedAfter(20_000), [])).toEqual([]);
  expect(checkRecoveries(resumedAfter(20_001), [])).toMatchObject([{ promise: 'late' }]);
  expect(checkRecoveries(resumedAfter(null), [])).toEqual([]);
});

test('the time for which a process was stopped does not count, and that of a clock that was set does', () => {
  const stop = struck({ kind: 'stop', part: 'program', seconds: 10 }, 0, 11_000);
  expect(checkRecoveries(resumedAfter(25_000), [stop])).toEqual([]);
  expect(checkRecoveries(resumedAfter(31_000), [stop])).toHaveLength(1);
  const clock = struck({ kind: 'set the clock', hours: 1, seconds: 10 }, 0, 11_000);
  expect(checkRecoveries(resumedAfter(25_000), [clock])).toHaveLength(1);
});
