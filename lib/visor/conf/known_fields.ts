/**
 * Which row of the table a place in a configuration belongs to, its former names included.
 *
 * @module
 */
import { type FieldRow, type FieldTable, FORMER_NAMES, VISOR_FIELDS } from "../config/mod.ts";
import { nearest } from "./nearest.ts";

/** The table under names that are texts. */
export const TABLE: FieldTable = VISOR_FIELDS;

/** The row of a path as people write it: `launcher.apps[0].port`, `dmsgpty.whitelist`. Undefined: none. */
export function rowOf(path: string, table: FieldTable = TABLE): FieldRow<unknown> | undefined {
  const current = currentName(path);
  if (Object.hasOwn(table, current)) return table[current];
  const inList = /^([^[\]]+)\[\d+\]\.(.+)$/.exec(current);
  if (inList !== null) {
    const items = Object.hasOwn(table, inList[1]!) ? table[inList[1]!]!.type.items : undefined;
    return items === undefined ? undefined : rowOf(inList[2]!, items);
  }
  const [, around, name] = /^(.+)\.([^.]+)$/.exec(current) ?? [];
  const entries = around !== undefined && Object.hasOwn(table, around)
    ? table[around]!.type.entries
    : undefined;
  if (entries === undefined) return undefined;
  return { ...table[around!]!, type: entries, about: `${table[around!]!.about}: of ${name}` };
}

/** A path under its name of 2026. */
export function currentName(path: string): string {
  const [first = "", ...rest] = path.split(".");
  const current = Object.keys(FORMER_NAMES).find((name) => FORMER_NAMES[name] === first);
  return current === undefined ? path : [current, ...rest].join(".");
}

/** True for an object whose members the table has. */
export function isAroundFields(path: string, table: FieldTable = TABLE): boolean {
  const prefix = `${currentName(path)}.`;
  return Object.keys(table).some((name) => name.startsWith(prefix));
}

/** A path of the table that somebody may have meant. */
export function nearestField(path: string): string | undefined {
  const inList = /^([^[\]]+\[\d+\])\.(.+)$/.exec(path);
  const items = inList === null ? undefined : TABLE[inList[1]!.replace(/\[\d+\]$/, "")]?.type.items;
  if (inList !== null && items !== undefined) {
    const name = nearest(inList[2]!, Object.keys(items));
    return name === undefined ? undefined : `${inList[1]}.${name}`;
  }
  return nearest(currentName(path), Object.keys(TABLE)) ??
    Object.keys(TABLE).find((name) => name.endsWith(`.${path.slice(path.lastIndexOf(".") + 1)}`));
}

/** A value of a configuration and its path: leaves of the table's rows, of lists of objects, and what is unknown. */
export interface Leaf {
  readonly path: string;
  readonly value: unknown;
  readonly row: FieldRow<unknown> | undefined;
}

/** Every value of a configuration, each at the deepest place that the table knows, else where it is unknown. */
export function leavesOf(raw: Readonly<Record<string, unknown>>, prefix = ""): Leaf[] {
  return Object.entries(raw).flatMap(([name, value]): Leaf[] => {
    const path = prefix === "" ? name : `${prefix}.${name}`;
    const row = rowOf(path);
    if (row !== undefined) return [{ path, value, row }];
    if (isAroundFields(path) && isObject(value)) return leavesOf(value, path);
    return [{ path, value, row: undefined }];
  });
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
