-- Ends a job whose host will not come back. If its worker does, it does not begin the job again.
--
-- KEYS job, run, open, line, charges, charged, names of resources, lists
-- ARGV now (RFC 3339), seconds to keep the job, channel, id
-- RETURNS 1 if this ended the job, otherwise 0
-- @include "include/end-as.lua"
local state = redis.call('HGET', run, 'state')
if redis.call('EXISTS', job) == 0 or isOver(state) then return 0 end
if redis.call('HEXISTS', job, 'cancelledAt') == 1 or redis.call('HEXISTS', job, 'expiredAt') == 1 then return 0 end
return endAs('abandonedAt') and 1 or 0
