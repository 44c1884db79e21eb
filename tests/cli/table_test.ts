import assert from "node:assert/strict";
import { renderFields, renderTable } from "../../lib/cli/table.ts";

Deno.test("renderTable() aligns columns by blanks, with nothing at line ends", () => {
  const text = renderTable(["server", { head: "streams", align: "right" }, "state"], [
    ["02b9434e", 7, "live"],
    ["03aa", 12_000, ""],
  ]);
  assert.deepEqual(text.split("\n"), [
    "server    streams  state",
    "02b9434e        7  live",
    "03aa        12000",
  ]);
});

Deno.test("renderTable() without rows is its headings", () => {
  assert.deepEqual(renderTable(["a", "b"], []), "a  b");
});

Deno.test("renderTable() lets no control byte of a peer through to the terminal", () => {
  const text = renderTable(["name"], [["evil\x1b[2J\nline\x9b"]]);
  assert.deepEqual(text, "name\nevil\\x1b[2J\\x0aline\\x9b");
});

Deno.test("renderTable() counts wide characters as two columns", () => {
  assert.deepEqual(renderTable(["name", "n"], [["日本", 1], ["abc", 2]]), "name  n\n日本  1\nabc   2");
});

Deno.test("renderFields() aligns the values", () => {
  assert.deepEqual(renderFields([["key", "02"], ["sessions", 2]]), "key:      02\nsessions: 2");
});
