-- Takes an id out of a host's queue that has no record; one that was recorded meanwhile stays.
--
-- KEYS job, open, charges, charged
-- ARGV id
-- @include "include/charges.lua"
if redis.call('EXISTS', KEYS[1]) == 1 then return end
redis.call('ZREM', KEYS[2], ARGV[1])
release(KEYS[3], KEYS[4], ARGV[1])
