/**
 * The version of the messages that this build sends to workers and understands: the greatest
 * `since` of its job definitions, or more if a query has changed. A job's record has the `since` of
 * its definition. A worker leaves jobs of a newer version queued, for a worker that knows them, and
 * rejects newer queries with that reason. So apis and workers of adjacent versions work together,
 * whatever the order of upgrades.
 */
export const payloadVersion = 1;
