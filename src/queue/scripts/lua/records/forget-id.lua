-- Removes an id without a record from a host's queue; an id recorded in the meantime stays.
--
-- KEYS job, open, charges, charged
-- ARGV id
-- @include "include/charges.lua"
if redis.call('EXISTS', KEYS[1]) == 1 then return end
redis.call('ZREM', KEYS[2], ARGV[1])
release(KEYS[3], KEYS[4], ARGV[1])
