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

/**
 * KEYS: the entry's key, then {@link ROLE_SETS}. ARGV: text, time to live in ms, "1" if a text must be stored
 * now, that text, then one flag per role. 1: stored; 0: another text is there.
 */
export const PUT = `
local stored = redis.call('GET', KEYS[1])
if ARGV[3] == '1' then
  if stored ~= ARGV[4] then return 0 end
elseif stored then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
for role = 1, 3 do
  redis.call(ARGV[4 + role] == '1' and 'SADD' or 'SREM', KEYS[1 + role], KEYS[1])
end
return 1
`;

/** KEYS as in {@link PUT}. 1 when there was an entry. */
export const REMOVE = `
for role = 1, 3 do redis.call('SREM', KEYS[1 + role], KEYS[1]) end
return redis.call('DEL', KEYS[1])
`;

/**
 * KEYS: one set. ARGV: members whose entry was missing. Drops those that are still missing: an entry that came
 * back since stays a member.
 */
export const DROP = `
for _, key in ipairs(ARGV) do
  if redis.call('EXISTS', key) == 0 then redis.call('SREM', KEYS[1], key) end
end
return 0
`;
