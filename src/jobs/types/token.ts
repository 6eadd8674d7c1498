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
  /** Null is what the token leaves open. */
  answer: z.object({
    user: z.string().nullable(),
    /** A name, or the beginning of names and a star. */
    resource: z.string().nullable(),
    host: z.string().nullable(),
    /** All that it allows. */
    actions: z.array(z.string()),
    expires: z.iso.datetime().nullable(),
  }),
  errors: [],
});
