import { z } from 'zod';
import { defineJob } from '../define.ts';
import { resourceName } from '../fields/identifier.ts';
import { repositorySource } from '../rpc/copy.ts';

export const repositoryCreate = defineJob({
  params: z.strictObject({
    resource: resourceName,
    /** Where to clone or to copy from; null: an empty repository. */
    url: repositorySource.nullable(),
  }),
  result: z.strictObject({
    unit: z.string(),
    path: z.string(),
    /** The commit that HEAD names; null while there is none. */
    head: z.string().nullable(),
  }),
  errors: [
    'invalid_request',
    'repository_exists',
    'no_host',
    'repository_not_found',
    'image_not_found',
    'registry_failed',
    'clone_failed',
    'host_unavailable',
    'timeout',
  ],
  on: 'repository',
  needs: 'absence',
});
