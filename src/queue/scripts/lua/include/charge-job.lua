-- Charges a job, unless it exceeds a limit: then returns the name of the limit.
-- @include "include/charges.lua"
local MiB = 1048576

local function chargeJob(k, a, fields)
  local bytes = 0
  for _, text in ipairs(fields) do bytes = bytes + #text end
  local jobs, mine, all = unpack(redis.call('HMGET', k.charged, 'jobs:' .. a.tenant, 'bytes:' .. a.tenant, 'bytes'))
  if tonumber(jobs or 0) >= a.userJobs then return 'userJobs' end
  if tonumber(mine or 0) + bytes > a.userQueueMegabytes * MiB then return 'userQueueMegabytes' end
  if tonumber(all or 0) + bytes > a.maxQueueMegabytes * MiB then return 'maxQueueMegabytes' end
  redis.call('HSET', k.charges, a.id, bytes .. ' ' .. a.tenant)
  charge(k.charged, a.tenant, 1, bytes)
end
