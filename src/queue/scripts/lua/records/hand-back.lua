-- Returns a running job to its line; its begin does not count as a crash. A final job stays so.
--
-- KEYS run
-- RETURNS number of the job's crashes; 0 as well if it was not running
if redis.call('HGET', KEYS[1], 'state') ~= 'running' then return 0 end
redis.call('HSET', KEYS[1], 'state', 'queued')
return redis.call('HINCRBY', KEYS[1], 'crashes', -1)
