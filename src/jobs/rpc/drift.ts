import { z } from 'zod';

/** Made by hand under a name like ours. It is shown, and never touched. */
export const foreign = z.object({ kind: z.enum(['unit', 'container']), name: z.string() });
export type Foreign = z.infer<typeof foreign>;

const changedUnit = z.object({
  resource: z.string(),
  text: z.boolean().describe('The text differs from the one that its own Spec produces'),
  link: z
    .enum(['fine', 'missing', 'wrong'])
    .describe('The link through which systemd finds it; wrong: a file is there, or it leads elsewhere'),
});
export type ChangedUnit = z.infer<typeof changedUnit>;

/** Differences of a host from the state that geard made. Leaves out gears with a running job. */
export const driftDocument = z.object({
  unitsWithoutEntry: z.array(z.string()).describe('Gears on disk that are not in the directory'),
  entriesWithoutUnit: z
    .array(z.string())
    .describe('Names of gears in the directory that have no unit on disk'),
  changedUnits: z.array(changedUnit),
  withoutNetwork: z.array(z.string()).describe('Gears whose Docker network is gone'),
  foreign: z.array(foreign),
});
export type Drift = z.infer<typeof driftDocument>;
