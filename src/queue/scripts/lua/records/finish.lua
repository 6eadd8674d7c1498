-- Ends a job: sets its final state, removes it from the queue, updates the host's resources,
-- notifies all readers. Deletes the request itself. Ending the job again changes nothing.
--
-- KEYS job, run, open, line, held, charges, charged, names of resources, lists
-- ARGV id, resource, present (1: the resource is on the host, 0: it is not), seconds to keep the
--      job, channel, channel of the host's heartbeats, message for it when the name is free, then
--      field, value, … of the outcome
-- RETURNS the id that is now first in line, or nil
-- @include "include/is-over.lua"
-- @include "include/lists.lua"
-- @include "include/charges.lua"
-- @include "include/tell-if-free.lua"
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
-- Also while other jobs wait: an api may cancel them, and then nobody else would remove the name.
redis.call(ARGV[3] == '1' and 'SADD' or 'SREM', held, resource)
tellIfFree(held, line, resource, ARGV[6], ARGV[7])
redis.call('PUBLISH', ARGV[5], id)
return redis.call('ZRANGE', line, 0, 0)[1]
