import type { Redis } from 'ioredis';
import { z } from 'zod';
import { effect } from '../../lib/effect.ts';
import { loadScript } from './load-script.ts';

const text = z.string();
const flag = z.literal([0, 1]).transform((said) => said === 1);
/** The reply of HGETALL: field, value, … The reader parses each value. */
const hash = z.custom<string[]>(Array.isArray);
/** Names and memory of each candidate that the directory compared; null: it knows none. */
const candidates = z.array(text.nullable());

/** The directory's verdicts on a name; see lua/include/claim.lua. */
const claimed = ['held', 'settled', 'claimed'] as const;
export type ClaimVerdict = (typeof claimed)[number];
const notClaimed = ['missing', 'nowhere', 'crowded', 'lost'] as const;
/** The verdicts of a host's records on a job; see lua/accept/accept.lua. */
const recorded = ['accepted', 'free', 'missing', 'exists', 'full'] as const;

/**
 * Operations that Redis runs at once or not at all: the file of each script in lua/, and its reply.
 */
const scripts = {
  accept: {
    file: 'accept/accept.lua',
    reply: z.union([
      z.tuple([z.enum([...notClaimed, 'known', 'late'])]),
      z.tuple([z.literal('taken'), text]),
      z.tuple([z.enum(['elsewhere', ...recorded]), text, text, z.enum(claimed), candidates]),
    ]),
  },
  claimName: {
    file: 'accept/claim-name.lua',
    reply: z.union([
      z.tuple([z.enum(notClaimed)]),
      z.tuple([z.enum(claimed), text, text, candidates.optional()]),
    ]),
  },
  insertEntry: { file: 'directory/insert-entry.lua', reply: z.null() },
  deleteEntry: { file: 'directory/delete-entry.lua', reply: flag },
  reserveId: { file: 'accept/reserve-id.lua', reply: text.nullable() },
  freeId: { file: 'accept/free-id.lua', reply: z.null() },
  readJobs: {
    file: 'records/read-jobs.lua',
    reply: z.array(z.custom<(string | null)[]>(Array.isArray)),
  },
  take: { file: 'records/take.lua', reply: z.enum(['over', 'expired', 'taken']) },
  begin: {
    file: 'records/begin.lua',
    reply: z.union([
      z.tuple([z.literal('over')]),
      z.tuple([z.literal('behind'), text]),
      z.tuple([z.literal('begun'), hash, hash]),
    ]),
  },
  handBack: { file: 'records/hand-back.lua', reply: z.null() },
  finish: { file: 'records/finish.lua', reply: text.nullable() },
  forget: { file: 'directory/forget.lua', reply: z.null() },
  forgetId: { file: 'records/forget-id.lua', reply: z.null() },
  drop: { file: 'records/drop.lua', reply: z.null() },
  cancel: { file: 'records/cancel.lua', reply: z.enum(['absent', 'final', 'queued', 'running']) },
  expire: { file: 'records/expire.lua', reply: flag },
  abandon: { file: 'records/abandon.lua', reply: flag },
  announce: { file: 'directory/announce.lua', reply: text.nullable() },
} as const;

export type Script = keyof typeof scripts;
export type Reply<S extends Script> = z.infer<(typeof scripts)[S]['reply']>;

const texts = new Map(Object.entries(scripts).map(([name, { file }]) => [name, loadScript(file)]));

/**
 * Defines the scripts on a connection; call it before anything else. A batch of commands that
 * ioredis gathers knows only the scripts defined before it began, and loses its count over a later
 * one (redis/ioredis#1931).
 */
export function defineScripts(redis: Redis): void {
  for (const [name, lua] of texts) redis.defineCommand(`geard:${name}`, { lua });
}

/**
 * Runs a script by its hash; sends Redis its text only once. Throws when the reply does not match
 * the script's schema.
 */
export async function runScript<S extends Script>(
  redis: Redis,
  name: S,
  scriptKeys: string[],
  args: (string | number)[],
): Promise<Reply<S>> {
  const commands = redis as unknown as Record<string, (...all: (string | number)[]) => Promise<unknown>>;
  const run = commands[`geard:${name}`];
  if (!run) throw new Error('the connection does not know the scripts');
  const said = await effect(`redis.${name}`, () =>
    run.call(redis, scriptKeys.length, ...scriptKeys, ...args),
  );
  const parsed = scripts[name].reply.safeParse(said);
  if (!parsed.success) throw new Error(`the script ${name} has replied ${JSON.stringify(said)}`);
  return parsed.data as Reply<S>;
}
