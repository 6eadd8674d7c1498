import type { Operation } from './operation.ts';
import type { PlannedFault, Round } from './round.ts';

/**
 * What can be left out of a round: its requests in the order of the steps, then its faults. Their numbers begin with 1. What
 * takes a drain back stays: without it new things would wait for ever.
 */
export const partsOf = ({ steps, faults }: Round): (Operation | PlannedFault)[] => [
  ...steps.flatMap(({ operations }) => operations.filter(isPart)),
  ...faults,
];

const isPart = ({ kind }: Operation) => kind !== 'undrain';

/** The round without some of its parts. The steps keep their pauses. */
export function without(round: Round, left: readonly number[]): Round {
  const kept = new Set(partsOf(round).filter((_part, i) => !left.includes(i + 1)));
  return {
    ...round,
    steps: round.steps.map((step) => ({
      ...step,
      operations: step.operations.filter((operation) => !isPart(operation) || kept.has(operation)),
    })),
    faults: round.faults.filter((fault) => kept.has(fault)),
  };
}
