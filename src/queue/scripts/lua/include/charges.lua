-- The unfinished jobs and bytes of each tenant on a host. Recording a job charges its id; ending
-- the job or removing the id from the queue releases the charge. A second release changes nothing.
-- The totals change only together with the charges, so that they cannot drift from them.
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
