-- Reads jobs of a host; reading them one by one costs the caller three times as much. A key that is
-- no hash counts as absent (see malformed.ts).
--
-- KEYS job, run, job, run, …
-- ARGV fields of a job
-- RETURNS these fields' values, the worker's hash (field, value, …), the next job's values, …
local function fields(...)
  local values = redis.pcall(...)
  if not values.err then return values end
  if not string.find(values.err, '^WRONGTYPE') then error(values) end
  return {}
end

local read = {}
for i = 1, #KEYS, 2 do
  read[i] = fields('HMGET', KEYS[i], unpack(ARGV))
  read[i + 1] = fields('HGETALL', KEYS[i + 1])
end
return read
