-- Ends a job that no worker has taken in time.
--
-- KEYS job, run, charges, charged, names of resources, lists
-- ARGV now (RFC 3339), seconds to keep the job, channel, id
-- RETURNS 1 when it is over by that, 0 when a worker has it or it is not yet time
-- @include "include/end-as.lua"
local expires = redis.call('HGET', job, 'expiresAt')
if not expires or redis.call('HEXISTS', job, 'cancelledAt') == 1 then return 0 end
if redis.call('HEXISTS', run, 'state') == 1 or redis.call('HEXISTS', run, 'takenAt') == 1 then return 0 end
if redis.call('TIME')[1] * 1000 <= tonumber(expires) then return 0 end
endAs('expiredAt')
return 1
