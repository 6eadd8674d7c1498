-- Deletes a name from the directory, if its entry is as it was read.
--
-- KEYS holders, names, spread
-- ARGV kind, resource, entry, ms for which nobody may have asked for it
-- RETURNS 1 if it is deleted, 0 if somebody may still count on it
-- @include "include/directory.lua"
if now() - cjson.decode(ARGV[3]).at < tonumber(ARGV[4]) then return 0 end
return strike(directory(1), ARGV[1], ARGV[2], ARGV[3]) and 1 or 0
