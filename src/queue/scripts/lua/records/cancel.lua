-- Cancels a job: ends it at once if it was never begun, otherwise records the cancel request.
--
-- KEYS job, run, open, line, charges, charged, names of resources, lists
-- ARGV now (RFC 3339), seconds to keep the job, channel, id, sealed cancel request
-- RETURNS absent | final | queued (it is cancelled now) | running (the caller notifies its worker)
-- @include "include/end-as.lua"
if redis.call('EXISTS', job) == 0 then return 'absent' end
local state = redis.call('HGET', run, 'state')
if isOver(state) or redis.call('HEXISTS', job, 'abandonedAt') == 1 then return 'final' end
if state then
  redis.call('HSET', job, 'cancel', ARGV[5])
  return 'running'
end
if redis.call('HEXISTS', job, 'expiredAt') == 1 then return 'final' end
return endAs('cancelledAt') and 'queued' or 'final'
