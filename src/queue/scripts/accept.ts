import { chargeJob, charges } from './charges.ts';
import { enlist } from './lists.ts';

/**
 * What accepting a request is made of, in steps that each touch keys of one slot of a Redis Cluster. Elsewhere they are
 * run at once (`acceptAtOnce`), in a Cluster one after the other, each taken back where a later one refuses; see
 * queue/accept.ts. A step is a function in Lua here and a script of its own below.
 *
 * A name's entry in the directory is JSON: `host`, `at` and `by` (when somebody last asked for the name to be made there, in
 * ms, and the id of that request), `memory` (MiB) and `ports` (what was asked for), and `attempt`, which
 * tells that request from the same one sent twice. An entry is taken back only as it was read, and only when no request that could have counted on it is still on its way. `spread` counts what the entries of
 * each host come to, `names` has their names in order: both are changed together with them, so that simultaneous requests for
 * new names see each other.
 */
const directory = `
local function now()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function count(spread, kind, entry, sign)
  redis.call('HINCRBY', spread, kind .. ':' .. entry.host, sign)
  redis.call('HINCRBY', spread, 'memory:' .. entry.host, string.format('%d', sign * entry.memory))
  for _, port in ipairs(entry.ports) do
    local field = 'port:' .. entry.host .. ':' .. port
    if sign > 0 then redis.call('HSET', spread, field, 1) else redis.call('HDEL', spread, field) end
  end
end

local function enter(d, kind, resource, entry)
  local text = cjson.encode(entry)
  count(d.spread, kind, entry, 1)
  redis.call('HSET', d.holders, resource, text)
  redis.call('ZADD', d.names, 0, resource)
  return text
end

local function strike(d, kind, resource, text)
  if redis.call('HGET', d.holders, resource) ~= text then return false end
  count(d.spread, kind, cjson.decode(text), -1)
  redis.call('HDEL', d.holders, resource)
  redis.call('ZREM', d.names, resource)
  return true
end

local d = {holders = KEYS[1], names = KEYS[2], spread = KEYS[3], epoch = KEYS[4]}
`;

/**
 * The candidate with the most room: nothing against it, ports free, enough memory, the fewest names, the most memory left.
 * Returns it, whether it lacks ports or memory, and for each candidate how many names it had and how much memory they ask for.
 */
const choose = `
local function worse(a, b)
  for i = 1, #a do
    if a[i] ~= b[i] then return a[i] > b[i] end
  end
  return false
end

local function spreadOf(spread, kind, candidates)
  local fields = {}
  for i, candidate in ipairs(candidates) do
    fields[2 * i - 1] = kind .. ':' .. candidate.host
    fields[2 * i] = 'memory:' .. candidate.host
  end
  return #fields > 0 and redis.call('HMGET', spread, unpack(fields)) or {}
end

local function choose(spread, kind, memory, ports, candidates)
  local best, rank
  local values = spreadOf(spread, kind, candidates)
  for i, candidate in ipairs(candidates) do
    local host = candidate.host
    local taken = 0
    for _, port in ipairs(ports) do
      if redis.call('HEXISTS', spread, 'port:' .. host .. ':' .. port) == 1 then taken = 1 end
    end
    local names = tonumber(values[2 * i - 1] or 0)
    local left = candidate.memory - tonumber(values[2 * i] or 0) - memory
    local mine = {candidate.avoid, taken, (memory > 0 and left < 0) and 1 or 0, names, -left}
    if not best or worse(rank, mine) then best, rank = host, mine end
  end
  return best, rank and rank[2] + rank[3] > 0, values
end
`;

/**
 * The host that has a name or is to have it. Returns verdict, host, entry as it is now, names and memory of each candidate:
 *   held      there was an entry
 *   settled   there was one, which is older than any request that could have counted on it; only where `settled` (ms) is given
 *   claimed   there is one now
 *   missing
 *   nowhere   there is no candidate
 *   crowded   there is no good one, and these are only some
 *   lost      this is not the directory that the caller knows
 */
const claim = `
local function claim(d, a)
  if (redis.call('GET', d.epoch) or '') ~= a.epoch then return 'lost' end
  local text = redis.call('HGET', d.holders, a.resource)
  local entry = {at = now(), by = a.id, attempt = a.attempt, memory = a.memory, ports = a.ports}
  if not text then
    if not a.creates then return 'missing' end
    local host, crowded, room = choose(d.spread, a.kind, a.memory, a.ports, a.candidates)
    if not host then return 'nowhere' end
    if crowded and a.some then return 'crowded' end
    entry.host = host
    return 'claimed', host, enter(d, a.kind, a.resource, entry), room
  end
  local before = cjson.decode(text)
  local verdict = (a.settled and entry.at - before.at > a.settled) and 'settled' or 'held'
  if not a.creates or before.attempt == a.attempt or (a.only and a.only ~= before.host) then
    return verdict, before.host, text
  end
  count(d.spread, a.kind, before, -1)
  entry.host = before.host
  return verdict, entry.host, enter(d, a.kind, a.resource, entry)
end
`;

/** Binds an id to a host. Returns nil, or what the id is bound to where that is another host. */
const reserve = `
local function hostOf(text) return string.match(text, '^%S+') end

local function reserve(ledger, host, instead, value, seconds)
  local at = redis.call('GET', ledger)
  if at and at ~= instead and hostOf(at) ~= host then return at end
  redis.call('SET', ledger, value, 'EX', seconds)
  return nil
end
`;

/**
 * Writes a job into the records and the lines of its host. Returns verdict, more:
 *   accepted
 *   known     the id has a job here
 *   late      the caller no longer waits; nothing was changed
 *   free      nothing here has the name, and nothing was asked to: it may go to another host; only where `settled`
 *   missing   the host does not hold the resource
 *   exists    it does already (needs = absence) and no unfinished job may change that
 *   full      maxJobs | maxJobsPerGear | userJobs | userQueueMegabytes | maxQueueMegabytes
 */
