-- The directory: which host has a name. An entry is JSON: `host`; `at` and `attempt`: time (ms) and
-- call of accept (a UUID) of the last request to create the name there; `memory` (MiB) and `ports`:
-- its demand. An entry is deleted only if it is unchanged since it was read and no request in
-- flight could rely on it. `spread` totals the entries of each host; `names` has their names in
-- order. Both change together with the entries, so that simultaneous requests for new names see
-- each other. An entry leaves the totals by its own `memory`, whichever version of geard made it.
--
-- `directory(first)` names the keys from KEYS[first] on: holders, names, spread, epoch (if given).
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function count(spread, kind, entry, sign)
  redis.call('HINCRBY', spread, kind .. ':' .. entry.host, sign)
  redis.call('HINCRBY', spread, 'memory:' .. entry.host, string.format('%d', sign * entry.memory))
  for _, port in ipairs(entry.ports) do
    local field = 'port:' .. entry.host .. ':' .. port
    if sign > 0 then redis.call('HSET', spread, field, 1) else redis.call('HDEL', spread, field) end
  end
end

local function putEntry(d, kind, resource, entry)
  local text = cjson.encode(entry)
  count(d.spread, kind, entry, 1)
  redis.call('HSET', d.holders, resource, text)
  redis.call('ZADD', d.names, 0, resource)
  return text
end

local function deleteEntry(d, kind, resource, text)
  if redis.call('HGET', d.holders, resource) ~= text then return false end
  count(d.spread, kind, cjson.decode(text), -1)
  redis.call('HDEL', d.holders, resource)
  redis.call('ZREM', d.names, resource)
  return true
end

local function directory(first)
  return {holders = KEYS[first], names = KEYS[first + 1], spread = KEYS[first + 2], epoch = KEYS[first + 3]}
end
