import type { z } from 'zod';
import { checked } from '../jobs/checked.ts';
import { Failure } from '../jobs/errors.ts';
import { explain } from '../lib/explain.ts';

/** Names of fields with upper-case letters, by their lower-case form. */
const camelCase = new Map(['startSeconds'].map((name) => [name.toLowerCase(), name]));

/** Deeper than any valid body; bounds the recursion below. */
const deepest = 16;

// Keeps a byte order mark: the text that is parsed must be the text that was hashed.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Decodes the text of a body. Throws `invalid_request` when it is not UTF-8. */
export function textOf(bytes: unknown): string {
  if (!Buffer.isBuffer(bytes)) return '';
  try {
    return utf8.decode(bytes);
  } catch {
    throw new Failure('invalid_request', 'the body is not JSON');
  }
}

/**
 * Parses a body by its schema; an absent one counts as `{}`. Throws `invalid_request` with the
 * first error.
 */
export function parseBody<T extends z.ZodType>(text: string, schema: T): z.infer<T> {
  const json = text.length > 0 ? foldNames(parse(text), 0) : {};
  if (Array.isArray(json) || typeof json !== 'object' || json === null) {
    throw new Failure('invalid_request', 'the body must be a JSON object');
  }
  return checked(schema, json, (error) => `body: ${explain(error)}`);
}

function parse(text: string): unknown {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new Failure('invalid_request', 'the body is not JSON');
  }
  assertFieldsUnique(text);
  return json;
}

/** Matches the braces of JSON objects and all strings; a string before a colon is a name. */
const strings = /"[^"\\]*(?:\\.[^"\\]*)*"(?<colon>\s*:)?|[{}]/g;

/**
 * Rejects JSON in which an object names a field twice, in any case: JSON.parse would keep the last.
 */
function assertFieldsUnique(text: string): void {
  const objects: Set<string>[] = [];
  for (const { 0: found, groups } of text.matchAll(strings)) {
    if (found === '{') objects.push(new Set());
    else if (found === '}') objects.pop();
    else if (groups?.['colon'] !== undefined) {
      const name = String(JSON.parse(found.slice(0, -groups['colon'].length))).toLowerCase();
      const names = objects.at(-1);
      if (names?.has(name)) throw new Failure('invalid_request', 'the body names a field twice');
      names?.add(name);
    }
  }
}

/** Renames all fields to the spelling of the schemas: the contract ignores the case of names. */
function foldNames(value: unknown, depth: number): unknown {
  if (depth > deepest) throw new Failure('invalid_request', 'the body is nested too deeply');
  if (Array.isArray(value)) return value.map((item) => foldNames(item, depth + 1));
  if (typeof value !== 'object' || value === null) return value;
  const folded = new Map<string, unknown>();
  for (const [name, item] of Object.entries(value)) {
    const lower = name.toLowerCase();
    const known = camelCase.get(lower) ?? lower;
    if (known === '__proto__') throw new Failure('invalid_request', 'the body has an unknown field');
    folded.set(known, foldNames(item, depth + 1));
  }
  return Object.fromEntries(folded);
}
