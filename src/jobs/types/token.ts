import { z } from 'zod';
import { defineRead } from '../define.ts';

export const whoami = defineRead({
  method: 'GET',
  path: '/whoami',
  summary: 'Shows whose the token is, what it allows, and until when',
  action: null,
  needs: [],
  takes: [],
  wants: () => ({}),
  /** Null: the token leaves it open. */
  answer: z.object({
    user: z.string().nullable(),
    resource: z.string().nullable().describe('A name, or the beginning of names and a star'),
    host: z.string().nullable(),
    actions: z.array(z.string()).describe('All that it allows'),
    expires: z.iso.datetime().nullable(),
  }),
  errors: [],
});
