import { broken, type Violation } from './check/violation.ts';
import type { Ledger } from './ledger.ts';
import { effectNames } from './plan/effects.ts';
import { tellFault } from './plan/fault.ts';
import { tell } from './plan/operation.ts';
import { partsOf } from './plan/parts.ts';
import type { Round } from './plan/round.ts';

/** What all rounds have come to, as lines. */
export function tellLedger(ledger: Ledger): string[] {
  const { rounds, voided, sent, repeated, acknowledged, ends, faults, passed, recoveries, violations } =
    ledger;
  const never = effectNames.filter((name) => !passed.has(name));
  const counted = [...faults].map(([kind, { planned, happened }]) =>
    planned === happened ? `${kind} ${happened}` : `${kind} ${happened} (of ${planned} armed)`,
  );
  const all = [...faults.values()].reduce((sum, { happened }) => sum + happened, 0);
  const resumed = recoveries.flatMap(({ resumed: time }) => (time === null ? [] : [time]));
  return [
    `rounds ${rounds}, void ${voided}, requests ${sent}, sent again ${repeated}, acknowledged ${acknowledged}`,
    `ends: ${Object.entries(ends)
      .sort()
      .map(([end, count]) => `${end} ${count}`)
      .join(', ')}`,
    `faults ${all}: ${counted.join(', ')}`,
    `failpoints never hit by name: ${never.length} of ${effectNames.length}: ${never.join(', ') || 'none'}`,
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

/** What is sent in a round and what goes wrong, as lines; `left`: the numbers of the parts that are left out. */
export function tellRound(round: Round, left: readonly number[]): string[] {
  const parts = partsOf(round);
  const tellPart = (part: (typeof parts)[number], text: string) => {
    const number = parts.indexOf(part) + 1;
    return left.includes(number) ? [] : [`  ${number === 0 ? '' : `${number}. `}${text}`];
  };
  return round.steps.flatMap(({ operations, pause }, step) => [
    ...operations.flatMap((operation) => tellPart(operation, tell(operation))),
    ...round.faults
      .filter((planned) => planned.step === step)
      .flatMap((planned) => tellPart(planned, `after ${planned.delay} ms: ${tellFault(planned.fault)}`)),
    `  wait ${pause} ms`,
  ]);
}

export const tellViolations = (violations: readonly Violation[]): string[] =>
  violations.map(({ promise, what }) => `  ${promise}: ${what}`);
