import { z } from 'zod';
import { defineJob } from '../define.ts';
import { hostName } from '../fields/identifier.ts';
import { foreign } from '../rpc/drift.ts';

/** The host is what such a job works on, and stands where others name their resource. */
const params = z.strictObject({ resource: hostName });

const drained = z.strictObject({
  draining: z.boolean(),
  /** Whether it was otherwise before. */
  changed: z.boolean(),
});

/** Has the host take nothing new; what it has goes on and can be changed. */
export const hostDrain = defineJob({ params, result: drained, errors: [], on: 'host', needs: 'host' });
export const hostUndrain = defineJob({ params, result: drained, errors: [], on: 'host', needs: 'host' });

const names = z.array(z.string());

/** Brings directory, unit files, links and reservations into line with the gears that the host has. */
export const hostRepair = defineJob({
  params,
  result: z.strictObject({
    /** Gears that the directory did not have. */
    announced: names,
    /** Names in the directory that are no gears of the host. */
    forgotten: names,
    /** Gears whose unit was written again from its own Spec. */
    rewritten: names,
    /** Gears whose unit systemd can find again. */
    linked: names,
    /** Gears whose Docker network was made again. */
    networks: names,
    /** External ports that were reserved for gears that are gone. */
    released: z.array(z.number()),
    /** Units and containers that are none of ours, untouched. */
    foreign: z.array(foreign),
  }),
  errors: ['host_unavailable', 'timeout'],
  on: 'host',
  needs: 'host',
});
