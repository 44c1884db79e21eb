/**
 * The steps that Redis does whole: they keep an entry and its memberships together.
 *
 *     <key hex>      string   the entry as JSON, with its time to live
 *     servers        set      keys of entries with a server part
 *     clients        set      keys of entries with a client part
 *     visorClients   set      keys of clients of type visor
 *
 * Layout of dmsg, section 9.5, so that other implementations can share the data base. A set outlives its
 * members' entries: whoever reads one drops the members whose entry is gone.
 *
 * @module
 */

/** Sets by role, in the order in which {@link PUT} takes its flags. */
export const ROLE_SETS = ["clients", "visorClients", "servers"] as const;

const SETS = `local sets = {${ROLE_SETS.map((set) => `'${set}'`).join(", ")}}`;

/**
 * ARGV: the entry's key, text, time to live in ms, "1" if a text must be stored now, that text, then one flag per
 * role. 1: stored; 0: another text is there.
 */
export const PUT = `
local P = KEYS[1]
${SETS}
local stored = redis.call('GET', P .. ARGV[1])
if ARGV[4] == '1' then
  if stored ~= ARGV[5] then return 0 end
elseif stored then
  return 0
end
redis.call('SET', P .. ARGV[1], ARGV[2], 'PX', ARGV[3])
for role = 1, 3 do
  redis.call(ARGV[5 + role] == '1' and 'SADD' or 'SREM', P .. sets[role], ARGV[1])
end
return 1
`;

/** ARGV: ttl in ms, keys of clients. What would live for longer ends then, unless it is a server's. */
export const SHORTEN_CLIENTS = `
local P = KEYS[1]
for at = 2, #ARGV do
  local left = redis.call('PTTL', P .. ARGV[at])
  if (left == -1 or left > tonumber(ARGV[1])) and redis.call('SISMEMBER', P .. 'servers', ARGV[at]) == 0 then
    redis.call('PEXPIRE', P .. ARGV[at], ARGV[1])
  end
end
return 0
`;

/** ARGV: the entry's key. 1 when there was an entry. */
export const REMOVE = `
local P = KEYS[1]
${SETS}
for role = 1, 3 do redis.call('SREM', P .. sets[role], ARGV[1]) end
return redis.call('DEL', P .. ARGV[1])
`;
