import { Failure } from '../../jobs/errors.ts';
import { MiB } from '../../jobs/fields/bytes.ts';

/** Limits of a clone. */
export interface CloneLimits {
  seconds: number;
  /** MiB of one pack, and of the whole repository. */
  megabytes: number;
  objects: number;
}

/** Throws `clone_failed` when a new repository has more bytes than one may. */
export function assertNotTooLarge(bytes: number, { megabytes }: Pick<CloneLimits, 'megabytes'>): void {
  if (bytes > megabytes * MiB)
    throw new Failure(
      'clone_failed',
      `the repository is larger than ${megabytes} MiB, the host's --clone-megabytes`,
    );
}

/** A repository has more objects than the host allows. */
export const tooManyObjects = (most: number) =>
  new Failure('clone_failed', `the repository has more than ${most} objects`);
