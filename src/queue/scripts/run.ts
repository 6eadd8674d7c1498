import { charges } from './charges.ts';
import { enlist } from './lists.ts';

/**
 * What a worker does to the records of its jobs, and an api to those of which it is asked the end. Every script touches keys
 * of one host only.
 */

/** Whether what a worker has said of a job is its end. */
const isOver = `
local function isOver(state) return state and state ~= 'queued' and state ~= 'running' end
`;

/**
 * Ends a job for its host, in a field that says how; false where that was done before. The request itself goes, and what was
 * charged for it. KEYS job, run, charges, charged, names of resources, lists.
 */
const endAs = `${enlist}${charges}
local job, run = KEYS[1], KEYS[2]
local function endAs(field, now, seconds, channel, id)
  if redis.call('HSETNX', job, field, now) == 0 then return false end
  release(KEYS[3], KEYS[4], id)
  redis.call('HDEL', job, 'sealed')
  redis.call('EXPIRE', job, seconds)
  enlistEnded({job = job, names = KEYS[5], lists = {unpack(KEYS, 6)}}, id, seconds)
  redis.call('PUBLISH', channel, id)
  return true
end
`;

/**
 * Reads jobs of a host; asked for one by one they cost the reader three times as much.
 *
 * KEYS job, run, job, run, …
 * ARGV fields of a job
 * Returns the values of these fields, what the worker has said (field, value, …), the values of these fields, …
 */
export const readJobs = `
local read = {}
for i = 1, #KEYS, 2 do
  read[i] = redis.call('HMGET', KEYS[i], unpack(ARGV))
  read[i + 1] = redis.call('HGETALL', KEYS[i + 1])
end
return read
`;

/**
 * Takes a job that has just come to its host: from now on it cannot be too late any more.
 *
 * KEYS job, run
 * Returns absent | final | expired (it has waited for longer than it was to) | taken
 */
export const take = `${isOver}
local job, run = KEYS[1], KEYS[2]
local before = redis.call('HMGET', job, 'expiresAt', 'cancelledAt', 'expiredAt', 'abandonedAt')
if redis.call('EXISTS', job) == 0 then return 'absent' end
local state = redis.call('HGET', run, 'state')
if isOver(state) then return 'final' end
if before[4] then return 'final' end
if state or redis.call('HEXISTS', run, 'takenAt') == 1 then return 'taken' end
if before[2] then return 'final' end
if before[3] then return 'expired' end
local time = redis.call('TIME')
if before[1] and time[1] * 1000 > tonumber(before[1]) then return 'expired' end
redis.call('HSET', run, 'takenAt', time[1])
return 'taken'
`;

/**
 * Ends a job whose host is never to come back. A worker that does come back does not begin it again.
 *
 * KEYS job, run, charges, charged, names of resources, lists
 * ARGV now (RFC 3339), seconds to keep the job, channel, id
 * Returns 1 when it is over by that
 */
export const abandon = `${isOver}${endAs}
local state = redis.call('HGET', run, 'state')
if redis.call('EXISTS', job) == 0 or isOver(state) then return 0 end
if redis.call('HEXISTS', job, 'cancelledAt') == 1 or redis.call('HEXISTS', job, 'expiredAt') == 1 then return 0 end
return endAs('abandonedAt', ARGV[1], ARGV[2], ARGV[3], ARGV[4]) and 1 or 0
`;

/**
 * Ends a job that no worker has taken in time.
 *
 * KEYS job, run, charges, charged, names of resources, lists
 * ARGV now (RFC 3339), seconds to keep the job, channel, id
 * Returns 1 when it is over by that, 0 when a worker has it or it is not yet time
 */
export const expire = `${endAs}
local expires = redis.call('HGET', job, 'expiresAt')
if not expires or redis.call('HEXISTS', job, 'cancelledAt') == 1 then return 0 end
if redis.call('HEXISTS', run, 'state') == 1 or redis.call('HEXISTS', run, 'takenAt') == 1 then return 0 end
if redis.call('TIME')[1] * 1000 <= tonumber(expires) then return 0 end
endAs('expiredAt', ARGV[1], ARGV[2], ARGV[3], ARGV[4])
return 1
`;

/**
 * Begins a job if it is its turn. It counts as one that has taken its worker down until it is over or handed back.
 *
 * KEYS job, run, line
 * ARGV id, now (RFC 3339)
 * Returns [verdict, more]: absent | final | behind (the id that is first in line) | begun (the job, the run)
 */
