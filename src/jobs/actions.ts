import { type JobType, jobTypes, type ReadAction, reads } from './registry.ts';

export type Action = JobType | ReadAction;

const definitions = Object.values(reads);

/** Everything a token can allow. */
export const actions: readonly Action[] = [
  ...new Set([...jobTypes, ...definitions.flatMap(({ action }) => action ?? [])]),
];

const changing: ReadonlySet<Action> = new Set([
  ...jobTypes,
  ...definitions.flatMap((one) => ('changes' in one ? one.action : [])),
]);

/** Whether an action changes something, which limits the lifetime of its token. */
export const changesSomething = (action: Action): boolean => changing.has(action);
