-- Begins a job if it is its turn. The begin counts as a crash until the job ends or is handed back.
--
-- KEYS job, run, line
-- ARGV id, now (RFC 3339), seconds to keep `run` if the worker never ends the job
-- RETURNS [verdict, more]: over (there is no job, or it has ended) | behind (the id that is first in line) |
--   begun (the job, the run)
-- @include "include/is-over.lua"
local job, run, line = unpack(KEYS)
local id, now, seconds = unpack(ARGV)
local state = redis.call('HGET', run, 'state')
local function has(field) return redis.call('HEXISTS', job, field) == 1 end
if redis.call('EXISTS', job) == 0 or isOver(state) or has('abandonedAt') then return {'over'} end
if not state and (has('cancelledAt') or has('expiredAt')) then return {'over'} end
local first = redis.call('ZRANGE', line, 0, 0)[1]
if first and first ~= id then return {'behind', first} end
redis.call('HSET', run, 'state', 'running')
redis.call('HSETNX', run, 'startedAt', now)
redis.call('HINCRBY', run, 'attempts', 1)
redis.call('HINCRBY', run, 'crashes', 1)
redis.call('EXPIRE', run, seconds)
return {'begun', redis.call('HGETALL', job), redis.call('HGETALL', run)}
