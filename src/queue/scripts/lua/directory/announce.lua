-- Announces that a host is alive, for the worker that holds its name. The name belongs to the disk:
-- a new worker on the same disk takes over at once; one on another waits until the first falls
-- silent.
--
-- KEYS host, lease
-- ARGV announcement (JSON), identity of the disk, lease (JSON: identity, and its place for people),
--      ms for which it holds, channel, message for it
-- RETURNS nil, or the lease of the other worker
local lease = redis.call('GET', KEYS[2])
if lease and cjson.decode(lease).identity ~= ARGV[2] then return lease end
redis.call('SET', KEYS[1], ARGV[1])
redis.call('SET', KEYS[2], ARGV[3], 'PX', ARGV[4])
redis.call('PUBLISH', ARGV[5], ARGV[6])
return nil
