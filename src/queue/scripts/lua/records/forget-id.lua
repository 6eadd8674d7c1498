-- Removes an id without a record from a host's queue, and what the worker has written about it; an
-- id recorded in the meantime stays.
--
-- KEYS job, run, open, charges, charged
-- ARGV id
-- @include "include/charges.lua"
local job, run, open, charges, charged = unpack(KEYS)
if redis.call('EXISTS', job) == 1 then return end
redis.call('DEL', run)
redis.call('ZREM', open, ARGV[1])
release(charges, charged, ARGV[1])
