-- Lists of a host's job ids in order of acceptance. Accepting a job adds it, and ending it adds it
-- again, so that a list lives as long as any job in it. Each addition removes the two oldest ids if
-- their records have expired, and two names without jobs: neither outgrows the records.
--
-- A script that includes this passes `k`: job, names (of resources with jobs), lists (the first is
-- the resource's; for an ended job the last is its state's).
local function add(key, score, member, seconds)
  redis.call('ZADD', key, score, member)
  -- One hour extra: otherwise every job would set it again.
  if redis.call('TTL', key) < tonumber(seconds) then redis.call('EXPIRE', key, seconds + 3600) end
end

local function prune(key, members, prefix)
  for _, member in ipairs(members) do
    if redis.call('EXISTS', prefix .. member) == 0 then redis.call('ZREM', key, member) end
  end
end

local function pruneList(k, list, id)
  prune(list, redis.call('ZRANGE', list, 0, 1), string.sub(k.job, 1, -#id - 1))
end

local function addToLists(k, id, resource, order, seconds)
  for _, list in ipairs(k.lists) do add(list, order, id, seconds) end
  add(k.names, 0, resource, seconds)
end

local function enlist(k, id, resource, order, seconds)
  for _, list in ipairs(k.lists) do pruneList(k, list, id) end
  prune(k.names, redis.call('ZRANDMEMBER', k.names, 2), string.sub(k.lists[1], 1, -#resource - 1))
  addToLists(k, id, resource, order, seconds)
end

local function enlistEnded(k, id, seconds)
  local order, resource = unpack(redis.call('HMGET', k.job, 'order', 'resource'))
  if not order or not resource then return end
  pruneList(k, k.lists[#k.lists], id)
  addToLists(k, id, resource, order, seconds)
end
