-- Finds or chooses a name's host. Returns verdict, host, entry, names and memory of each candidate:
--   held      there was an entry
--   settled   there was one, older than any request that could rely on it; only with `settled`
--   claimed   there is one now
--   missing   there is none, and the request does not create one
--   nowhere   there is no candidate
--   crowded   there is no good one, and these are only some of the candidates
--   lost      the caller relies on another directory than this one
-- @include "include/directory.lua"
-- @include "include/choose.lua"
local function claim(d, a)
  if (redis.call('GET', d.epoch) or '') ~= a.epoch then return 'lost' end
  local text = redis.call('HGET', d.holders, a.resource)
  local entry = {at = now(), attempt = a.attempt, ports = a.ports}
  if not text then
    if not a.creates then return 'missing' end
    local host, crowded, room = choose(d.spread, a)
    if not host then return 'nowhere' end
    if crowded and a.some then return 'crowded' end
    entry.host, entry.memory = host, memoryOn(a, host)
    return 'claimed', host, putEntry(d, a.kind, a.resource, entry), room
  end
  local before = cjson.decode(text)
  local verdict = (a.settled and entry.at - before.at > a.settled) and 'settled' or 'held'
  if not a.creates or before.attempt == a.attempt or (a.only and a.only ~= before.host) then
    return verdict, before.host, text
  end
  count(d.spread, a.kind, before, -1)
  entry.host, entry.memory = before.host, memoryOn(a, before.host)
  return verdict, entry.host, putEntry(d, a.kind, a.resource, entry)
end
