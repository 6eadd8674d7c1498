import { z } from 'zod';

/** What was made by hand under names like ours. It is shown, and never touched. */
export const foreign = z.strictObject({ kind: z.enum(['unit', 'container']), name: z.string() });
export type Foreign = z.infer<typeof foreign>;

const changedUnit = z.object({
  resource: z.string(),
  text: z.boolean().describe('The text is another than its own Spec gives'),
  link: z
    .enum(['fine', 'missing', 'wrong'])
    .describe('The link by which systemd finds it is not there, or is another'),
});
export type ChangedUnit = z.infer<typeof changedUnit>;

/** What of a host is otherwise than geard has made it. Gears on which a job runs are left out. */
export const driftDocument = z.object({
  unitsWithoutEntry: z.array(z.string()).describe('Gears on the disk that the directory does not have'),
  entriesWithoutUnit: z
    .array(z.string())
    .describe('Names in the directory of which there is no unit on the disk'),
  changedUnits: z.array(changedUnit),
  withoutNetwork: z.array(z.string()).describe('Gears whose Docker network is gone'),
  foreign: z.array(foreign),
});
export type Drift = z.infer<typeof driftDocument>;
