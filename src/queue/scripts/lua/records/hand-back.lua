-- Puts a job that runs back into its queue; that it was begun counts as no crash. One that is over stays so.
--
-- KEYS run
-- RETURNS how many workers the job has taken down; 0 as well where it did not run
if redis.call('HGET', KEYS[1], 'state') ~= 'running' then return 0 end
redis.call('HSET', KEYS[1], 'state', 'queued')
return redis.call('HINCRBY', KEYS[1], 'crashes', -1)
