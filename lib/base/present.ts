/** Building values whose optional members are absent, not undefined. @module */

/** The members that are not undefined, in their order. */
export function present<T extends object>(
  members: T,
): { readonly [Name in keyof T]?: Exclude<T[Name], undefined> } {
  const kept: { [Name in keyof T]?: T[Name] } = {};
  for (const name in members) if (members[name] !== undefined) kept[name] = members[name];
  return kept as { [Name in keyof T]?: Exclude<T[Name], undefined> };
}
