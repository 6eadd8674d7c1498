-- The candidate with the most room: lowest penalty (`avoid`), ports free, enough memory, fewest
-- names, most memory left. Returns it, whether another one may have the ports or the memory that it
-- lacks, and names and memory per candidate. If even the best one was announced as short of memory
-- (an odd penalty, see placement.ts), so are the others.
local function worse(a, b)
  for i = 1, #a do
    if a[i] ~= b[i] then return a[i] > b[i] end
  end
  return false
end

-- Fields to read at a time: Lua unpacks fewer than 8,000 values.
local slice = 1000

local function spreadOf(spread, kind, candidates)
  local fields, values = {}, {}
  for i, candidate in ipairs(candidates) do
    fields[2 * i - 1] = kind .. ':' .. candidate.host
    fields[2 * i] = 'memory:' .. candidate.host
  end
  for from = 1, #fields, slice do
    local read = redis.call('HMGET', spread, unpack(fields, from, math.min(from + slice - 1, #fields)))
    for i, value in ipairs(read) do values[from + i - 1] = value end
  end
  return values
end

-- MiB that the request needs on a host.
local function memoryOn(a, host)
  return a.memoryOn[host] or a.memory
end

local function choose(spread, a)
  local best, rank
  local values = spreadOf(spread, a.kind, a.candidates)
  for i, candidate in ipairs(a.candidates) do
    local host = candidate.host
    local taken = 0
    for _, port in ipairs(a.ports) do
      if redis.call('HEXISTS', spread, 'port:' .. host .. ':' .. port) == 1 then taken = 1 end
    end
    local names = tonumber(values[2 * i - 1] or 0)
    local memory = memoryOn(a, host)
    local left = candidate.memory - tonumber(values[2 * i] or 0) - memory
    local mine = {candidate.avoid, taken, (memory > 0 and left < 0) and 1 or 0, names, -left}
    if not best or worse(rank, mine) then best, rank = host, mine end
  end
  return best, rank and (rank[2] > 0 or (rank[3] > 0 and rank[1] % 2 == 0)), values
end
