-- Tells the apis that a name is free: its resource is not on the host, and no unfinished job may
-- create it.
local function tellIfFree(held, line, resource, channel, message)
  if redis.call('SISMEMBER', held, resource) == 0 and redis.call('ZCARD', line) == 0 then
    redis.call('PUBLISH', channel, message)
  end
end
