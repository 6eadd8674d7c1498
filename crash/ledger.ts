import type { Recovery } from './check/recovery.ts';
import type { Violation } from './check/violation.ts';
import type { FaultKind } from './plan/fault.ts';
import { becomesJob } from './plan/operation.ts';
import { isAcknowledged } from './play/client.ts';
import type { Played } from './play/play-round.ts';

/** What all rounds together have come to. */
export interface Ledger {
  rounds: number;
  /** Rounds without a verdict, because Docker itself no longer started. */
  voided: number;
  sent: number;
  repeated: number;
  acknowledged: number;
  ends: Record<string, number>;
  faults: Map<FaultKind, { planned: number; happened: number }>;
  /** Names of effects before or after which a process has ended. */
  passed: Set<string>;
  recoveries: Recovery[];
  violations: Map<Violation['promise'], number>;
}

export const openLedger = (): Ledger => ({
  rounds: 0,
  voided: 0,
  sent: 0,
  repeated: 0,
  acknowledged: 0,
  ends: {},
  faults: new Map(),
  passed: new Set(),
  recoveries: [],
  violations: new Map(),
});

export function enter(
  ledger: Ledger,
  { requests, struck }: Played,
  recoveries: readonly Recovery[],
  violations: readonly Violation[],
): void {
  ledger.rounds++;
  for (const { sent, job } of requests) {
    ledger.sent++;
    ledger.repeated += sent.sends - 1;
    if (!becomesJob(sent.operation)) continue;
    if (isAcknowledged(sent)) ledger.acknowledged++;
    const end = job?.error?.code ?? job?.state ?? `refused ${sent.code}`;
    ledger.ends[end] = (ledger.ends[end] ?? 0) + 1;
  }
  for (const { fault, happened } of struck) {
    const counted = ledger.faults.get(fault.kind) ?? { planned: 0, happened: 0 };
    counted.planned++;
    if (happened) counted.happened++;
    if (happened && fault.kind === 'failpoint') ledger.passed.add(fault.point.replace(/:.*/, ''));
    ledger.faults.set(fault.kind, counted);
  }
  ledger.recoveries.push(...recoveries);
  for (const { promise } of violations)
    ledger.violations.set(promise, (ledger.violations.get(promise) ?? 0) + 1);
}
