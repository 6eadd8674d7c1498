-- What an id is bound to, if that is another host and not what the caller knows to be void (`instead`); otherwise nil.
local function boundElsewhere(ledger, host, instead)
  local bound = redis.call('GET', ledger)
  if bound and bound ~= instead and string.match(bound, '^%S+') ~= host then return bound end
end
