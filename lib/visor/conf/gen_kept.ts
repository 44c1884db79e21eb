/**
 * What a configuration made anew takes over from the one before: every member that no table knows, wherever it is, and
 * known ones that a new configuration says nothing of.
 *
 * @module
 */
import { DEPLOYMENT_FIELDS } from "../config/mod.ts";
import { currentName, isAroundFields, isObject, rowOf, TABLE } from "./known_fields.ts";

type JsonObject = Readonly<Record<string, unknown>>;

/** Puts them into the new one. */
export function keepOthers(into: Record<string, unknown>, old: JsonObject, prefix = ""): void {
  for (const [name, value] of Object.entries(old)) {
    const path = prefix === "" ? name : `${prefix}.${name}`;
    const isName = /^[^.[\]]+$/.test(name); // else it only looks like a path
    const row = isName ? rowOf(path) : undefined;
    if (row !== undefined) {
      const isMadeAnew = row.isUsed || row.generated !== undefined ||
        DEPLOYMENT_FIELDS.has(currentName(path));
      if (!isMadeAnew) putIfNone(into, name, value);
      else if (path === LISTED_BY_KEY) keepInList(into[name], value, { table: row.type.items, by: "static" });
    } else if (!isName || !isAroundFields(path)) putIfNone(into, name, value);
    else if (isObject(value)) keepWithin(into, name, (inner) => keepOthers(inner, value, path));
  }
}

/** Servers that stay are told by their keys. The other lists of objects are kept as they are, or by `keepApps`. */
const LISTED_BY_KEY = "dmsg.servers";

/** The new apps, each with what the older one of its name has besides, and those of the older that are not among them. */
export function keepApps(apps: readonly { readonly name: string }[], old: unknown): unknown[] {
  if (!Array.isArray(old)) return [...apps];
  const made = apps.map((app) => ({ ...app }));
  keepInList(made, old, { table: TABLE["launcher.apps"]!.type.items, by: "name" });
  const names = new Set<unknown>(apps.map(({ name }) => name));
  return [...made, ...old.filter((app) => isObject(app) && !names.has(app["name"]))];
}

/** Into each object of a list what the older one that has the same value of `by` has besides the table's fields. */
function keepInList(
  into: unknown,
  old: unknown,
  { table = {}, by }: { readonly table?: Readonly<Record<string, unknown>>; readonly by: string },
): void {
  if (!Array.isArray(into) || !Array.isArray(old)) return;
  const made = new Map<unknown, Record<string, unknown>>(
    into.filter(isObject).map((item) => [item[by], item as Record<string, unknown>]),
  );
  for (const before of old) {
    const item = isObject(before) ? made.get(before[by]) : undefined;
    if (item !== undefined) keepMembers(item, before, table, "");
  }
}

function keepMembers(
  into: Record<string, unknown>,
  old: JsonObject,
  table: JsonObject,
  prefix: string,
): void {
  for (const [name, value] of Object.entries(old)) {
    const path = prefix + name;
    const isName = !name.includes(".");
    if (isName && Object.hasOwn(table, path)) continue; // said anew
    if (!isName || !Object.keys(table).some((known) => known.startsWith(`${path}.`))) {
      putIfNone(into, name, value);
    } else if (isObject(value)) {
      keepWithin(into, name, (inner) => keepMembers(inner, value, table, `${path}.`));
    }
  }
}

/** Lets `keep` add to a copy of the object that `into` has at `name`, or to a new one, which is there if it has any. */
function keepWithin(
  into: Record<string, unknown>,
  name: string,
  keep: (inner: Record<string, unknown>) => void,
): void {
  const inner: Record<string, unknown> = { ...(isObject(into[name]) ? into[name] : {}) };
  keep(inner);
  if (Object.keys(inner).length > 0) into[name] = inner;
}

/** Names such as `__proto__` and `toString` are members as any other. */
function putIfNone(into: Record<string, unknown>, name: string, value: unknown): void {
  if (Object.hasOwn(into, name) && into[name] !== null && into[name] !== undefined) return;
  Object.defineProperty(into, name, { value, enumerable: true, configurable: true, writable: true });
}
