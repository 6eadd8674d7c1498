-- Writes a job into the records and the queues of its host. Returns verdict, more:
--   accepted
--   known     the id has a job here
--   late      the caller no longer waits; nothing was changed
--   free      nothing here has the name, and nothing was asked to: it may go to another host; only if `settled`
--   missing   the host does not hold the resource
--   exists    it already does (needs = absence) and no unfinished job may change that
--   full      maxJobs | maxJobsPerGear | userJobs | userQueueMegabytes | maxQueueMegabytes
--
-- `recordKeys(first)` names the keys from KEYS[first] on: job, sequence, open, line, held, charges, charged, names of
-- resources, lists …
-- @include "include/lists.lua"
-- @include "include/charge-job.lua"
local function write(k, a, fields)
  if redis.call('EXISTS', k.job) == 1 then return 'known' end
  local time = redis.call('TIME')
  if time[1] * 1000 + time[2] / 1000 > a.deadline then return 'late' end
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
  local order = math.max(time[1] * 1000000 + time[2], tonumber(redis.call('GET', k.sequence) or 0) + 1)
  local score = string.format('%.0f', order)
  redis.call('SET', k.sequence, score)
  redis.call('HSET', k.job, 'order', score, unpack(fields))
  enlist(k, a.id, a.resource, score, a.seconds)
  redis.call('ZADD', k.open, score, a.id)
  redis.call('ZADD', k.line, score, a.id)
  return 'accepted'
end

local function recordKeys(first)
  return {
    job = KEYS[first], sequence = KEYS[first + 1], open = KEYS[first + 2], line = KEYS[first + 3],
    held = KEYS[first + 4], charges = KEYS[first + 5], charged = KEYS[first + 6], names = KEYS[first + 7],
    lists = {unpack(KEYS, first + 8)}
  }
end
