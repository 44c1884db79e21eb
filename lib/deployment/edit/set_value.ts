/**
 * One value of a JSON text set, by its path; every other byte stays.
 *
 *     dmsg.sessions_count     launcher.apps[2].auto_start     skywire-tcp.pk_table.<key>
 *
 * @module
 */
import { ConfigError } from "../config_fields.ts";
import type { Edit } from "./edits.ts";
import { type JsonMember, type JsonNode, parseJsonTree } from "./tree.ts";
import { indentAt, lineBreakAt } from "./layout.ts";

/** Names of members, and numbers of items. */
export type JsonPath = readonly (string | number)[];

/** The path that `text` names; undefined when it names none. */
export function parseJsonPath(text: string): JsonPath | undefined {
  if (text.length > 1_000 || !/^[^.[\]]+(?:\[\d{1,6}\])*(?:\.[^.[\]]+(?:\[\d{1,6}\])*)*$/.test(text)) {
    return undefined;
  }
  return text.split(".").flatMap((part) => {
    const [name = "", ...numbers] = part.split(/[[\]]+/).filter((piece) => piece !== "");
    return [name, ...numbers.map(Number)];
  });
}

/** As people write it: the inverse of `parseJsonPath`. */
export function renderJsonPath(path: JsonPath): string {
  return path.map((step, index) => typeof step === "number" ? `[${step}]` : index === 0 ? step : `.${step}`)
    .join("");
}

/**
 * The edit that makes `value` the one at `path`; objects on the way are made where they are missing or null. Errors:
 * `ConfigError` where the path leads through a value that has no parts, or beyond the end of a list.
 */
export function setValueEdit(text: string, path: JsonPath, value: unknown, file: string): Edit {
  let node = parseJsonTree(text, file);
  for (const [depth, step] of path.entries()) {
    const at = renderJsonPath(path.slice(0, depth));
    const rest = path.slice(depth);
    if (typeof step === "number") {
      if (node.kind !== "array") throw new ConfigError(file, at, "it is no list");
      const item = node.items[step];
      if (item !== undefined) node = item;
      else if (step === node.items.length) return insertion(text, node, nested(rest.slice(1), value));
      else throw new ConfigError(file, at, `it has ${node.items.length} items, none with number ${step}`);
      continue;
    }
    if (text.slice(node.start, node.end) === "null") return replacement(text, node, nested(rest, value));
    if (node.kind !== "object") throw new ConfigError(file, at, "it is no object");
    const member = lastNamed(node.members, step);
    if (member === undefined) return insertion(text, node, nested(rest.slice(1), value), step);
    node = member.value;
  }
  return replacement(text, node, value);
}

/** Of several members with one name the last counts, as every parser has it. */
function lastNamed(members: readonly JsonMember[], name: string): JsonMember | undefined {
  return members.findLast((member) => member.name === name);
}

/** `value` within the objects and lists of `path`. */
function nested(path: JsonPath, value: unknown): unknown {
  return path.reduceRight<unknown>(
    (inner, step) => typeof step === "number" ? [inner] : { [step]: inner },
    value,
  );
}

function replacement(text: string, node: JsonNode, value: unknown): Edit {
  return {
    start: node.start,
    end: node.end,
    text: render(text, node.start, value, indentAt(text, node.start)),
  };
}

/** A member or an item behind the last one, laid out as that one is. */
function insertion(
  text: string,
  node: Exclude<JsonNode, { kind: "scalar" }>,
  value: unknown,
  name?: string,
): Edit {
  const parts = node.kind === "object" ? node.members : node.items;
  const label = name === undefined ? "" : `${JSON.stringify(name)}: `;
  const last = parts.at(-1);
  if (last === undefined) {
    const outer = indentAt(text, node.start);
    const isOneLine = !text.includes("\n");
    const inner = outer + indentUnit(text);
    const [open, close] = [text[node.start], text[node.end - 1]];
    const lineBreak = lineBreakAt(text, node.start);
    const body = label + render(text, node.start, value, inner);
    return {
      start: node.start,
      end: node.end,
      text: isOneLine ? open + body + close : open! + lineBreak + inner + body + lineBreak + outer + close,
    };
  }
  const end = "value" in last ? last.value.end : last.end;
  // What stands between the last one and what is before it also stands between the last one and the new one.
  const before = parts.at(-2);
  const from = before === undefined ? node.start + 1 : "value" in before ? before.value.end : before.end;
  const blanks = text.slice(from, last.start).replace(/^\s*,/, "");
  return {
    start: end,
    end,
    text: "," + blanks + label + render(text, last.start, value, indentAt(text, last.start)),
  };
}

/** The text of a value whose first line is indented by `indent`. */
function render(text: string, at: number, value: unknown, indent: string): string {
  const unit = text.includes("\n") ? indentUnit(text) : "";
  return JSON.stringify(value, null, unit).split("\n").join(lineBreakAt(text, at) + indent);
}

/** What one level is indented by: a tab as in Skywire's own files, unless the text's first indented line says otherwise. */
function indentUnit(text: string): string {
  return /\n([ \t]+)\S/.exec(text)?.[1] ?? "\t";
}
