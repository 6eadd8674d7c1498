-- Undoes reserve-id: the binding is void from now on.
--
-- KEYS ledger
-- ARGV value, host
-- RETURNS 1 if it was bound so, otherwise 0
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2] .. ' 0', 'EX', 60)
return 1
