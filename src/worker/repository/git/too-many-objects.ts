import { Failure } from '../../../jobs/errors.ts';

/** A repository has more objects than the host allows. */
export const tooManyObjects = (most: number) =>
  new Failure('clone_failed', `the repository has more than ${most} objects`);
