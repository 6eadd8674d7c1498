/**
 * The version of what an api sends to a worker: records of jobs and questions. It grows when an older worker would
 * misunderstand them. A worker leaves jobs of a newer version queued, for a worker that knows them, and answers questions of
 * one by saying so: apis and workers of adjacent versions work together, in whatever order they are replaced.
 */
export const payloadVersion = 1;
