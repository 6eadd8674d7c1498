import type { Redis } from 'ioredis';

/**
 * What must happen in Redis at once or not at all. Each script names its keys, arguments and results; all times
 * it is given are milliseconds since the epoch or RFC 3339 texts made by the caller.
 */

/**
 * Accepts a request, or says what stands against it, and records it under its id.
 *
 * KEYS record, jobs, sequence, holders, open, line
 * ARGV id, host, resource, deadline (ms: later than this the caller has given up), needs (place | absence | presence),
 *      most open jobs of the host, most open jobs in the line, then field, value, … of the record
 * Returns [verdict, more]:
 *   accepted
 *   known      the fields of the record as HGETALL gives them
 *   late       the caller no longer waits; nothing was changed
 *   elsewhere  the host that holds the resource
 *   missing    no host holds the resource
 *   exists     some host holds the resource already (needs = absence) and no unfinished job may change that
 *   full       host | line
 */
const accept = `
local record, jobs, sequence, holders, open, line = unpack(KEYS)
local id, host, resource, deadline, needs = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
if redis.call('EXISTS', record) == 1 then
  return {'known', redis.call('HGETALL', record)}
end
local time = redis.call('TIME')
if time[1] * 1000 + time[2] / 1000 > deadline then
  return {'late'}
end
local holder = redis.call('HGET', holders, resource)
if holder and needs == 'absence' and redis.call('ZCARD', line) == 0 then
  return {'exists'}
end
if holder and holder ~= host then
  return {'elsewhere', holder}
end
if not holder and needs == 'presence' then
  return {'missing'}
end
if redis.call('ZCARD', open) >= tonumber(ARGV[6]) then
  return {'full', 'host'}
end
if redis.call('ZCARD', line) >= tonumber(ARGV[7]) then
  return {'full', 'line'}
end
if not holder then
  redis.call('HSET', holders, resource, host)
end
local order = redis.call('INCR', sequence)
redis.call('HSET', record, 'id', id, unpack(ARGV, 8))
redis.call('ZADD', jobs, order, id)
redis.call('ZADD', open, order, id)
redis.call('ZADD', line, order, id)
return {'accepted'}
`;

/**
 * Begins a job if it is its turn.
 *
 * KEYS record, line
 * ARGV id, now (RFC 3339)
 * Returns [verdict, more]: absent | final | behind (the id that is first in line) | begun (the record)
 */
const begin = `
local record, line = unpack(KEYS)
local id, now = ARGV[1], ARGV[2]
local state = redis.call('HGET', record, 'state')
if not state then return {'absent'} end
if state ~= 'queued' and state ~= 'running' then return {'final'} end
local first = redis.call('ZRANGE', line, 0, 0)[1]
if first and first ~= id then return {'behind', first} end
redis.call('HSET', record, 'state', 'running')
redis.call('HSETNX', record, 'startedAt', now)
redis.call('HINCRBY', record, 'attempts', 1)
return {'begun', redis.call('HGETALL', record)}
`;

/**
 * Ends a job: final state, out of the queue, the directory brought up to date, everybody told. Ending it again
 * changes nothing. Its parameters go, because they may hold environment values.
 *
 * KEYS record, open, line, holders
 * ARGV id, host, resource, present (1: the resource is on the host, 0: it is not, empty: not known),
 *      seconds to keep the record, channel, then field, value, … of the outcome
 * Returns the id that is first in line now, or nil
 */
const finish = `
local record, open, line, holders = unpack(KEYS)
local id, host, resource, present = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local state = redis.call('HGET', record, 'state')
if state == 'queued' or state == 'running' then
  redis.call('HSET', record, unpack(ARGV, 7))
  redis.call('HDEL', record, 'params', 'cancel')
  redis.call('EXPIRE', record, ARGV[5])
end
redis.call('ZREM', open, id)
redis.call('ZREM', line, id)
local first = redis.call('ZRANGE', line, 0, 0)[1]
if present == '1' then
  redis.call('HSET', holders, resource, host)
elseif present == '0' and not first and redis.call('HGET', holders, resource) == host then
  redis.call('HDEL', holders, resource)
end
redis.call('PUBLISH', ARGV[6], id)
return first
`;

/**
 * Takes back that a resource is on a host, unless unfinished jobs are about to make it so.
 *
 * KEYS holders, line
 * ARGV resource, host
 */
const forget = `
if redis.call('ZCARD', KEYS[2]) == 0 and redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
  return redis.call('HDEL', KEYS[1], ARGV[1])
end
return 0
`;

/**
 * Asks for the end of a job.
 *
 * KEYS record
 * Returns absent | final | queued (the caller may finish it) | running (its worker will see the mark)
 */
const cancel = `
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return 'absent' end
if state ~= 'queued' and state ~= 'running' then return 'final' end
redis.call('HSET', KEYS[1], 'cancel', '1')
return state
`;

const scripts = { accept, begin, finish, forget, cancel };
const keyCounts: Record<keyof typeof scripts, number> = {
  accept: 6,
  begin: 2,
  finish: 4,
  forget: 2,
  cancel: 1,
};

export type Script = keyof typeof scripts;

/** Runs a script by its hash; Redis is given its text once. */
export function runScript(
  redis: Redis,
  name: Script,
  scriptKeys: string[],
  args: (string | number)[],
): Promise<unknown> {
  const command = `geard:${name}`;
  if (!(command in redis)) {
    redis.defineCommand(command, { lua: scripts[name], numberOfKeys: keyCounts[name] });
  }
  const commands = redis as unknown as Record<string, (...all: (string | number)[]) => Promise<unknown>>;
  const run = commands[command];
  if (!run) throw new Error(`the script ${name} was not defined`);
  return run.call(redis, ...scriptKeys, ...args);
}