const record = `${enlist}${charges}${chargeJob}
local function write(k, a, fields)
  if redis.call('EXISTS', k.job) == 1 then return 'known' end
  local time = redis.call('TIME')
  if time[1] * 1000 + time[2] / 1000 > a.deadline then return 'late' end
  local waiting = redis.call('ZCARD', k.line)
  local there = redis.call('SISMEMBER', k.held, a.resource) == 1
  if there and waiting == 0 and a.needs == 'absence' then return 'exists' end
  if not there and waiting == 0 then
    if a.needs == 'presence' then return 'missing' end
    if a.settled then return 'free' end
  end
  if redis.call('ZCARD', k.open) >= a.maxJobs then return 'full', 'maxJobs' end
  if waiting >= a.maxJobsPerGear then return 'full', 'maxJobsPerGear' end
  local limit = chargeJob(k, a, fields)
  if limit then return 'full', limit end
  local order = math.max(time[1] * 1000000 + time[2], tonumber(redis.call('GET', k.sequence) or 0) + 1)
  local score = string.format('%.0f', order)
  redis.call('SET', k.sequence, score)
  redis.call('HSET', k.job, 'order', score, unpack(fields))
  enlist(k, a.id, a.resource, score, a.seconds)
  redis.call('ZADD', k.open, score, a.id)
  redis.call('ZADD', k.line, score, a.id)
  return 'accepted'
end
`;

const recordKeys = (first: number) =>
  `{job = KEYS[${first}], sequence = KEYS[${first + 1}], open = KEYS[${first + 2}],
    line = KEYS[${first + 3}], held = KEYS[${first + 4}], charges = KEYS[${first + 5}], charged = KEYS[${first + 6}],
    names = KEYS[${first + 7}], lists = {unpack(KEYS, ${first + 8})}}`;

/**
 * KEYS holders, names, spread, epoch
 * ARGV claim (JSON: epoch, id, attempt, kind, resource, creates, memory, ports, only (a host or absent), candidates [{host, memory, avoid}],
 *      some (whether there are more candidates), settled (ms, or absent))
 */
export const claimName = `${directory}${choose}${claim}
return {claim(d, cjson.decode(ARGV[1]))}
`;

/**
 * Puts a name into the directory that a host holds, unless it is there. KEYS holders, names, spread; ARGV kind, resource, host
 * Returns the entry that is there now.
 */
export const adoptName = `${directory}
local text = redis.call('HGET', KEYS[1], ARGV[2])
if text then return text end
return enter(d, ARGV[1], ARGV[2], {host = ARGV[3], at = 0, by = '', memory = 0, ports = {}})
`;

/**
 * Takes a name out of the directory, as its entry was read. KEYS holders, names, spread
 * ARGV kind, resource, entry, ms since which nobody may have asked for it
 * Returns 1 when it is out, 0 when somebody may still count on it
 */
export const strikeName = `${directory}
if now() - cjson.decode(ARGV[3]).at < tonumber(ARGV[4]) then return 0 end
return strike(d, ARGV[1], ARGV[2], ARGV[3]) and 1 or 0
`;

/** KEYS ledger; ARGV host, instead, value, seconds. Returns nil or what the id is bound to. */
export const reserveId = `${reserve}
return reserve(KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
`;

/** Undoes `reserveId`: what the id is bound to is void from now on. KEYS ledger; ARGV value, host */
export const freeId = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2] .. ' 0', 'EX', 60)
return 1
`;

/**
 * KEYS job, sequence, open, line, held, charges, charged, names of resources, lists
 * ARGV what (JSON: id, tenant, resource, seconds, deadline, needs, settled, maxJobs, maxJobsPerGear, userJobs, userBytes, maxBytes),
 *      then field, value, … of the job
 */
export const recordJob = `${record}
return {write(${recordKeys(1)}, cjson.decode(ARGV[1]), {unpack(ARGV, 2)})}
`;

/**
 * All steps, for a host that is known or guessed. Where they do not all go well no job is recorded and no id bound; a name that
 * was claimed for another host than the guessed one stays claimed.
 *
 * KEYS holders, names, spread, epoch, ledger, job, sequence, open, line, held, charges, charged, names of resources, lists
 * ARGV claim (JSON; empty where no name is needed), host, instead, value of the ledger, its seconds, what (JSON), then field,
 *      value, … of the job
 * Returns verdict, more, entry, the name's verdict, names and memory of each candidate: verdicts of the steps, and elsewhere (the
 * host), taken (what the id is bound to)
 */
export const acceptAtOnce = `${directory}${choose}${claim}${reserve}${record}
local ledger, host = KEYS[5], ARGV[2]
local before = redis.call('GET', ledger)
if before and before ~= ARGV[3] and hostOf(before) ~= host then return {'taken', before} end
local name = ARGV[1] ~= '' and cjson.decode(ARGV[1])
local what = cjson.decode(ARGV[6])
if now() > what.deadline then return {'late'} end
local entered, holder, entry, room = 'held', host, ''
if name then entered, holder, entry, room = claim(d, name) end
if not holder then return {entered} end
if holder ~= host then return {'elsewhere', holder, entry, entered, room or {}} end
if entered == 'settled' then what.settled = true end
local verdict, more = write(${recordKeys(6)}, what, {unpack(ARGV, 7)})
if verdict == 'accepted' then
  redis.call('SET', ledger, ARGV[4], 'EX', ARGV[5])
elseif entered == 'claimed' then
  strike(d, name.kind, name.resource, entry)
end
return {verdict, more or '', entry, entered, room or {}}
`;
