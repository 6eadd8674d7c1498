import type { z } from 'zod';
import { Failure } from './errors.ts';

const firstIssue = ({ issues }: z.ZodError) => issues[0]?.message ?? 'not valid';

/** Parses input by its schema. Throws `invalid_request`, by default with the first error. */
export function checked<T extends z.ZodType>(
  schema: T,
  said: unknown,
  why: (error: z.ZodError) => string = firstIssue,
): z.infer<T> {
  const parsed = schema.safeParse(said);
  if (!parsed.success) throw new Failure('invalid_request', why(parsed.error));
  return parsed.data;
}
