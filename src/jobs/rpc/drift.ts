import { z } from 'zod';

/** What was made by hand under names like ours. It is shown, and never touched. */
export const foreign = z.strictObject({ kind: z.enum(['unit', 'container']), name: z.string() });
export type Foreign = z.infer<typeof foreign>;

export interface ChangedUnit {
  resource: string;
  /** The text is another than its own Spec gives. */
  text: boolean;
  /** The link by which systemd finds it is not there, or is another. */
  link: 'fine' | 'missing' | 'wrong';
}

/** What of a host is otherwise than geard has made it. Gears on which a job runs are left out. */
export interface Drift {
  /** Gears on the disk that the directory does not have. */
  unitsWithoutEntry: string[];
  /** Names in the directory of which there is no unit on the disk. */
  entriesWithoutUnit: string[];
  changedUnits: ChangedUnit[];
  /** Gears whose Docker network is gone. */
  withoutNetwork: string[];
  foreign: Foreign[];
}
