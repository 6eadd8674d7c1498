-- Binds an id to a host.
--
-- KEYS ledger
-- ARGV host, voidBinding (an entry of another host that may be replaced), value, seconds
-- RETURNS nil, or the id's binding if it is to another host
-- @include "include/bound-elsewhere.lua"
local bound = boundElsewhere(KEYS[1], ARGV[1], ARGV[2])
if not bound then redis.call('SET', KEYS[1], ARGV[3], 'EX', ARGV[4]) end
return bound
