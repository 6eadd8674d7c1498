-- Deletes a name from the directory if its entry is unchanged since it was read.
--
-- KEYS holders, names, spread
-- ARGV kind, resource, entry, minimum age of the entry (ms since a request last asked for the name)
-- RETURNS 1 if it is deleted, 0 if a request may still rely on it
-- @include "include/directory.lua"
if now() - cjson.decode(ARGV[3]).at < tonumber(ARGV[4]) then return 0 end
return deleteEntry(directory(1), ARGV[1], ARGV[2], ARGV[3]) and 1 or 0
