-- Undoes reserve-id: makes the binding void.
--
-- KEYS ledger
-- ARGV value, host
-- RETURNS 1 if the id was bound so, otherwise 0
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2] .. ' 0', 'EX', 60)
return 1
