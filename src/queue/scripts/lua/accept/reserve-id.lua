-- KEYS ledger
-- ARGV host, instead (what the ledger may say, although it names another host), value, seconds
-- RETURNS nil, or what the id is bound to
-- @include "include/reserve.lua"
return reserve(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
