import type { Drift } from '../../src/jobs/rpc/drift.ts';

/** Of a host on which everything is as geard has made it. */
export const none: Drift = {
  unitsWithoutEntry: [],
  entriesWithoutUnit: [],
  changedUnits: [],
  withoutNetwork: [],
  foreign: [],
};
