import type { Redis } from 'ioredis';

/**
 * What must happen in Redis at once or not at all. Each script names its keys, arguments and results; all times
 * it is given are milliseconds since the epoch or RFC 3339 texts made by the caller.
 */

/**
 * Accepts a request, or says what stands against it, and records it under its id.
 *
 * KEYS id, job, jobs, sequence, holders, open, line, held
 * ARGV id, host, resource, deadline (ms: later than this the caller has given up), needs (place | absence | presence | host),
 *      most open jobs of the host, most open jobs in the line, seconds to keep the id, then field, value, … of the job
 * Returns [verdict, more]:
 *   accepted
 *   known      the host of the job that the id became
 *   late       the caller no longer waits; nothing was changed
 *   elsewhere  the host that should have the resource
 *   missing    no host holds the resource
 *   exists     this host holds the resource already (needs = absence) and no unfinished job may change that
 *   full       host | line
 */
const accept = `
local ledger, job, jobs, sequence, holders, open, line, held = unpack(KEYS)
local id, host, resource, deadline, needs = ARGV[1], ARGV[2], ARGV[3], tonumber(ARGV[4]), ARGV[5]
local at = redis.call('GET', ledger)
if at and (at ~= host or redis.call('EXISTS', job) == 1) then
  return {'known', at}
end
local time = redis.call('TIME')
if time[1] * 1000 + time[2] / 1000 > deadline then
  return {'late'}
end
local holder = redis.call('HGET', holders, resource)
if holder and holder ~= host then
  return {'elsewhere', holder}
end
local waiting = redis.call('ZCARD', line)
local there = redis.call('SISMEMBER', held, resource) == 1
if there and waiting == 0 and needs == 'absence' then
  return {'exists'}
end
if not there and waiting == 0 and needs == 'presence' then
  return {'missing'}
end
if redis.call('ZCARD', open) >= tonumber(ARGV[6]) then
  return {'full', 'host'}
end
if waiting >= tonumber(ARGV[7]) then
  return {'full', 'line'}
end
if not holder and needs ~= 'host' then
  redis.call('HSET', holders, resource, host)
end
local order = redis.call('INCR', sequence)
redis.call('SET', ledger, host, 'EX', ARGV[8])
redis.call('HSET', job, 'id', id, unpack(ARGV, 9))
redis.call('ZADD', jobs, order, id)
redis.call('ZADD', open, order, id)
redis.call('ZADD', line, order, id)
return {'accepted'}
`;

/**
 * Begins a job if it is its turn.
 *
 * KEYS job, run, line
 * ARGV id, now (RFC 3339)
 * Returns [verdict, more]: absent | final | behind (the id that is first in line) | begun (the job, the run)
 */
const begin = `
local job, run, line = unpack(KEYS)
local id, now = ARGV[1], ARGV[2]
if redis.call('EXISTS', job) == 0 then return {'absent'} end
local state = redis.call('HGET', run, 'state')
if state and state ~= 'queued' and state ~= 'running' then return {'final'} end
if not state and redis.call('HEXISTS', job, 'cancelledAt') == 1 then return {'final'} end
local first = redis.call('ZRANGE', line, 0, 0)[1]
if first and first ~= id then return {'behind', first} end
redis.call('HSET', run, 'state', 'running')
redis.call('HSETNX', run, 'startedAt', now)
redis.call('HINCRBY', run, 'attempts', 1)
return {'begun', redis.call('HGETALL', job), redis.call('HGETALL', run)}
`;

/**
 * Ends a job: final state, out of the queue, what the host holds brought up to date, everybody told. Ending it again
 * changes nothing. The request itself goes.
 *
 * KEYS job, run, open, line, held
 * ARGV id, resource, present (1: the resource is on the host, 0: it is not), seconds to keep the job, channel, then
 *      field, value, … of the outcome
 * Returns the id that is first in line now, or nil
 */
const finish = `
local job, run, open, line, held = unpack(KEYS)
local id, resource = ARGV[1], ARGV[2]
local state = redis.call('HGET', run, 'state')
local over = state and state ~= 'queued' and state ~= 'running'
if not over and redis.call('EXISTS', job) == 1 then
  redis.call('HSET', run, unpack(ARGV, 6))
  redis.call('HDEL', job, 'sealed', 'cancel')
  redis.call('EXPIRE', job, ARGV[4])
  redis.call('EXPIRE', run, ARGV[4])
end
redis.call('ZREM', open, id)
redis.call('ZREM', line, id)
local first = redis.call('ZRANGE', line, 0, 0)[1]
if ARGV[3] == '1' then
  redis.call('SADD', held, resource)
elseif not first then
  redis.call('SREM', held, resource)
end
redis.call('PUBLISH', ARGV[5], id)
return first
`;

/**
 * Takes back that a resource is on a host, unless unfinished jobs are about to make it so.
 *
 * KEYS held, line
 * ARGV resource
 */
const forget = `
if redis.call('ZCARD', KEYS[2]) == 0 then
  return redis.call('SREM', KEYS[1], ARGV[1])
end
return 0
`;

/**
 * Takes a resource out of the directory where the host it names neither holds it nor has been asked to.
 *
 * KEYS holders, held, line
 * ARGV resource, host
 * Returns 1 when nobody holds the resource now, 0 when the host does
 */
const release = `
if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 1 end
if redis.call('SISMEMBER', KEYS[2], ARGV[1]) == 1 or redis.call('ZCARD', KEYS[3]) > 0 then return 0 end
redis.call('HDEL', KEYS[1], ARGV[1])
return 1
`;

/**
 * Asks for the end of a job. One that was never begun is over with it.
 *
 * KEYS job, run
 * ARGV now (RFC 3339), the request to cancel as it is sealed, seconds to keep the job, channel, id
 * Returns absent | final | queued (it is cancelled now) | running (its worker is to be told)
 */
const cancel = `
if redis.call('EXISTS', KEYS[1]) == 0 then return 'absent' end
local state = redis.call('HGET', KEYS[2], 'state')
if state and state ~= 'queued' and state ~= 'running' then return 'final' end
if state then
  redis.call('HSET', KEYS[1], 'cancel', ARGV[2])
  return 'running'
end
if redis.call('HSETNX', KEYS[1], 'cancelledAt', ARGV[1]) == 0 then return 'final' end
redis.call('HDEL', KEYS[1], 'sealed')
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('PUBLISH', ARGV[4], ARGV[5])
return 'queued'
`;

const scripts = { accept, begin, finish, forget, release, cancel };
const keyCounts: Record<keyof typeof scripts, number> = {
  accept: 8,
  begin: 3,
  finish: 5,
  forget: 2,
  release: 3,
  cancel: 2,
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
