-- Ends a job on behalf of its host, in a field that names the reason; false if that was done
-- before. Deletes the request itself and its charge.
--
-- KEYS job, run, charges, charged, names of resources, lists …: of every script that includes this
-- ARGV now (RFC 3339), seconds to keep the job, channel, id
-- @include "include/is-over.lua"
-- @include "include/lists.lua"
-- @include "include/charges.lua"
local job, run, id = KEYS[1], KEYS[2], ARGV[4]
local function endAs(field)
  if redis.call('HSETNX', job, field, ARGV[1]) == 0 then return false end
  release(KEYS[3], KEYS[4], id)
  redis.call('HDEL', job, 'sealed')
  redis.call('EXPIRE', job, ARGV[2])
  enlistEnded({job = job, names = KEYS[5], lists = {unpack(KEYS, 6)}}, id, ARGV[2])
  redis.call('PUBLISH', ARGV[3], id)
  return true
end
