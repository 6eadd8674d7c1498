import { z } from 'zod';
import { defineJob, emptyBody } from '../define.ts';
import { MiB, maxMemory } from '../fields/bytes.ts';
import { containerPath, imageReference, resourceName, volumeName } from '../fields/identifier.ts';
import { text, unique, wholeNumber } from '../fields/schema.ts';
import { environmentVariables } from './environment.ts';

/** Numbers may come as strings, such as {"external":"4343"}; see docs/api.md. */
const integer = (what: string, min: number, max: number) => {
  const message = `${what} must be a whole number from ${min} to ${max}`;
  return z
    .union([z.int(message).min(min, message).max(max, message), wholeNumber(min, max, what, 20)], message)
    .meta({ plain: { type: 'integer', minimum: min, maximum: max } });
};

const port = z.strictObject({
  internal: integer('internal', 1, 65535),
  external: integer('external', 0, 65535).optional().describe('0 or left out: the host allocates one'),
});

const volume = z.strictObject({
  name: volumeName,
  path: containerPath,
  of: resourceName.optional().describe('The gear that owns the volume; default: the gear itself'),
});
export type Volume = z.infer<typeof volume>;

const commandWord = text(
  'a word of command',
  4096,
  /^[^\0-\x08\x0b-\x1f\x7f]*$/,
  'not contain control characters',
).refine(
  // systemd takes none in a unit (unichar_is_valid in its utf8.c).
  (word) => !/\p{Noncharacter_Code_Point}/u.test(word),
  'a word of command must not contain noncharacters of Unicode',
);

/** Maximum number of seconds that a gear may take to listen. */
export const maxStartSeconds = 3_600;

const unitOf = { '': 1, b: 1, k: 1024, m: MiB, g: 1024 * MiB } as const;

/** Bytes, or Docker's notation (64m, 1g). Docker requires at least 6 MiB. */
export const memory = z
  .union(
    [
      z.number(),
      z
        .string()
        .max(16)
        .regex(/^\d{1,13}[bkmgBKMG]?$/),
    ],
    'memory must be bytes or a number with k, m or g, such as "64m"',
  )
  .transform((given) => {
    if (typeof given === 'number') return given;
    const suffix = given.replace(/\d+/, '').toLowerCase() as keyof typeof unitOf;
    return Number.parseInt(given, 10) * unitOf[suffix];
  })
  .refine((n) => Number.isInteger(n) && n >= 6 * MiB && n <= maxMemory, 'memory must be at least 6m (6 MiB)')
  .meta({
    plain: {
      type: 'integer',
      minimum: 6 * MiB,
      maximum: maxMemory,
      description: 'Bytes; in requests also as "64m" or "1g"',
    },
  });

export const cpus = z
  .union(
    [
      z.number(),
      z
        .string()
        .max(8)
        .regex(/^\d{1,4}(\.\d{1,2})?$/)
        .transform(Number),
    ],
    'cpus must be a number such as 0.5',
  )
  .refine((n) => n >= 0.01 && n <= 1024, 'cpus must be from 0.01 to 1024')
  .transform((n) => Math.round(n * 100) / 100)
  .meta({ plain: { type: 'number', minimum: 0.01, maximum: 1024 } });

const exampleBody = {
  ports: [{ internal: 80, external: 8080 }],
  env: [{ name: 'GREETING', value: 'hello' }],
  memory: 256 * MiB,
  cpus: 0.5,
};

/** The body of PUT container: the wanted gear. */
export const gearBody = z.strictObject({
  ports: z
    .array(port)
    .max(64, 'ports: at most 64')
    .refine(...unique((p: z.infer<typeof port>) => p.internal, 'an internal port'))
    .refine(...unique((p: z.infer<typeof port>) => p.external, 'an external port'))
    .default([]),
  env: environmentVariables.default([]),
  environment: resourceName.optional().describe('The name of an environment on the same host'),
  command: z.array(commandWord).max(128, 'command: at most 128 words').default([]),
  volumes: z
    .array(volume)
    .max(64, 'volumes: at most 64')
    .refine(...unique((v: { path: string }) => v.path, 'a volume path'))
    .default([]),
  network: resourceName
    .optional()
    .describe('A network shared by gears of one host; without it the gear has a network of its own'),
  memory: memory.optional(),
  cpus: cpus.optional(),
  startSeconds: integer('startSeconds', 1, maxStartSeconds)
    .optional()
    .describe("Seconds in which it must listen on its ports; default: --start-seconds of its host's worker"),
  start: z
    .boolean({ error: 'start must be true or false' })
    .default(true)
    .describe('Whether to start it now'),
});

/** A gear as its unit describes it: the body without `start`, with the image. */
export const gearSpec = gearBody.omit({ start: true }).extend({ image: imageReference });
export type GearSpec = z.infer<typeof gearSpec>;

export const publishedPort = z.strictObject({ internal: z.number(), external: z.number() });
export type PublishedPort = z.infer<typeof publishedPort>;

const gearState = z.strictObject({ unit: z.string(), container: z.string().nullable(), active: z.string() });

const onGear = {
  body: emptyBody,
  paramsOf: () => ({}),
  on: 'gear',
  needs: 'presence',
  since: 1,
} as const;

export const containerInstall = defineJob({
  method: 'PUT',
  path: '/container',
  summary: 'Installs or updates a gear and starts it',
  body: gearBody.meta({ examples: [exampleBody] }),
  t: imageReference.meta({ description: 'The image', examples: ['nginx:1.27'] }),
  ifNoneMatch: true,
  paramsOf: ({ t: image, body: { start, ...spec }, createOnly }) => ({
    spec: { ...spec, image },
    start,
    createOnly,
  }),
  result: z.strictObject({
    unit: z.string(),
    container: z.string().nullable(),
    ports: z.array(publishedPort),
    image: z.string(),
    changed: z.boolean(),
  }),
  errors: [
    'invalid_request',
    'image_not_found',
    'environment_not_found',
    'container_not_found',
    'registry_failed',
    'port_taken',
    'ports_exhausted',
    'no_host',
    'precondition_failed',
    'start_failed',
    'host_unavailable',
    'timeout',
  ],
  on: 'gear',
  needs: 'place',
  since: 1,
});

export const containerStart = defineJob({
  method: 'PUT',
  path: '/container/started',
  summary: 'Starts a gear, now and after every reboot',
  ...onGear,
  result: gearState,
  errors: ['container_not_found', 'port_taken', 'start_failed', 'host_unavailable', 'timeout'],
});

export const containerStop = defineJob({
  method: 'PUT',
  path: '/container/stopped',
  summary: 'Stops a gear, now and after every reboot',
  ...onGear,
  result: gearState,
  errors: ['container_not_found', 'host_unavailable', 'timeout'],
});

export const containerRestart = defineJob({
  ...containerStart,
  path: '/container/restarted',
  summary: 'Restarts a gear',
});

export const containerRemove = defineJob({
  method: 'DELETE',
  path: '/container',
  summary: 'Stops and removes a gear',
  ...onGear,
  result: z.strictObject({ unit: z.string() }),
  errors: ['container_not_found', 'host_unavailable', 'timeout'],
});
