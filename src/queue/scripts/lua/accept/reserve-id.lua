-- Binds an id to a host.
--
-- KEYS ledger
-- ARGV host, instead (what the ledger may say, although it names another host), value, seconds
-- RETURNS nil, or what the id is bound to if that is another host
-- @include "include/bound-elsewhere.lua"
local bound = boundElsewhere(KEYS[1], ARGV[1], ARGV[2])
if not bound then redis.call('SET', KEYS[1], ARGV[3], 'EX', ARGV[4]) end
return bound
