/** Building values whose optional members are absent, not undefined. @module */

/** The members that are not undefined. */
export function present<T extends object>(members: T): Partial<T> {
  const kept: Partial<T> = {};
  for (const name in members) if (members[name] !== undefined) kept[name] = members[name];
  return kept;
}
