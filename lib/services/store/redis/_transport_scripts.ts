/**
 * The steps that Redis does whole for transports: they keep a transport, its indexes and its maxima together, and tell
 * every instance.
 *
 *     tp:<id>          string      `number registrars owner block edge edge [type,label]`, with its time to live
 *     lat:<id>         string      `least most average owner`, a day after the last measurement
 *     all, edge:<key>, of:<owner>, at:<block>        indexes of transports
 *     latencies, latencies-of:<owner>                sorted sets of ids by the time of the last measurement
 *     number           the last transport's place in lists
 *     changes@<number> channel     what was put, renewed, removed
 *
 * `registrars` are bits: which edges say that there is such a transport. Owner and block are `-` where there is none.
 *
 * @module
 */
import { INDEX_SCRIPT } from "./_index_script.ts";

const TRANSPORT = `
${INDEX_SCRIPT}
local function transport(id)
  local text = redis.call('GET', P .. 'tp:' .. id)
  if not text then return nil end
  local number, bits, owner, block, a, b, tail = string.match(text, '^(%d+) (%d) (%S+) (%S+) (%S+) (%S+) (.*)$')
  if not tail then return nil end
  return { number = number, bits = bits, owner = owner, block = block, a = a, b = b, tail = tail }
end
local function indexesOf(state)
  local list = { P .. 'all', P .. 'edge:' .. state.a, P .. 'edge:' .. state.b }
  if state.owner ~= '-' then table.insert(list, P .. 'of:' .. state.owner) end
  if state.block ~= '-' then table.insert(list, P .. 'at:' .. state.block) end
  return list
end
local function forgetLatency(id)
  local owner = string.match(redis.call('GET', P .. 'lat:' .. id) or '', '^%d+ %d+ %d+ (%S+)$')
  if owner then redis.call('ZREM', P .. 'latencies-of:' .. owner, id) end
  redis.call('ZREM', P .. 'latencies', id)
  redis.call('DEL', P .. 'lat:' .. id)
end
`;

/**
 * ARGV: ttl in ms; owner, its maximum; block, its maximum; the maximum of transports; that of latencies, and their
 * life in ms; then for each transport id, edge, edge, its JSON, bits of who says so, latency or "". Gives id and
 * latency of each that is other than before, or nothing where there is no room.
 */
export const PUT = `
${TRANSPORT}
local ttl, owner, ownerMax, block, blockMax = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local max, latenciesMax, latencyTtl = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])

-- What an answer shows: what one edge alone says of a transport may be invented.
local function shown(state) return state.bits == '3' and state.latency or '' end

local states, ids, changed, isChanged, fresh = {}, {}, {}, {}, 0
for at = 9, #ARGV, 6 do
  local id, tail, bits, latency = ARGV[at], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]
  local state = states[id]
  if not state then
    state = transport(id)
    if not state then
      state = { bits = '0', owner = owner, block = block, a = ARGV[at + 1], b = ARGV[at + 2] }
      fresh = fresh + 1
    end
    local known = redis.call('GET', P .. 'lat:' .. id) or ''
    state.latency, state.latencyOwner = string.match(known, '^(%d+ %d+ %d+) (%S+)$')
    states[id] = state
    table.insert(ids, id)
  end
  local before = state.tail and shown(state) .. state.tail
  state.tail = tail
  state.bits = tostring(bit.bor(tonumber(state.bits), tonumber(bits)))
  if latency ~= '' then
    state.latency, state.isMeasured = latency, true
    if not state.latencyOwner then state.latencyOwner, state.isFirstLatency = owner, true end
  end
  if shown(state) .. tail ~= before and not isChanged[id] then
    isChanged[id] = true
    table.insert(changed, id)
  end
end

grows()
if #changed > 0 and owner ~= '-' then
  if live(P .. 'of:' .. owner) + fresh > ownerMax then return false end
  if block ~= '-' and live(P .. 'at:' .. block) + fresh > blockMax then return false end
  if fresh > 0 and live(P .. 'all') + fresh > max then return false end
end

local isMore = false
for _, id in ipairs(ids) do
  local state = states[id]
  if not state.number then state.number = redis.call('INCR', P .. 'number') end
  local parts = { state.number, state.bits, state.owner, state.block, state.a, state.b, state.tail }
  keep(P .. 'tp:' .. id, table.concat(parts, ' '), ttl)
  for _, index in ipairs(indexesOf(state)) do enter(index, id, ttl) end
  if state.isMeasured then
    keep(P .. 'lat:' .. id, state.latency .. ' ' .. state.latencyOwner, latencyTtl)
    redis.call('ZADD', P .. 'latencies', digits(now), id)
    redis.call('ZADD', P .. 'latencies-of:' .. state.latencyOwner, digits(now), id)
    redis.call('PEXPIRE', P .. 'latencies', latencyTtl)
    redis.call('PEXPIRE', P .. 'latencies-of:' .. state.latencyOwner, latencyTtl)
    isMore = isMore or state.isFirstLatency
  end
end
seal()

if isMore then
  local old = digits(now - latencyTtl)
  redis.call('ZREMRANGEBYSCORE', P .. 'latencies', '-inf', old)
  if owner ~= '-' then
    redis.call('ZREMRANGEBYSCORE', P .. 'latencies-of:' .. owner, '-inf', old)
    for _, id in ipairs(redis.call('ZREVRANGE', P .. 'latencies-of:' .. owner, ownerMax, -1)) do forgetLatency(id) end
  end
  local excess = redis.call('ZCARD', P .. 'latencies') - latenciesMax
  if excess > 0 then
    for _, id in ipairs(redis.call('ZRANGE', P .. 'latencies', 0, excess - 1)) do forgetLatency(id) end
  end
end

local result, put = {}, {}
for _, id in ipairs(changed) do
  local state = states[id]
  table.insert(result, id)
  table.insert(result, shown(state))
  table.insert(put, { id, state.a, state.b, state.tail, shown(state) })
end
redis.call('PUBLISH', P .. 'changes@' .. DATABASE, cjson.encode({ ttl = ttl, ids = ids, put = put }))
return result
`;

/** ARGV: ids. Gives those that were there. */
export const REMOVE = `
${TRANSPORT}
local removed = {}
for _, id in ipairs(ARGV) do
  local state = transport(id)
  if state then
    redis.call('DEL', P .. 'tp:' .. id)
    for _, index in ipairs(indexesOf(state)) do leave(index, id) end
    forgetLatency(id)
    table.insert(removed, id)
  end
end
if #removed > 0 then redis.call('PUBLISH', P .. 'changes@' .. DATABASE, cjson.encode({ removed = removed })) end
return removed
`;

/** ARGV: ttl in ms, ids. What would live for longer ends then. */
export const SHORTEN = `
${TRANSPORT}
local ttl = tonumber(ARGV[1])
for at = 2, #ARGV do
  local id = ARGV[at]
  local state = transport(id)
  local left = redis.call('PTTL', P .. 'tp:' .. id)
  if state and (left == -1 or left > ttl) then
    redis.call('PEXPIRE', P .. 'tp:' .. id, ttl)
    for _, index in ipairs(indexesOf(state)) do enter(index, id, ttl) end
  end
end
seal()
return 0
`;
