-- Ends a job that no worker took in time.
--
-- KEYS job, run, open, line, charges, charged, names of resources, lists
-- ARGV now (RFC 3339), seconds to keep the job, channel, id
-- RETURNS 1 if this ended the job, 0 if a worker has it or its time is not up yet
-- @include "include/end-as.lua"
local expires = redis.call('HGET', job, 'expiresAt')
if not expires or redis.call('HEXISTS', job, 'cancelledAt') == 1 then return 0 end
if redis.call('HEXISTS', run, 'state') == 1 or redis.call('HEXISTS', run, 'takenAt') == 1 then return 0 end
if redis.call('TIME')[1] * 1000 <= tonumber(expires) then return 0 end
endAs('expiredAt')
return 1
