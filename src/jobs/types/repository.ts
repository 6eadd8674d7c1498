import { z } from 'zod';
import { checked } from '../checked.ts';
import { defineJob, emptyBody, type ReadDefinition } from '../define.ts';
import { Failure } from '../errors.ts';
import { refName } from '../fields/identifier.ts';
import { required } from '../parameters.ts';
import { repositorySource } from '../rpc/copy.ts';

export const repositoryCreate = defineJob({
  method: 'PUT',
  path: '/repository',
  summary: 'Creates a bare repository: empty, a clone, or a copy of another one',
  body: emptyBody,
  t: repositorySource.optional().meta({
    description: 'What to clone or copy; without it the repository is empty',
    examples: ['https://git.example/site.git'],
  }),
  /** `url`: where to clone or copy from; null: an empty repository. */
  paramsOf: ({ t: url = null }) => ({ url }),
  result: z.strictObject({
    unit: z.string(),
    path: z.string(),
    head: z.string().nullable().describe('The commit that HEAD names; null while there is none'),
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
  since: 1,
});

export const contentArchive = {
  method: 'GET',
  path: '/content{/ref*}',
  select: { t: 'gitarchive' },
  summary: 'Streams an archive of a repository: of HEAD, or of the ref after content',
  action: 'content.read',
  needs: ['r', 't'],
  takes: ['h', 'format'],
  wants: ({ all, found }) => ({
    resource: required(all, 'r'),
    ref: refOf(found),
    format: all.format ?? 'zip',
  }),
  answer: z.unknown(),
  media: ['application/zip', 'application/gzip'],
  statuses: [200, 304],
  headers: ['If-None-Match'],
  errors: [
    'repository_not_found',
    'repository_empty',
    'ref_not_found',
    'host_not_found',
    'host_conflict',
    'host_unavailable',
  ],
} as const satisfies ReadDefinition;

/** The ref after `/content/`, which may contain slashes; null: none. */
function refOf(found: string): string | null {
  if (found === '') return null;
  let ref: string;
  try {
    ref = decodeURIComponent(found);
  } catch {
    const how = 'encode it as UTF-8 with %, such as %23 for #';
    throw new Failure('invalid_request', `the ref in the path is not valid; ${how}`);
  }
  return checked(refName, ref);
}
