import { z } from 'zod';
import { canonicalCloneUrl } from '../fields/clone-url.ts';
import { refName, resourceName } from '../fields/identifier.ts';

const scheme = 'gear://';

/** The repository of this fleet in a URL `gear://<name>`; null for any other URL. */
export function copiedFrom(url: string | null): string | null {
  return url?.startsWith(scheme) ? url.slice(scheme.length) : null;
}

function gearUrl(text: string): string | { wrong: string } {
  if (resourceName.safeParse(copiedFrom(text)).success) return text;
  return { wrong: 't must be gear:// and the name of a repository, such as gear://site' };
}

const longest = 2048;

/** The source of a new repository: a URL for git, or another repository of the fleet. */
export const repositorySource = z
  .string({ error: 't must be a string' })
  .max(longest, `t must have at most ${longest} characters`)
  .transform((text, context) => {
    const url = /^gear:/i.test(text) ? gearUrl(text) : canonicalCloneUrl(text);
    if (typeof url === 'string') return url;
    context.addIssue({ code: 'custom', message: url.wrong });
    return z.NEVER;
  })
  .meta({ plain: { type: 'string', maxLength: longest, pattern: '^(https?|git|gear)://' } });

/** Identifies the stream of a copy, so that no other stream passes for it. */
export const aboutCopy = (job: string, source: string) => `copy ${source} ${job}`;

/** Maximum length of the line below, in bytes. */
export const maxCopyHead = 2_048;

/**
 * The head of a copy: the source's worker sends one line of this, as JSON, and then, unless it is
 * empty, a bundle as git-bundle(1) makes it. Both go sealed from worker to worker; see
 * token/seal-stream.ts.
 */
export const copyHead = z.strictObject({
  /** The branch that HEAD names, even if it does not exist; a bundle lacks this. Null: none. */
  branch: refName.nullable(),
  /** Nothing was ever pushed. */
  empty: z.boolean(),
});
export type CopyHead = z.infer<typeof copyHead>;
