import { z } from 'zod';
import { defineJob, type ReadDefinition } from '../define.ts';
import { Failure } from '../errors.ts';
import { MiB } from '../fields/bytes.ts';
import { environmentName } from '../fields/identifier.ts';
import { text, unique } from '../fields/schema.ts';
import { required } from '../parameters.ts';

/** Any text that an environment can hold (execve(2) ends a value at a NUL). */
const value = text('an environment value', 32_768, /^[^\0]*$/, 'not contain NUL');

const variable = z.strictObject({ name: environmentName, value });
export type EnvironmentVariable = z.infer<typeof variable>;

/** More than any program reads, less than execve(2) takes. */
export const maxVariables = 512;

/**
 * Maximum bytes of an environment as JSON. One body holds less, but merges add up, and a read sends
 * the whole environment through Redis; see queue/rpc/rpc.ts.
 */
export const maxEnvironment = MiB;

export const environmentVariables = z
  .array(variable)
  .max(maxVariables, `env: at most ${maxVariables}`)
  .refine(...unique((e: EnvironmentVariable) => e.name, 'an environment name'));

/** The body of PUT and PATCH environment. */
export const environmentBody = z
  .strictObject({ env: environmentVariables.default([]) })
  .meta({ examples: [{ env: [{ name: 'GREETING', value: 'hello' }] }] });

const result = z.strictObject({
  environment: z.string(),
  variables: z.number(),
  changed: z.boolean(),
  gears: z
    .array(z.string())
    .describe('Gears that use it and that the token allows; they see a change at their next (re)start'),
});

const toEnvironment = {
  body: environmentBody,
  paramsOf: ({ body }: { body: z.infer<typeof environmentBody> }) => body,
  result,
  on: 'environment',
  since: 1,
} as const;

export const environmentReplace = defineJob({
  method: 'PUT',
  path: '/environment',
  summary: 'Creates an environment, or replaces its variables',
  ...toEnvironment,
  errors: ['no_host', 'image_not_found', 'host_unavailable', 'timeout'],
  needs: 'place',
});

export const environmentMerge = defineJob({
  method: 'PATCH',
  path: '/environment',
  summary: 'Merges variables into an environment',
  ...toEnvironment,
  errors: ['environment_not_found', 'invalid_request', 'image_not_found', 'host_unavailable', 'timeout'],
  needs: 'presence',
});

export const environmentRead = {
  method: 'GET',
  path: '/content{/ref*}',
  select: { t: 'env' },
  summary: 'Shows the variables of an environment',
  action: 'environment.read',
  needs: ['r', 't'],
  takes: ['h'],
  wants: ({ all, found }) => {
    if (found !== '') throw new Failure('invalid_request', 't=env takes no path after content');
    return { resource: required(all, 'r') };
  },
  answer: z.string(),
  media: ['text/plain'],
  errors: ['environment_not_found', 'host_not_found', 'host_conflict', 'host_unavailable'],
} as const satisfies ReadDefinition;