export const begin = `${isOver}
local job, run, line = unpack(KEYS)
local id, now = ARGV[1], ARGV[2]
if redis.call('EXISTS', job) == 0 then return {'absent'} end
local state = redis.call('HGET', run, 'state')
if isOver(state) then return {'final'} end
if redis.call('HEXISTS', job, 'abandonedAt') == 1 then return {'final'} end
if not state and (redis.call('HEXISTS', job, 'cancelledAt') == 1 or redis.call('HEXISTS', job, 'expiredAt') == 1) then
  return {'final'}
end
local first = redis.call('ZRANGE', line, 0, 0)[1]
if first and first ~= id then return {'behind', first} end
redis.call('HSET', run, 'state', 'running')
redis.call('HSETNX', run, 'startedAt', now)
redis.call('HINCRBY', run, 'attempts', 1)
redis.call('HINCRBY', run, 'crashes', 1)
return {'begun', redis.call('HGETALL', job), redis.call('HGETALL', run)}
`;

/**
 * Puts a job that runs back into its queue; that it was begun counts as no crash. One that is over stays so.
 *
 * KEYS run
 */
export const handBack = `
if redis.call('HGET', KEYS[1], 'state') ~= 'running' then return 0 end
redis.call('HSET', KEYS[1], 'state', 'queued')
return redis.call('HINCRBY', KEYS[1], 'crashes', -1)
`;

/**
 * Ends a job: final state, out of the queue, what the host holds brought up to date, everybody told. Ending it again
 * changes nothing. The request itself goes.
 *
 * KEYS job, run, open, line, held, charges, charged, names of resources, lists
 * ARGV id, resource, present (1: the resource is on the host, 0: it is not), seconds to keep the job, channel, channel of
 *      the host's signs of life, what to say there when the name is free, then field, value, … of the outcome
 * Returns the id that is first in line now, or nil
 */
export const finish = `${isOver}${enlist}${charges}
local job, run, open, line, held, charges, charged = unpack(KEYS)
local id, resource = ARGV[1], ARGV[2]
local state = redis.call('HGET', run, 'state')
if not isOver(state) and redis.call('EXISTS', job) == 1 then
  redis.call('HSET', run, unpack(ARGV, 8))
  redis.call('HDEL', job, 'sealed', 'cancel')
  redis.call('EXPIRE', job, ARGV[4])
  redis.call('EXPIRE', run, ARGV[4])
  enlistEnded({job = job, names = KEYS[8], lists = {unpack(KEYS, 9)}}, id, ARGV[4])
end
redis.call('ZREM', open, id)
redis.call('ZREM', line, id)
release(charges, charged, id)
local first = redis.call('ZRANGE', line, 0, 0)[1]
if ARGV[3] == '1' then
  redis.call('SADD', held, resource)
elseif not first then
  redis.call('SREM', held, resource)
  redis.call('PUBLISH', ARGV[6], ARGV[7])
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
export const forget = `
if redis.call('ZCARD', KEYS[2]) == 0 then
  return redis.call('SREM', KEYS[1], ARGV[1])
end
return 0
`;

/**
 * Takes an id out of a host's queue that has no record; one that was recorded meanwhile stays.
 *
 * KEYS job, open, charges, charged
 * ARGV id
 */
export const forgetId = `${charges}
if redis.call('EXISTS', KEYS[1]) == 1 then return end
redis.call('ZREM', KEYS[2], ARGV[1])
release(KEYS[3], KEYS[4], ARGV[1])
`;

/**
 * Takes an id out of a host's queue whose job is over, or that has no record.
 *
 * KEYS open, line, charges, charged
 * ARGV id
 */
export const drop = `${charges}
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
release(KEYS[3], KEYS[4], ARGV[1])
`;

/**
 * Asks for the end of a job. One that was never begun is over with it.
 *
 * KEYS job, run, charges, charged, names of resources, lists
 * ARGV now (RFC 3339), the request to cancel as it is sealed, seconds to keep the job, channel, id
 * Returns absent | final | queued (it is cancelled now) | running (its worker is to be told)
 */
export const cancel = `${isOver}${endAs}
if redis.call('EXISTS', job) == 0 then return 'absent' end
local state = redis.call('HGET', run, 'state')
if isOver(state) or redis.call('HEXISTS', job, 'abandonedAt') == 1 then return 'final' end
if state then
  redis.call('HSET', job, 'cancel', ARGV[2])
  return 'running'
end
if redis.call('HEXISTS', job, 'expiredAt') == 1 then return 'final' end
return endAs('cancelledAt', ARGV[1], ARGV[3], ARGV[4], ARGV[5]) and 'queued' or 'final'
`;
