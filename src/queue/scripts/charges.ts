/**
 * What each tenant has queued on a host. An id is charged when its job is recorded, and the charge goes with whatever ends
 * the job or takes the id out of the queue; a second time changes nothing. The sums are changed with the charges and in no
 * other way, so that they cannot drift from them.
 */
export const charges = `
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
`;

/** Charges a job, unless that is more than a limit allows: returns its name then. */
export const chargeJob = `
local function chargeJob(k, a, fields)
  local bytes = 0
  for _, text in ipairs(fields) do bytes = bytes + #text end
  local jobs, mine, all = unpack(redis.call('HMGET', k.charged, 'jobs:' .. a.tenant, 'bytes:' .. a.tenant, 'bytes'))
  if tonumber(jobs or 0) >= a.userJobs then return 'userJobs' end
  if tonumber(mine or 0) + bytes > a.userBytes then return 'userQueueMegabytes' end
  if tonumber(all or 0) + bytes > a.maxBytes then return 'maxQueueMegabytes' end
  redis.call('HSET', k.charges, a.id, bytes .. ' ' .. a.tenant)
  charge(k.charged, a.tenant, 1, bytes)
end
`;
