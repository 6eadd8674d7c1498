-- Removes a resource from a host, unless unfinished jobs are about to create it.
--
-- KEYS held, line
-- ARGV resource
if redis.call('ZCARD', KEYS[2]) > 0 then return end
redis.call('SREM', KEYS[1], ARGV[1])
