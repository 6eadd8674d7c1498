-- The id's binding, if to another host and not known to the caller as void (`voidBinding`); else nil.
local function boundElsewhere(ledger, host, voidBinding)
  local bound = redis.call('GET', ledger)
  if bound and bound ~= voidBinding and string.match(bound, '^%S+') ~= host then return bound end
end
