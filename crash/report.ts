import { broken, type Violation } from './check/violation.ts';
import type { Ledger } from './ledger.ts';
import { tellFault } from './plan/fault.ts';
import { tell } from './plan/operation.ts';
import type { Round } from './plan/round.ts';

/** What all rounds have come to, as lines. */
export function tellLedger(ledger: Ledger): string[] {
  const { rounds, sent, repeated, acknowledged, ends, faults, recoveries, violations } = ledger;
  const counted = [...faults].map(([kind, { planned, happened }]) =>
    planned === happened ? `${kind} ${happened}` : `${kind} ${happened} (of ${planned} armed)`,
  );
  const all = [...faults.values()].reduce((sum, { happened }) => sum + happened, 0);
  const resumed = recoveries.flatMap(({ resumed: time }) => (time === null ? [] : [time]));
  return [
    `rounds ${rounds}, requests ${sent}, sent again ${repeated}, acknowledged ${acknowledged}`,
    `ends: ${Object.entries(ends)
      .sort()
      .map(([end, count]) => `${end} ${count}`)
      .join(', ')}`,
    `faults ${all}: ${counted.join(', ')}`,
    `from start to ready: ${spread(recoveries.map(({ ready }) => ready))}; to the first resumed job: ${spread(resumed)}`,
    ...(Object.keys(broken) as Violation['promise'][]).map(
      (promise) => `${promise.padEnd(11)} ${violations.get(promise) ?? 0}  (${broken[promise]})`,
    ),
  ];
}

function spread(milliseconds: number[]): string {
  if (milliseconds.length === 0) return 'never';
  const sorted = [...milliseconds].sort((one, other) => one - other);
  const seconds = (at: number) =>
    `${((sorted[Math.floor(at * (sorted.length - 1))] ?? 0) / 1_000).toFixed(1)} s`;
  return `median ${seconds(0.5)}, most ${seconds(1)} (${sorted.length} times)`;
}

/** What is sent in a round and what goes wrong, as lines. */
export function tellRound({ steps, faults }: Round): string[] {
  return steps.flatMap(({ operations, pause }, number) => [
    ...operations.map((operation, i) => `${i === 0 ? '  send' : '  and '} ${tell(operation)}`),
    ...faults
      .filter(({ step }) => step === number)
      .map(({ fault, delay }) => `  after ${delay} ms: ${tellFault(fault)}`),
    `  wait ${pause} ms`,
  ]);
}

export const tellViolations = (violations: readonly Violation[]): string[] =>
  violations.map(({ promise, what }) => `  ${promise}: ${what}`);
