-- Asks for the end of a job. One that was never begun is over with it.
--
-- KEYS job, run, charges, charged, names of resources, lists
-- ARGV now (RFC 3339), the request to cancel as it is sealed, seconds to keep the job, channel, id
-- RETURNS absent | final | queued (it is cancelled now) | running (its worker is to be told)
-- @include "include/is-over.lua"
-- @include "include/end-as.lua"
if redis.call('EXISTS', job) == 0 then return 'absent' end
local state = redis.call('HGET', run, 'state')
if isOver(state) or redis.call('HEXISTS', job, 'abandonedAt') == 1 then return 'final' end
if state then
  redis.call('HSET', job, 'cancel', ARGV[2])
  return 'running'
end
if redis.call('HEXISTS', job, 'expiredAt') == 1 then return 'final' end
return endAs('cancelledAt', ARGV[1], ARGV[3], ARGV[4], ARGV[5]) and 'queued' or 'final'
