import express, { type Request, type RequestHandler } from 'express';
import type { z } from 'zod';
import { Failure } from '../jobs/errors.ts';
import { explain } from '../lib/explain.ts';

/** Bytes of the largest body we read. */
const limit = 100 * 1024;
/** More levels than any body of ours has; bounds the recursion below. */
const deepest = 16;

/** Reads a body whatever its Content-Type says: the seed's curl lines send none of their own. */
export const readBody: RequestHandler = express.raw({ type: () => true, limit, inflate: false });

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * The body as the schema has it; an absent one counts as `{}`. Throws `invalid_request` with the first thing
 * that is wrong.
 */
export function bodyOf<T extends z.ZodType>(req: Request, schema: T): z.infer<T> {
  const bytes: unknown = req.body;
  const json = Buffer.isBuffer(bytes) && bytes.length > 0 ? foldNames(parse(bytes), 0) : {};
  if (Array.isArray(json) || typeof json !== 'object' || json === null) {
    throw new Failure('invalid_request', 'the body must be a JSON object');
  }
  const parsed = schema.safeParse(json);
  if (!parsed.success) throw new Failure('invalid_request', `body: ${explain(parsed.error)}`);
  return parsed.data;
}

function parse(bytes: Buffer): unknown {
  try {
    return JSON.parse(utf8.decode(bytes));
  } catch {
    throw new Failure('invalid_request', 'the body is not JSON');
  }
}

/** Lower-cases the names of all fields: the contract matches them without regard to case. */
function foldNames(value: unknown, depth: number): unknown {
  if (depth > deepest) throw new Failure('invalid_request', 'the body is nested too deeply');
  if (Array.isArray(value)) return value.map((item) => foldNames(item, depth + 1));
  if (typeof value !== 'object' || value === null) return value;
  const folded = new Map<string, unknown>();
  for (const [name, item] of Object.entries(value)) {
    const lower = name.toLowerCase();
    if (folded.has(lower)) throw new Failure('invalid_request', 'the body names a field twice');
    if (lower === '__proto__') throw new Failure('invalid_request', 'the body has an unknown field');
    folded.set(lower, foldNames(item, depth + 1));
  }
  return Object.fromEntries(folded);
}
