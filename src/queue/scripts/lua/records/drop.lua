-- Takes an id out of a host's queue whose job is over, or that has no record.
--
-- KEYS open, line, charges, charged
-- ARGV id
-- @include "include/charges.lua"
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
release(KEYS[3], KEYS[4], ARGV[1])
