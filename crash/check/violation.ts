/** How a promise can be broken. */
export const broken = {
  lost: 'acknowledged and without an end',
  unanswered: 'never answered, however often it was sent',
  failed: 'failed or refused for a reason that is none',
  doubled: 'an effect that took place more than once, or that nobody asked for',
  missing: 'succeeded without its effect',
  disordered: 'carried out in another order than accepted',
  replay: 'the same request became something else',
  wrong: 'another state than the operations come to',
  late: 'unfinished jobs resumed more than 20 s after a start',
  orphan: 'left behind by what is over',
} as const;

export interface Violation {
  promise: keyof typeof broken;
  what: string;
}

export const violation = (promise: Violation['promise'], what: string): Violation => ({ promise, what });
