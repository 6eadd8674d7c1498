import type { Redis } from 'ioredis';
import { effect } from '../../lib/effect.ts';
import { acceptAtOnce, adoptName, claimName, freeId, recordJob, reserveId, strikeName } from './accept.ts';
import { announce } from './announce.ts';
import {
  abandon,
  begin,
  cancel,
  drop,
  expire,
  finish,
  forget,
  forgetId,
  handBack,
  readJobs,
  take,
} from './run.ts';

/** What must happen in Redis at once or not at all: the text of each script, and how many keys it is given (null: any). */
const scripts = {
  acceptAtOnce: { lua: acceptAtOnce, keys: 16 },
  claimName: { lua: claimName, keys: 4 },
  adoptName: { lua: adoptName, keys: 3 },
  strikeName: { lua: strikeName, keys: 3 },
  reserveId: { lua: reserveId, keys: 1 },
  freeId: { lua: freeId, keys: 1 },
  recordJob: { lua: recordJob, keys: 11 },
  readJobs: { lua: readJobs, keys: null },
  take: { lua: take, keys: 2 },
  begin: { lua: begin, keys: 3 },
  handBack: { lua: handBack, keys: 1 },
  finish: { lua: finish, keys: 12 },
  forget: { lua: forget, keys: 2 },
  forgetId: { lua: forgetId, keys: 4 },
  drop: { lua: drop, keys: 4 },
  cancel: { lua: cancel, keys: 9 },
  expire: { lua: expire, keys: 9 },
  abandon: { lua: abandon, keys: 9 },
  announce: { lua: announce, keys: 2 },
} as const;

export type Script = keyof typeof scripts;

/**
 * Makes the scripts known to a connection; to be done before anything else. A batch of commands that ioredis gathers knows
 * the scripts that were there when it was begun, and loses its count over one that was not (redis/ioredis#1931).
 */
export function defineScripts(redis: Redis): void {
  for (const [name, { lua, keys }] of Object.entries(scripts)) {
    redis.defineCommand(`geard:${name}`, keys === null ? { lua } : { lua, numberOfKeys: keys });
  }
}

/** Runs a script by its hash; Redis is given its text once. */
export function runScript(
  redis: Redis,
  name: Script,
  scriptKeys: string[],
  args: (string | number)[],
): Promise<unknown> {
  const commands = redis as unknown as Record<string, (...all: (string | number)[]) => Promise<unknown>>;
  const run = commands[`geard:${name}`];
  if (!run) throw new Error('the connection does not know the scripts');
  const count = scripts[name].keys === null ? [scriptKeys.length] : [];
  return effect(`redis.${name}`, () => run.call(redis, ...count, ...scriptKeys, ...args));
}
