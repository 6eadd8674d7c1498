-- Removes the id of an ended job, or an id without a record, from a host's queue. What the worker
-- has written about the job lives as long as the job itself from now on.
--
-- KEYS job, run, open, line, held, charges, charged
-- ARGV id, resource, channel of the host's heartbeats, message for it when the name is free
-- @include "include/charges.lua"
-- @include "include/tell-if-free.lua"
local job, run, open, line, held, charges, charged = unpack(KEYS)
local life = redis.call('PTTL', job) -- -1: unlimited; -2: there is no job.
if life >= 0 then redis.call('PEXPIRE', run, life) end
if life == -2 then redis.call('DEL', run) end
redis.call('ZREM', open, ARGV[1])
redis.call('ZREM', line, ARGV[1])
release(charges, charged, ARGV[1])
tellIfFree(held, line, unpack(ARGV, 2))
