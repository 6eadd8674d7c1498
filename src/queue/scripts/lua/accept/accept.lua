-- Accepts a request for a known or predicted host: records its job there, all or nothing. A name
-- claimed for another host than the predicted one stays claimed. In a Cluster, where a script
-- touches one slot only, the keys of the directory and the ledger are left out: claim-name.lua and
-- reserve-id.lua run first.
--
-- KEYS job, sequence, open, line, held, charges, charged, names of resources, three lists; holders, names, spread, epoch,
--      ledger
-- ARGV host, what (JSON: id, tenant, resource, seconds, deadline, needs, settled, maxJobs, maxJobsPerGear, userJobs,
--      userQueueMegabytes, maxQueueMegabytes), claim (JSON, see claim-name.lua; empty if no name is needed),
--      voidBinding (see reserve-id.lua), value of the ledger, its seconds, then field, value, … of the job
-- RETURNS verdict, more, entry, the name's verdict, names and memory of each candidate: the verdicts of
--   include/claim.lua where there is no host, and
--   accepted
--   known      the id has a job here
--   late       the caller has timed out; nothing was changed
--   taken      the id is bound to another host (more: the binding)
--   elsewhere  the directory has the name on another host (more), or has chosen it
--   free       the host neither has the name nor was asked to: another host may; only if `settled`
--   missing    the host does not hold the resource
--   exists     it already does (needs = absence) and no unfinished job may change that
--   full       more: maxJobs | maxJobsPerGear | userJobs | userQueueMegabytes | maxQueueMegabytes
-- @include "include/claim.lua"
-- @include "include/bound-elsewhere.lua"
-- @include "include/lists.lua"
-- @include "include/charge-job.lua"
local k = {
  job = KEYS[1], sequence = KEYS[2], open = KEYS[3], line = KEYS[4], held = KEYS[5], charges = KEYS[6],
  charged = KEYS[7], names = KEYS[8], lists = {unpack(KEYS, 9, 11)}
}

-- Writes a job into the records and the queues of the host. Returns verdict, more.
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

local host, what, ledger = ARGV[1], cjson.decode(ARGV[2]), KEYS[16]
local name = ledger and ARGV[3] ~= '' and cjson.decode(ARGV[3])
local bound = ledger and boundElsewhere(ledger, host, ARGV[4])
if bound then return {'taken', bound} end
-- Before the deadline check: a caller that gets `late` frees the id again.
if redis.call('EXISTS', k.job) == 1 then return {'known'} end
if now() > what.deadline then return {'late'} end
local d = directory(12)
local entered, holder, entry, room = 'held', host, ''
if name then entered, holder, entry, room = claim(d, name) end
if not holder then return {entered} end
if holder ~= host then return {'elsewhere', holder, entry, entered, room or {}} end
if entered == 'settled' then what.settled = true end
local verdict, more = record(what, {unpack(ARGV, 7)})
if verdict == 'accepted' and ledger then redis.call('SET', ledger, ARGV[5], 'EX', ARGV[6]) end
if verdict ~= 'accepted' and entered == 'claimed' then deleteEntry(d, name.kind, name.resource, entry) end
return {verdict, more or '', entry, entered, room or {}}
