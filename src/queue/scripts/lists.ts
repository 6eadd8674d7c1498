/**
 * The lists in which a job is found: ids of a host's jobs by the order of their acceptance. A job is entered when it is accepted,
 * and again when it has ended, so that a list lives as long as any job in it. With each that comes its two oldest go where their
 * records have expired, and two of the names where nothing of their jobs is left: neither outgrows the records.
 *
 * A script that has this gives `k`: job, names (of resources on which there are jobs), lists (the first is the resource's).
 */
export const enlist = `
local function keep(key, seconds)
  if redis.call('TTL', key) < tonumber(seconds) then redis.call('EXPIRE', key, seconds) end
end

local function prune(key, names, prefix)
  for _, name in ipairs(names) do
    if redis.call('EXISTS', prefix .. name) == 0 then redis.call('ZREM', key, name) end
  end
end

local function enlist(k, id, resource, order, seconds)
  for _, list in ipairs(k.lists) do
    prune(list, redis.call('ZRANGE', list, 0, 1), string.sub(k.job, 1, -#id - 1))
    redis.call('ZADD', list, order, id)
    keep(list, seconds)
  end
  prune(k.names, redis.call('ZRANDMEMBER', k.names, 2), string.sub(k.lists[1], 1, -#resource - 1))
  redis.call('ZADD', k.names, 0, resource)
  keep(k.names, seconds)
end

local function enlistEnded(k, id, seconds)
  local order, resource = unpack(redis.call('HMGET', k.job, 'order', 'resource'))
  if order and resource then enlist(k, id, resource, order, seconds) end
end
`;
