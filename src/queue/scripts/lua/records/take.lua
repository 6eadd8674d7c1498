-- Takes a job that has just arrived at its host: from now on it cannot expire.
--
-- KEYS job, run
-- ARGV seconds to keep `run` if the worker never ends the job
-- RETURNS over (there is no job, or it has ended) | expired (it waited too long) | taken
-- @include "include/is-over.lua"
local job, run = KEYS[1], KEYS[2]
local before = redis.call('HMGET', job, 'expiresAt', 'cancelledAt', 'expiredAt', 'abandonedAt')
local state = redis.call('HGET', run, 'state')
if redis.call('EXISTS', job) == 0 or isOver(state) or before[4] then return 'over' end
if state or redis.call('HEXISTS', run, 'takenAt') == 1 then
  redis.call('EXPIRE', run, ARGV[1])
  return 'taken'
end
if before[2] then return 'over' end
if before[3] then return 'expired' end
local time = redis.call('TIME')
if before[1] and time[1] * 1000 > tonumber(before[1]) then return 'expired' end
redis.call('HSET', run, 'takenAt', time[1])
redis.call('EXPIRE', run, ARGV[1])
return 'taken'
