-- Undoes reserve-id: makes the binding void.
--
-- KEYS ledger
-- ARGV value, host
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return end
redis.call('SET', KEYS[1], ARGV[2] .. ' 0', 'EX', 60)
