import { z } from 'zod';
import { cloneUrl } from '../fields/clone-url.ts';
import { refName, resourceName } from '../fields/identifier.ts';

const scheme = 'gear://';

/**
 * The repository of this fleet that a URL names, `gear://<name>` and nothing more; null where it is
 * another URL.
 */
export function copiedFrom(url: string | null): string | null {
  return url?.startsWith(scheme) ? url.slice(scheme.length) : null;
}

const gearUrl = z
  .string()
  .refine(
    (url) => resourceName.safeParse(copiedFrom(url)).success,
    't must be gear:// and the name of a repository, such as gear://site',
  );

/**
 * Where a new repository may come from: a URL that git may be given, or another repository of the
 * fleet.
 */
export const repositorySource = z
  .string({ error: 't must be a string' })
  .transform((text, context) => {
    const parsed = (/^gear:/i.test(text) ? gearUrl : cloneUrl).safeParse(text);
    if (parsed.success) return parsed.data;
    context.addIssue({ code: 'custom', message: parsed.error.issues[0]?.message ?? 't must be a URL' });
    return z.NEVER;
  })
  .meta({ plain: { type: 'string', maxLength: 2048, pattern: '^(https?|git|gear)://' } });

/** What a copy's stream is about, so that no other is taken for it. */
export const aboutCopy = (job: string, source: string) => `copy ${source} ${job}`;

/** Bytes of the line below at most. */
export const maxCopyHead = 2_048;

/**
 * What the source's worker sends for a copy: one line of this, as JSON, and then, unless it is
 * empty, a bundle as git-bundle(1) makes it. It goes sealed from worker to worker; see
 * token/seal-stream.ts.
 */
export const copyHead = z.strictObject({
  /** The branch that HEAD names, whether it is there or not; a bundle does not say. Null: none. */
  branch: refName.nullable(),
  /** Nothing was ever pushed. */
  empty: z.boolean(),
});
export type CopyHead = z.infer<typeof copyHead>;
