-- Accepts a request for a known or predicted host: records its job there, all or nothing. A name
-- claimed for another host than the predicted one stays claimed. In a Cluster, where a script
-- touches one slot only, the keys of the directory and the ledger are left out: claim-name.lua and
-- reserve-id.lua run first.
--
-- KEYS job, sequence, open, line, held, charges, charged, names of resources, three lists; holders, names, spread, epoch,
--      ledger
-- ARGV host, what (JSON: id, tenant, resource, seconds, deadline, needs, settled, maxJobs, maxJobsPerGear, userJobs,
--      userBytes, maxBytes), claim (JSON, see claim-name.lua; empty if no name is needed), instead (see reserve-id.lua),
--      value of the ledger, its seconds, then field, value, … of the job
-- RETURNS verdict, more, entry, the name's verdict, names and memory of each candidate: the verdicts of
--   include/claim.lua where there is no host, those of include/record.lua, and
--   known      the id has a job here
--   late       the caller has timed out; nothing was changed
--   taken      the id is bound to another host (more: the binding)
--   elsewhere  the directory has the name on another host (more), or has chosen it
-- @include "include/claim.lua"
-- @include "include/bound-elsewhere.lua"
-- @include "include/record.lua"
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
if verdict ~= 'accepted' and entered == 'claimed' then strike(d, name.kind, name.resource, entry) end
return {verdict, more or '', entry, entered, room or {}}
