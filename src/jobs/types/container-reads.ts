import { z } from 'zod';
import type { ReadDefinition } from '../define.ts';
import { problemDocument } from '../errors.ts';
import { requestId } from '../fields/request-id.ts';
import { required } from '../parameters.ts';
import { logFormats } from '../rpc/streams.ts';
import { gearSpec, publishedPort } from './container.ts';
import { environmentVariables } from './environment.ts';

/** The last update after which a gear did not start; the gear was rolled back. */
const failedUpdate = z.object({
  job: requestId.describe('The job that failed'),
  at: z.iso.datetime(),
  error: problemDocument,
  unitText: z.string().describe('The text of the unit that did not start'),
});
export type FailedUpdate = z.infer<typeof failedUpdate>;

/** A variable without its value; the hash shows whether the value has changed. */
const hiddenVariable = z.object({ name: z.string(), hash: z.string() });
export type HiddenVariable = z.infer<typeof hiddenVariable>;

/** A gear as GET container shows it. */
export const gearDocument = z.object({
  resource: z.string(),
  host: z.string(),
  unit: z.string(),
  unitText: z.string().describe('The text of the current unit file'),
  image: z.string(),
  spec: gearSpec
    .extend({ env: z.union([environmentVariables, z.array(hiddenVariable)]) })
    .describe('Variables have values only if the token allows environment.read, otherwise hashes'),
  ports: z.array(publishedPort),
  enabled: z.boolean().describe('Whether it runs after a reboot'),
  systemd: z.object({
    active: z.string(),
    sub: z.string(),
    result: z.string(),
    restarts: z.number(),
    since: z.iso.datetime().nullable().describe('When it entered the state; null if it never ran'),
  }),
  container: z.string().nullable(),
  environment: z
    .object({ name: z.string(), changedAt: z.iso.datetime(), outdated: z.boolean() })
    .nullable()
    .describe('The environment that it uses; outdated: the running process has an earlier version of it'),
  failedUpdate: failedUpdate.nullable(),
});
export type Gear = z.infer<typeof gearDocument>;

const { resource, host, unit, image, ports, enabled, systemd } = gearDocument.shape;

/**
 * A gear in a list, with the data that is available for many at once. While its host does not
 * answer, only its name is known.
 */
export const gearSummary = z.object({
  resource,
  host,
  unit,
  image: image.nullable(),
  ports: ports.nullable(),
  enabled: enabled.nullable(),
  systemd: systemd.pick({ active: true, sub: true }).nullable(),
});
export type GearSummary = z.infer<typeof gearSummary>;

/** A record of the journal, in a log as JSON. */
const logRecord = z.object({
  cursor: z.string().describe('The position in the journal; a client sends it as Last-Event-ID'),
  time: z.iso.datetime(),
  message: z.string(),
  encoding: z.literal('base64').optional().describe('The encoding of a message that is not UTF-8'),
  continues: z.literal(true).optional().describe('The next record continues the line'),
});

/** Something about the stream that its reader must know. */
const logNotice = z.object({
  event: z.enum(['missed', 'end']),
  reason: z.string(),
  lines: z.number().exactOptional().describe('How many lines are missing, if known'),
});
export type Notice = z.infer<typeof logNotice>;

const ofOneGear = ['container_not_found', 'host_not_found', 'host_conflict', 'host_unavailable'] as const;

export const containerRead = {
  method: 'GET',
  path: '/container',
  summary: 'Shows a gear: spec, unit, ports, state in systemd, container',
  action: 'container.read',
  needs: ['r'],
  takes: ['h'],
  wants: ({ all }) => ({ resource: required(all, 'r') }),
  answer: gearDocument,
  errors: ofOneGear,
} as const satisfies ReadDefinition;

export const containerList = {
  method: 'GET',
  path: '/containers',
  summary: 'Lists gears by name, including stopped ones',
  action: 'container.read',
  needs: [],
  takes: ['r', 'h', 'limit', 'after'],
  wants: () => ({}),
  answer: z.object({ containers: z.array(gearSummary), next: z.string().optional() }),
  errors: ['host_not_found'],
} as const satisfies ReadDefinition;

/** Default lines of history, and default seconds to follow a log. */
const [defaultLines, defaultSeconds] = [100, 30];

export const containerLog = {
  method: 'GET',
  path: '/container/log',
  summary: 'Streams the log of a gear: its last lines, then new ones',
  action: 'container.log',
  needs: ['r'],
  takes: ['h', 'lines', 'for'],
  wants: ({ all }) => {
    const { lines = defaultLines, for: seconds = defaultSeconds } = all;
    return { resource: required(all, 'r'), lines, seconds };
  },
  answer: z.union([logRecord, logNotice]),
  media: logFormats,
  headers: ['Last-Event-ID'],
  errors: ofOneGear,
} as const satisfies ReadDefinition;

/** The same by PUT, for old clients; see `aliases` in registry.ts. */
export const containerLogPut = { ...containerLog, method: 'PUT' } as const satisfies ReadDefinition;
