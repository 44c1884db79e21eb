/** One value set in any JSON text: what was laid out stays laid out. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  applyEdits,
  type JsonPath,
  parseJsonPath,
  renderJsonPath,
  setValueEdit,
} from "../../../lib/deployment/edit/mod.ts";
import { ConfigError } from "../../../lib/deployment/mod.ts";

const set = (text: string, path: JsonPath, value: unknown) =>
  applyEdits(text, [setValueEdit(text, path, value, "f.json")]);

const CASES:
  readonly (readonly [what: string, before: string, path: JsonPath, value: unknown, after: string])[] = [
    ["a number", `{ "a" :1 , "b": 2}`, ["a"], 7, `{ "a" :7 , "b": 2}`],
    ["a text by a list", `{"a":"x"}`, ["a"], ["y", "z"], `{"a":["y","z"]}`],
    ["within objects", `{"a":{"b":{"c":null}}}`, ["a", "b", "c"], true, `{"a":{"b":{"c":true}}}`],
    ["an item", `{"a":[1, 2 ,3]}`, ["a", 1], "x", `{"a":[1, "x" ,3]}`],
    ["within an item", `{"a":[{"b":1},{"b":2}]}`, ["a", 1, "b"], 3, `{"a":[{"b":1},{"b":3}]}`],
    ["the last of two members of a name", `{"a":1,"a":2}`, ["a"], 3, `{"a":1,"a":3}`],
    ["an escaped name", `{"\\u0061":1}`, ["a"], 2, `{"\\u0061":2}`],
    [
      "a new member, as the last one is laid out",
      `{\n\t"a": 1\n}\n`,
      ["b"],
      2,
      `{\n\t"a": 1,\n\t"b": 2\n}\n`,
    ],
    ["a new member in one line", `{"a":1, "b":2}`, ["c"], 3, `{"a":1, "b":2, "c": 3}`],
    ["a new member of an empty object", `{\n\t"a": {}\n}`, ["a", "b"], 1, `{\n\t"a": {\n\t\t"b": 1\n\t}\n}`],
    ["a new member of nothing", `{}`, ["a"], 1, `{"a": 1}`],
    [
      "objects that are missing",
      `{\n  "a": 1\n}`,
      ["b", "c"],
      1,
      `{\n  "a": 1,\n  "b": {\n    "c": 1\n  }\n}`,
    ],
    ["an object in the place of null", `{"a":null}`, ["a", "b"], 1, `{"a":{"b":1}}`],
    ["an item behind the last", `{"a":[1, 2]}`, ["a", 2], 3, `{"a":[1, 2, 3]}`],
    ["the first item", `{"a":[]}`, ["a", 0], 3, `{"a":[3]}`],
    [
      "a list over lines",
      `{\n\t"a": [\n\t\t1\n\t]\n}`,
      ["a"],
      [{ b: 2 }],
      `{\n\t"a": [\n\t\t{\n\t\t\t"b": 2\n\t\t}\n\t]\n}`,
    ],
    [
      "with line breaks of Windows",
      `{\r\n  "a": 1\r\n}`,
      ["b"],
      [1],
      `{\r\n  "a": 1,\r\n  "b": [\r\n    1\r\n  ]\r\n}`,
    ],
    ["the whole", ` 1 `, [], 2, ` 2 `],
  ];

for (const [what, before, path, value, after] of CASES) {
  Deno.test(`setValueEdit() sets ${what}`, () => {
    assert.equal(set(before, path, value), after);
    assert.equal(set(after, path, value), after, "the second time");
  });
}

Deno.test("setValueEdit() refuses a path through what has no such parts", () => {
  for (
    const [text, path, field] of [
      [`{"a":1}`, ["a", "b"], "a"],
      [`{"a":{"b":[]}}`, ["a", "b", "c"], "a.b"],
      [`{"a":[1]}`, ["a", 2], "a"],
      [`{"a":{}}`, ["a", 0], "a"],
    ] as const
  ) {
    assert.throws(
      () => setValueEdit(text, path, 1, "f.json"),
      (error) => error instanceof ConfigError && error.field === field && error.file === "f.json",
    );
  }
});

Deno.test("parseJsonPath() and renderJsonPath() are inverses, and what is no path is none", () => {
  for (const path of ["a", "a.b", "a[0]", "skywire-tcp.pk_table", "launcher.apps[12].args[0]", "a[1][2].b"]) {
    assert.equal(renderJsonPath(parseJsonPath(path)!), path);
  }
  assert.deepEqual(parseJsonPath("a.b[3].c"), ["a", "b", 3, "c"]);
  for (
    const none of [
      "",
      ".",
      "a.",
      ".a",
      "a..b",
      "[0]",
      "a[",
      "a[]",
      "a[x]",
      "a]b",
      "a[1]b",
      "a[1234567]",
      "x".repeat(2_000),
    ]
  ) {
    assert.equal(parseJsonPath(none), undefined, none);
  }
});

Deno.test("setValueEdit() of any object: the value is there, the rest is what it was", () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.stringMatching(/^[a-z]{1,3}$/), fc.jsonValue({ maxDepth: 2 })),
      fc.stringMatching(/^[a-z]{1,3}$/),
      fc.jsonValue({ maxDepth: 2 }),
      fc.constantFrom(undefined, 2, "\t"),
      (object, name, value, indent) => {
        const text = JSON.stringify(object, null, indent);
        const after = set(text, [name], value);
        assert.deepEqual(JSON.parse(after), JSON.parse(JSON.stringify({ ...object, [name]: value })));
        if (indent !== undefined && Object.keys(object).length > 0) {
          assert.equal(after, JSON.stringify(JSON.parse(after), null, indent), "the layout stays");
        }
      },
    ),
    { seed: 3, numRuns: 1_000 },
  );
});
