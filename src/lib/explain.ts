import type { z } from 'zod';

/** Describes the first issue: `ports[0].external: must be …`. */
export function explain(error: z.ZodError): string {
  const issue = error.issues[0];
  if (!issue) return 'not valid';
  const path = issue.path.reduce<string>(
    (text, part) =>
      typeof part === 'number' ? `${text}[${part}]` : text ? `${text}.${String(part)}` : String(part),
    '',
  );
  return path ? `${path}: ${issue.message}` : issue.message;
}
