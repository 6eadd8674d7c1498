-- Writes a job into the records and the queues of its host. Returns verdict, more:
--   accepted
--   free      the host neither has the name nor was asked to: another host may; only if `settled`
--   missing   the host does not hold the resource
--   exists    it already does (needs = absence) and no unfinished job may change that
--   full      maxJobs | maxJobsPerGear | userJobs | userQueueMegabytes | maxQueueMegabytes
--
-- KEYS job, sequence, open, line, held, charges, charged, names of resources, three lists: the
--      first keys of every script that includes this
-- @include "include/lists.lua"
-- @include "include/charge-job.lua"
local k = {
  job = KEYS[1], sequence = KEYS[2], open = KEYS[3], line = KEYS[4], held = KEYS[5], charges = KEYS[6],
  charged = KEYS[7], names = KEYS[8], lists = {unpack(KEYS, 9, 11)}
}

local function record(a, fields)
  local waiting = redis.call('ZCARD', k.line)
  local there = redis.call('SISMEMBER', k.held, a.resource) == 1
  if there and waiting == 0 and a.needs == 'absence' then return 'exists' end
  if not there and waiting == 0 then
    if a.needs == 'presence' then return 'missing' end
    if a.settled then return 'free' end
  end
  if redis.call('ZCARD', k.open) >= a.maxJobs then return 'full', 'maxJobs' end
  if waiting >= a.maxJobsPerGear then return 'full', 'maxJobsPerGear' end
  local limit = chargeJob(k, a, fields)
  if limit then return 'full', limit end
  local time = redis.call('TIME')
  local order = math.max(time[1] * 1000000 + time[2], tonumber(redis.call('GET', k.sequence) or 0) + 1)
  local score = string.format('%.0f', order)
  redis.call('SET', k.sequence, score)
  redis.call('HSET', k.job, 'order', score, unpack(fields))
  enlist(k, a.id, a.resource, score, a.seconds)
  redis.call('ZADD', k.open, score, a.id)
  redis.call('ZADD', k.line, score, a.id)
  return 'accepted'
end
