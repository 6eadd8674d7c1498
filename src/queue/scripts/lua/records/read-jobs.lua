-- Reads jobs of a host; reading them one by one costs the caller three times as much.
--
-- KEYS job, run, job, run, …
-- ARGV fields of a job
-- RETURNS these fields' values, the worker's hash (field, value, …), the next job's values, …
local read = {}
for i = 1, #KEYS, 2 do
  read[i] = redis.call('HMGET', KEYS[i], unpack(ARGV))
  read[i + 1] = redis.call('HGETALL', KEYS[i + 1])
end
return read
