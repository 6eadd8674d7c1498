import { z } from 'zod';
import { ownRegistry } from './image-name.ts';

/**
 * Names that callers may choose. Every pattern is anchored, and every length is checked before its
 * pattern, so that a valid name may stand in a path, an argv, a unit file or a Redis key.
 */
const named = (what: string, max: number, pattern: RegExp, rule: string) =>
  z
    .string({ error: `${what} must be a string` })
    .min(1, `${what} must not be empty`)
    .max(max, { error: `${what} must have at most ${max} characters`, abort: true })
    .regex(pattern, `${what} must ${rule}`);

export const resourceName = named(
  'r',
  63,
  /^(?!.*\.\.)(?!.*\.service$)[A-Za-z0-9][A-Za-z0-9_.-]*$/,
  'be letters, digits, ".", "_" and "-", begin with a letter or digit, hold no ".." and not end in ".service"',
);

export const userName = named(
  'u',
  64,
  /^[A-Za-z0-9][A-Za-z0-9_.@-]*$/,
  'be letters, digits, "_", ".", "@" and "-", and begin with a letter or digit',
);

export const hostName = named(
  'h',
  63,
  /^[a-z0-9][a-z0-9-]*$/,
  'be lower-case letters, digits and "-", and begin with a letter or digit',
);

/**
 * An image reference in the grammar of the Docker distribution:
 * [registry[:port]/]path[:tag][@sha256:…].
 */
export const imageReference = named(
  't',
  255,
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9.-]*[a-zA-Z0-9])?(?::[0-9]{1,5})?\/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[a-f0-9]{64})?$/,
  'be an image reference such as nginx:1.27 or registry.example:5000/team/app@sha256:…',
)
  .refine(
    (reference) => !/^(?:sha256:)?[a-f0-9]{64}$/.test(reference),
    't must be a name or a name with a digest; an image cannot be named by its id',
  )
  .refine(
    (reference) => !reference.startsWith(`${ownRegistry}/`),
    `t must not name an image of ${ownRegistry}; geard creates these for its own use`,
  );

export const environmentName = named(
  'an environment name',
  255,
  /^[A-Za-z_][A-Za-z0-9_]*$/,
  'match [A-Za-z_][A-Za-z0-9_]*',
);

export const volumeName = named(
  'a volume name',
  63,
  /^[A-Za-z0-9][A-Za-z0-9_.-]*$/,
  'be letters, digits, ".", "_" and "-", and begin with a letter or digit',
);

export const containerPath = named(
  'a volume path',
  255,
  /^(?:\/(?!\.{1,2}(?:\/|$))[A-Za-z0-9_.@+-]+)+$/,
  'be an absolute path of letters, digits and "._@+-" without "." or ".." parts',
);

/**
 * A branch, a tag or a hash by git-check-ref-format(1), with letters of any script.
 * Nothing in it is an operator of gitrevisions(7), an option or a path.
 */
export const refName = named(
  'the ref',
  255,
  /^(?![-/.])(?!.*(?:\.\.|\/\/|\/\.|@\{|\.lock(?:\/|$)))(?!@$)[^\p{C}\p{Z} ~^:?*[\\]*[^\p{C}\p{Z} ~^:?*[\\/.]$/u,
  'be the name of a branch or a tag, or a hash; expressions such as HEAD~1 are not accepted',
);

/** A position in the journal as `journalctl --show-cursor` prints it (sd_journal_get_cursor(3)). */
export const journalCursor = named(
  'Last-Event-ID',
  256,
  /^s=[0-9a-f]{32};i=[0-9a-f]{1,16};b=[0-9a-f]{32};m=[0-9a-f]{1,16};t=[0-9a-f]{1,16};x=[0-9a-f]{1,16}$/,
  'be an id from this stream',
);
