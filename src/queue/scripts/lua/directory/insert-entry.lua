-- Enters a name that a host holds, unless the name has an entry.
--
-- KEYS holders, names, spread
-- ARGV kind, resource, host
-- @include "include/directory.lua"
local entry = {host = ARGV[3], at = 0, memory = 0, ports = {}}
if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 1 then return end
putEntry(directory(1), ARGV[1], ARGV[2], entry)
