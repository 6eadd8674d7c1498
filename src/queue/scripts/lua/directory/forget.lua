-- Removes a resource from a host, unless unfinished jobs are about to create it.
--
-- KEYS held, line
-- ARGV resource
-- RETURNS 1 if it is removed, otherwise 0
if redis.call('ZCARD', KEYS[2]) > 0 then return 0 end
return redis.call('SREM', KEYS[1], ARGV[1])
