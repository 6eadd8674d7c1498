-- Returns a running job to its line; its begin does not count as a crash. A final job stays so.
--
-- KEYS run
if redis.call('HGET', KEYS[1], 'state') ~= 'running' then return end
redis.call('HSET', KEYS[1], 'state', 'queued')
redis.call('HINCRBY', KEYS[1], 'crashes', -1)
