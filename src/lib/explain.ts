import { z } from 'zod';

/** Describes the first issue: `ports[0].external: must be …`. */
export function explain(error: z.ZodError): string {
  const issue = error.issues[0];
  if (!issue) return 'not valid';
  const path = z.core.toDotPath(issue.path);
  return path ? `${path}: ${issue.message}` : issue.message;
}
