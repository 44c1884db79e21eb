/** The one table of fields: defaults that hold, values that are read back, and the page that documents it. */
import assert from "node:assert/strict";
import { Fields } from "../../../lib/deployment/mod.ts";
import { type FieldTable, readAt, VISOR_FIELDS } from "../../../lib/visor/config/mod.ts";

const table: FieldTable = VISOR_FIELDS;
const rows = Object.entries(table);

/** A configuration with one value. */
function holding(path: string, value: unknown): Fields {
  const raw = path.split(".").reduceRight<unknown>((inner, name) => ({ [name]: inner }), value);
  return new Fields("v.json", raw, "");
}

Deno.test("every field is read where it is absent, and what the table generates or calls a default is taken", () => {
  assert(rows.length > 120, `${rows.length} fields`);
  for (const [path, { type, generated }] of rows) {
    const absent = readAt(new Fields("v.json", {}, ""), path, type);
    if (type.absent !== undefined) {
      assert.deepEqual(
        readAt(holding(path, type.absent), path, type),
        absent,
        `${path}: the default is the default`,
      );
    }
    if (generated !== undefined) readAt(holding(path, generated), path, type);
    readAt(holding(path, null), path, type);
  }
});

Deno.test("a text of the command line is taken by the field, or is none of its values", () => {
  for (const [path, { type }] of rows) {
    for (const text of ["", "x", "1", "true", "[]", "{}", "10s", ":80", "0".repeat(64)]) {
      const value = type.fromText(text);
      if (value === undefined) continue;
      try {
        readAt(holding(path, value), path, type);
      } catch (error) {
        assert.match(String(error), /ConfigError/, `${path} ${text}`);
      }
    }
  }
});

/** As the page shows a default. */
const shown = (value: unknown) =>
  value === undefined ? "" : `\`${typeof value === "string" ? value : JSON.stringify(value)}\``;

/** The rows of the page: fields in lists have a row of their own. */
function documented(from: FieldTable, prefix = ""): string[] {
  return Object.entries(from).flatMap(([path, { type, about, isUsed }]) => [
    [`\`${prefix}${path}\``, type.rule, shown(type.absent), (isUsed ? "" : "(kept) ") + about].join(" | "),
    ...(type.items === undefined ? [] : documented(type.items, `${prefix}${path}[].`)),
  ]);
}

Deno.test("docs/configuration.md has the table, row for row", async () => {
  const page = await Deno.readTextFile(new URL("../../../docs/configuration.md", import.meta.url));
  const found = page.split("\n").filter((line) => /^\| `[a-z]/.test(line))
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()).join(" | "))
    .filter((line) => line.split(" | ").length >= 4);
  assert.deepEqual(found, documented(table));
});
