-- Binds an id to a host. Returns nil, or what the id is bound to if that is another host.
local function hostOf(text) return string.match(text, '^%S+') end

local function reserve(ledger, host, instead, value, seconds)
  local at = redis.call('GET', ledger)
  if at and at ~= instead and hostOf(at) ~= host then return at end
  redis.call('SET', ledger, value, 'EX', seconds)
  return nil
end
