import { z } from 'zod';
import { defineJob, emptyBody, type ReadDefinition } from '../define.ts';
import { hostLimits, userLimits } from '../limits.ts';
import { required } from '../parameters.ts';
import { driftDocument, foreign } from '../rpc/drift.ts';

const drained = z.strictObject({
  draining: z.boolean(),
  changed: z.boolean().describe('Whether the job changed it'),
});

/** Such a job works on the host, which takes the place of a resource. */
const onHost = {
  method: 'PUT',
  body: emptyBody,
  paramsOf: () => ({}),
  on: 'host',
  needs: 'host',
  since: 1,
} as const;

export const hostDrain = defineJob({
  ...onHost,
  path: '/host/draining',
  summary: 'Drains a host: it accepts nothing new; its gears keep running and can be changed',
  result: drained,
  errors: ['host_unavailable'],
});

export const hostUndrain = defineJob({
  ...hostDrain,
  path: '/host/live',
  summary: 'Lets a host accept new gears again',
});

const names = z.array(z.string());

/**
 * Brings directory, unit files, links, networks and reservations into line with the host's gears.
 */
export const hostRepair = defineJob({
  ...onHost,
  path: '/host/repaired',
  summary: 'Repairs the drift of a host without restarting any gear',
  result: z.strictObject({
    announced: names.describe('Gears that were missing from the directory'),
    forgotten: names.describe('Names in the directory that are not gears of the host'),
    rewritten: names.describe('Gears whose unit was rewritten from the spec that it contains'),
    linked: names.describe('Gears whose missing link was created again'),
    networks: names.describe('Gears whose Docker network was created again'),
    released: z.array(z.number()).describe('External ports that were reserved for removed gears'),
    foreign: z.array(foreign).describe('Units and containers that geard did not make; left untouched'),
  }),
  errors: ['host_unavailable', 'timeout'],
});

export const hostStates = ['live', 'draining', 'gone'] as const;
export type HostState = (typeof hostStates)[number];

/** A host in the list; a token limited to resource names gets only its name and state. */
const hostDocument = z.object({
  name: z.string(),
  state: z.enum(hostStates),
  gears: z.number().optional(),
  limits: hostLimits
    .extend({ maxStarts: hostLimits.shape.maxStarts.nullable() })
    .nullable()
    .optional()
    .describe('Null: its worker has not announced them in a form this api knows. A null in them: no limit'),
  version: z.string().optional(),
  lastSeen: z.iso.datetime().nullable().optional().describe('Null: its worker has stopped on purpose'),
});

export const hostList = {
  method: 'GET',
  path: '/hosts',
  summary: 'Lists the hosts with their states and limits',
  action: 'host.read',
  needs: [],
  takes: ['h', 'limit', 'after'],
  wants: () => ({}),
  /** Includes the limits of one user on this api. */
  answer: z.object({ hosts: z.array(hostDocument), next: z.string().optional(), limits: userLimits }),
  errors: [],
} as const satisfies ReadDefinition;

export const hostRemove = {
  method: 'DELETE',
  path: '/host',
  summary: 'Forgets a host that is gone',
  action: 'host.remove',
  changes: true,
  ofHost: true,
  needs: ['h'],
  takes: [],
  wants: ({ all }) => ({ host: required(all, 'h') }),
  /** The number of names that became free, and of jobs that failed with the host. */
  answer: z.object({ host: z.string(), removed: z.object({ names: z.number(), jobs: z.number() }) }),
  errors: ['host_not_found'],
} as const satisfies ReadDefinition;

export const driftRead = {
  method: 'GET',
  path: '/drift',
  summary: 'Shows how a host differs from the state that geard wrote',
  action: 'host.read',
  ofHost: true,
  needs: [],
  takes: ['h'],
  wants: () => ({}),
  answer: z.object({
    hosts: z.array(
      z.object({
        host: z.string(),
        drift: driftDocument
          .nullable()
          .describe('Null: the host does not answer, or refuses; asked for by h it says why it refuses'),
      }),
    ),
  }),
  errors: ['host_not_found', 'host_unavailable'],
} as const satisfies ReadDefinition;
