import { z } from 'zod';
import { cloneUrl } from './clone-url.ts';
import { defineJob } from './define.ts';
import { resourceName } from './identifier.ts';

export const repositoryCreate = defineJob({
  params: z.strictObject({
    resource: resourceName,
    /** Where to clone from; null: an empty repository. */
    url: cloneUrl.nullable(),
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
    'image_not_found',
    'registry_failed',
    'clone_failed',
    'host_unavailable',
    'timeout',
  ],
  on: 'repository',
  needs: 'absence',
});
