-- Reads jobs of a host; asked for one by one they cost the reader three times as much.
--
-- KEYS job, run, job, run, …
-- ARGV fields of a job
-- RETURNS the values of these fields, what the worker has said (field, value, …), the values of these fields, …
local read = {}
for i = 1, #KEYS, 2 do
  read[i] = redis.call('HMGET', KEYS[i], unpack(ARGV))
  read[i + 1] = redis.call('HGETALL', KEYS[i + 1])
end
return read
