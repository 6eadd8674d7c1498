-- Finds the host for a name, and enters the name if the request creates it.
--
-- KEYS holders, names, spread, epoch
-- ARGV claim (JSON: epoch, attempt, kind, resource, creates, memory (MiB), memoryOn (by host, where it differs),
--      ports, only (a host, or absent), candidates [{host, memory, avoid}], some (whether there are more
--      candidates), settled (ms, or absent))
-- RETURNS see include/claim.lua
-- @include "include/claim.lua"
return {claim(directory(1), cjson.decode(ARGV[1]))}
