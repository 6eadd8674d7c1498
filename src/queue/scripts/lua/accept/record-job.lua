-- Records a job on its host.
--
-- KEYS job, sequence, open, line, held, charges, charged, names of resources, lists …
-- ARGV what (JSON: id, tenant, resource, seconds, deadline, needs, settled, maxJobs, maxJobsPerGear, userJobs, userBytes,
--      maxBytes), then field, value, … of the job
-- RETURNS see include/record.lua
-- @include "include/record.lua"
return {write(recordKeys(1), cjson.decode(ARGV[1]), {unpack(ARGV, 2)})}
