-- Removes the id of an ended job, or an id without a record, from a host's queue.
--
-- KEYS open, line, charges, charged
-- ARGV id
-- @include "include/charges.lua"
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('ZREM', KEYS[2], ARGV[1])
release(KEYS[3], KEYS[4], ARGV[1])
