-- Ends a job on behalf of its host, in a field that says how; false if that was done before. The request itself goes, and
-- so does its charge.
--
-- KEYS job, run, charges, charged, names of resources, lists …: of every script that includes this
-- @include "include/lists.lua"
-- @include "include/charges.lua"
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
