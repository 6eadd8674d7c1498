-- What each tenant has queued on a host. An id is charged when its job is recorded, and the charge goes with whatever ends
-- the job or removes the id from the queue; a second time changes nothing. The sums change with the charges and in no
-- other way, so that they cannot drift from them.
local function charge(charged, tenant, jobs, bytes)
  for field, by in pairs({['jobs:' .. tenant] = jobs, ['bytes:' .. tenant] = bytes, bytes = bytes}) do
    local left = redis.call('HINCRBY', charged, field, string.format('%d', by))
    if left <= 0 then redis.call('HDEL', charged, field) end
  end
end

local function release(charges, charged, id)
  local bytes, tenant = string.match(redis.call('HGET', charges, id) or '', '^(%d+) (.*)$')
  if not bytes then return end
  redis.call('HDEL', charges, id)
  charge(charged, tenant, -1, -tonumber(bytes))
end
