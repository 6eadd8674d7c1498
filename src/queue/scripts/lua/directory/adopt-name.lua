-- Enters a name that a host holds, unless it is there.
--
-- KEYS holders, names, spread
-- ARGV kind, resource, host
-- RETURNS the entry that is there now
-- @include "include/directory.lua"
local text = redis.call('HGET', KEYS[1], ARGV[2])
if text then return text end
return enter(directory(1), ARGV[1], ARGV[2], {host = ARGV[3], at = 0, by = '', memory = 0, ports = {}})
