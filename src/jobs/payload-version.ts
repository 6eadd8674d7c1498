/**
 * The version of what this build sends to workers and understands: the greatest `since` of its job
 * definitions, or more where a query has changed. A job's record has the `since` of its definition.
 * A worker leaves jobs of a newer version queued, for a worker that knows them, and answers newer
 * queries by saying so: apis and workers of adjacent versions work together, in whatever order they
 * are replaced.
 */
export const payloadVersion = 1;
