import { z } from 'zod';

// A schema that reads several forms, or transforms its input, has `plain` in its metadata: JSON
// Schema for the one form that clients should write, and that they read.

/** Rejects a list that has the same key twice; undefined and 0 do not count. */
export const unique = <T>(key: (item: T) => unknown, what: string) =>
  [
    (items: T[]) => {
      const keys = items.map(key).filter((value) => value !== undefined && value !== 0);
      return new Set(keys).size === keys.length;
    },
    `${what} must not be given twice`,
  ] as const;

/** A text whose length is checked before its pattern is tried. */
export const text = (what: string, max: number, pattern: RegExp, rule: string) =>
  z
    .string({ error: `${what} must be a string` })
    .max(max, { error: `${what} must have at most ${max} characters`, abort: true })
    .regex(pattern, `${what} must ${rule}`)
    .refine((value) => value.isWellFormed(), `${what} must be well-formed Unicode`);

/** Removes control characters from a text, except line breaks and tabs. */
export const printable = (text: string) => text.replace(/[^\P{Cc}\n\t]/gu, '');

/**
 * Text from another process for people to read: at most `max` characters, and no control characters
 * that a terminal obeys.
 */
export const saidText = (max: number) =>
  z
    .string()
    .transform((said) => printable(said).slice(0, max))
    .meta({ plain: { type: 'string', maxLength: max } });

/**
 * A whole number in decimal digits; `what` names it in the message, `digits` includes leading
 * zeros.
 */
export function wholeNumber(min: number, max: number, what = '', digits = 10) {
  const message = `${what} must be a whole number from ${min} to ${max}`.trimStart();
  return z
    .string(message)
    .max(digits, message)
    .regex(/^\d+$/, message)
    .transform(Number)
    .refine((n) => n >= min && n <= max, message)
    .meta({ plain: { type: 'integer', minimum: min, maximum: max } });
}
