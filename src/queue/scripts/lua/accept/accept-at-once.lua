-- All steps of accepting a request, for a host that is known or predicted. Unless all succeed no job is recorded and no id
-- bound; a name that was claimed for another host than the predicted one stays claimed. In a Cluster, where one script
-- touches one slot only, the steps are scripts of their own; see accept/record-request.ts.
--
-- KEYS holders, names, spread, epoch, ledger, job, sequence, open, line, held, charges, charged, names of resources, lists …
-- ARGV claim (JSON, see claim-name.lua; empty if no name is needed), host, instead, value of the ledger, its seconds,
--      what (JSON, see record-job.lua), then field, value, … of the job
-- RETURNS verdict, more, entry, the name's verdict, names and memory of each candidate: the verdicts of the steps, and
--   elsewhere (the host), taken (what the id is bound to)
-- @include "include/claim.lua"
-- @include "include/reserve.lua"
-- @include "include/record.lua"
local ledger, host = KEYS[5], ARGV[2]
local before = redis.call('GET', ledger)
if before and before ~= ARGV[3] and hostOf(before) ~= host then return {'taken', before} end
local name = ARGV[1] ~= '' and cjson.decode(ARGV[1])
local what = cjson.decode(ARGV[6])
if now() > what.deadline then return {'late'} end
local entered, holder, entry, room = 'held', host, ''
if name then entered, holder, entry, room = claim(d, name) end
if not holder then return {entered} end
if holder ~= host then return {'elsewhere', holder, entry, entered, room or {}} end
if entered == 'settled' then what.settled = true end
local verdict, more = write(recordKeys(6), what, {unpack(ARGV, 7)})
if verdict == 'accepted' then
  redis.call('SET', ledger, ARGV[4], 'EX', ARGV[5])
elseif entered == 'claimed' then
  strike(d, name.kind, name.resource, entry)
end
return {verdict, more or '', entry, entered, room or {}}
