-- The id's binding, if to another host and not known to the caller as void (`instead`); else nil.
local function boundElsewhere(ledger, host, instead)
  local bound = redis.call('GET', ledger)
  if bound and bound ~= instead and string.match(bound, '^%S+') ~= host then return bound end
end
