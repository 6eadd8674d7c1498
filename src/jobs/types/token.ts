import { z } from 'zod';
import type { ReadDefinition } from '../define.ts';

export const whoami = {
  method: 'GET',
  path: '/whoami',
  summary: 'Shows the user of the token, what it allows, and when it expires',
  action: null,
  needs: [],
  takes: [],
  wants: () => ({}),
  /** Null: the token leaves it open. */
  answer: z.object({
    user: z.string().nullable(),
    resource: z.string().nullable().describe('A name, or a prefix followed by a star'),
    host: z.string().nullable(),
    actions: z.array(z.string()).describe('All actions that it allows'),
    expires: z.iso.datetime().nullable(),
  }),
  errors: [],
} as const satisfies ReadDefinition;
