-- Ends a job on behalf of its host, in a field that names the reason; false if that was done
-- before. Removes it from the host's queue, and deletes the request itself and its charge.
--
-- KEYS job, run, open, line, charges, charged, names of resources, lists …: of every script that includes this
-- ARGV now (RFC 3339), seconds to keep the job, channel, id
-- @include "include/is-over.lua"
-- @include "include/lists.lua"
-- @include "include/charges.lua"
local job, run, id = KEYS[1], KEYS[2], ARGV[4]
local function endAs(field)
  if redis.call('HEXISTS', job, field) == 1 then return false end
  -- One that has begun keeps its place: the worker of a host that was removed may come back, and undo
  -- it. With older permissions this fails, and the worker does it later.
  if not redis.call('HGET', run, 'state') then
    redis.pcall('ZREM', KEYS[3], id)
    redis.pcall('ZREM', KEYS[4], id)
  end
  redis.call('HSET', job, field, ARGV[1])
  release(KEYS[5], KEYS[6], id)
  redis.call('HDEL', job, 'sealed')
  redis.call('EXPIRE', job, ARGV[2])
  enlistEnded({job = job, names = KEYS[7], lists = {unpack(KEYS, 8)}}, id, ARGV[2])
  redis.call('PUBLISH', ARGV[3], id)
  return true
end
