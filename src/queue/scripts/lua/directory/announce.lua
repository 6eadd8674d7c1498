-- Says that a host lives, for the worker that has its name. The name is held by the disk of a host: a worker that comes
-- back to the same disk takes over at once, one with another disk has to wait until the first has fallen silent.
--
-- KEYS host, lease
-- ARGV announcement (JSON), identity of the disk, lease (JSON: identity, and who it is for people), ms for which it holds,
--      channel, what to say there
-- RETURNS nil, or the lease of the other worker
local lease = redis.call('GET', KEYS[2])
if lease and cjson.decode(lease).identity ~= ARGV[2] then return lease end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
redis.call('PUBLISH', ARGV[5], ARGV[6])
return nil
