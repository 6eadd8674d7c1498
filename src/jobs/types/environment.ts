import { z } from 'zod';
import { defineJob } from '../define.ts';
import { environmentName, resourceName } from '../fields/identifier.ts';
import { text, unique } from '../fields/schema.ts';

/** Any text but what no environment can hold (execve(2) ends a value at a NUL). */
const value = text('an environment value', 32_768, /^[^\0]*$/, 'hold no NUL');

const variable = z.strictObject({ name: environmentName, value });
export type EnvironmentVariable = z.infer<typeof variable>;

/** More than any program reads, less than execve(2) takes. */
export const maxVariables = 512;

export const environmentVariables = z
  .array(variable)
  .max(maxVariables, `env: at most ${maxVariables}`)
  .refine(...unique((e: EnvironmentVariable) => e.name, 'an environment name'));

/** The body of PUT and PATCH environment. */
export const environmentBody = z.strictObject({ env: environmentVariables.default([]) });

const params = z.strictObject({ resource: resourceName, env: environmentVariables });
const result = z.strictObject({
  environment: z.string(),
  variables: z.number(),
  changed: z.boolean(),
  /** Gears that use it; they see a change at their next (re)start. */
  gears: z.array(z.string()),
});

export const environmentReplace = defineJob({
  params,
  result,
  errors: ['no_host', 'host_unavailable', 'timeout'],
  on: 'environment',
  needs: 'place',
});

export const environmentMerge = defineJob({
  params,
  result,
  errors: ['environment_not_found', 'invalid_request', 'host_unavailable', 'timeout'],
  on: 'environment',
  needs: 'presence',
});
