/** Lists of dmsg servers in any file: only their bytes change (CL-3). */
import assert from "node:assert/strict";
import fc from "fast-check";
import { keyPairFromSeed } from "../../../lib/crypto/mod.ts";
import {
  applyEdits,
  countServerArrays,
  JSON_DEPTH_MAX,
  type ListedServer,
  NoServerArrayError,
  NoServersListedError,
  renderDiff,
  serverArrayEdits,
} from "../../../lib/deployment/edit/mod.ts";
import { ConfigError, parseDeployments } from "../../../lib/deployment/mod.ts";

const vector = JSON.parse(
  Deno.readTextFileSync(new URL("../../vectors/resolver/conf-pull.json", import.meta.url)),
);
const sorted: ListedServer[] = vector.servers_as_fetched
  .map(({ static: publicKey, address }: { static: string; address: string }) => ({ publicKey, address }))
  .sort((a: ListedServer, b: ListedServer) => a.publicKey < b.publicKey ? -1 : 1);

const patched = (text: string, servers = sorted) =>
  applyEdits(text, serverArrayEdits(text, servers, "f.json"));

/** What stands in the place of each list in what the edits leave alone. */
const GAP = "\u0000";
function outside(text: string): string {
  const edits = serverArrayEdits(text, sorted, "f.json");
  return applyEdits(text, edits.map((edit) => ({ ...edit, text: GAP })));
}

Deno.test("serverArrayEdits() of the recorded file: its bytes, in the order of the keys", () => {
  assert.equal(vector.case_counts.cases, 1);
  const edits = serverArrayEdits(vector.file_before, sorted, "f.json");
  assert.equal(edits.length, vector.arrays_replaced);
  assert.equal(applyEdits(vector.file_before, edits), vector.file_after);
  assert.equal(patched(vector.file_after), vector.file_after, "the second time");
});

Deno.test("serverArrayEdits() refuses to wipe, in the words of every program", () => {
  assert.throws(() => serverArrayEdits(vector.file_before, [], "f.json"), (error) => {
    assert(error instanceof NoServersListedError);
    assert.equal(error.message, vector.no_servers_error);
    return true;
  });
});

for (const name of ["services-config-2026-04.json", "services-config-2026-latest.json"]) {
  Deno.test(`serverArrayEdits() of ${name}: both deployments have the servers, and nothing else is another`, () => {
    const text = Deno.readTextFileSync(new URL(`../../vectors/deployment/${name}`, import.meta.url));
    const after = patched(text);
    const [before, now] = [parseDeployments(text), parseDeployments(after)];
    for (const deployment of ["prod", "test"]) {
      assert.deepEqual(now[deployment]!.dmsgServers, sorted);
      assert.deepEqual({ ...now[deployment], dmsgServers: [] }, { ...before[deployment], dmsgServers: [] });
    }
    assert.equal(outside(after), outside(text));
    assert(after.endsWith("}\n"));
  });
}

const LIST = `[
      {
        "static": "${sorted[0]!.publicKey}",
        "server": {
          "address": "${sorted[0]!.address}"
        }
      }
    ]`;
const indented = (indent: string, lineBreak = "\n") =>
  LIST.split("\n").map((line, index) => index === 0 ? line : indent + line.slice(4)).join(lineBreak);

/** A layout, and what it becomes with one server. */
const LAYOUTS: readonly (readonly [what: string, before: string, after: string])[] = [
  ["one line", `{"dmsg_servers":[{"static":"x"}],"b" :1}`, `{"dmsg_servers":${indented("")},"b" :1}`],
  ["an empty list", `{ "dmsg_servers" : [ ] }`, `{ "dmsg_servers" : ${indented("")} }`],
  ["the list at the top", `{\n  "dmsg_servers": [\n]\n}`, `{\n  "dmsg_servers": ${indented("  ")}\n}`],
  [
    "tabs",
    `{\n\t"a": {\n\t\t"dmsg_servers": [1,\n2]}}\n`,
    `{\n\t"a": {\n\t\t"dmsg_servers": ${indented("\t\t")}}}\n`,
  ],
  [
    "line breaks of Windows",
    `{\r\n  "dmsg_servers": []\r\n}\r\n`,
    `{\r\n  "dmsg_servers": ${indented("  ", "\r\n")}\r\n}\r\n`,
  ],
  ["a mark at the start", `\uFEFF{"dmsg_servers":[]}`, `\uFEFF{"dmsg_servers":${indented("")}}`],
  ["an escaped name", `{"dmsg\\u005fservers":[]}`, `{"dmsg\\u005fservers":${indented("")}}`],
  ["in a list", `[[{"dmsg_servers":[]}],{"a":2}]`, `[[{"dmsg_servers":${indented("")}}],{"a":2}]`],
  [
    "the name in a text",
    `{"a":"\\"dmsg_servers\\": []","dmsg_servers":[]}`,
    `{"a":"\\"dmsg_servers\\": []","dmsg_servers":${indented("")}}`,
  ],
  [
    "brackets in texts",
    `{"dmsg_servers":["]","[\\"]\\\\"],"b":"]"}`,
    `{"dmsg_servers":${indented("")},"b":"]"}`,
  ],
  ["lists within the list", `{"dmsg_servers":[{"dmsg_servers":[]},[]]}`, `{"dmsg_servers":${indented("")}}`],
  [
    "what is no list, and a list within it",
    `{"dmsg_servers":{"dmsg_servers":[]}}`,
    `{"dmsg_servers":{"dmsg_servers":${indented("")}}}`,
  ],
  [
    "twice in one object",
    `{"dmsg_servers":[1],"dmsg_servers":[]}`,
    `{"dmsg_servers":${indented("")},"dmsg_servers":${indented("")}}`,
  ],
  [
    "numbers as nobody writes them",
    `{"a":1E+2,"dmsg_servers":[],"b":-0.0}`,
    `{"a":1E+2,"dmsg_servers":${indented("")},"b":-0.0}`,
  ],
  [
    "letters of every kind",
    `{"ключ":"\u{1F600}","dmsg_servers":[]}`,
    `{"ключ":"\u{1F600}","dmsg_servers":${indented("")}}`,
  ],
];

for (const [what, before, after] of LAYOUTS) {
  Deno.test(`serverArrayEdits() in another layout: ${what}`, () => {
    assert.equal(patched(before, sorted.slice(0, 1)), after);
    JSON.parse(after.replace("\uFEFF", ""));
  });
}

const REFUSED:
  readonly (readonly [what: string, text: string, error: typeof ConfigError | typeof NoServerArrayError])[] =
    [
      ["no list", `{"a":[]}`, NoServerArrayError],
      ["a null", `{"dmsg_servers":null}`, NoServerArrayError],
      ["a number", `7`, NoServerArrayError],
      ["the name as a value", `{"a":"dmsg_servers"}`, NoServerArrayError],
      ["an empty file", ``, ConfigError],
      ["half a file", `{"dmsg_servers":[`, ConfigError],
      ["a comment", `{"dmsg_servers":[] /* all */}`, ConfigError],
      ["a comma too many", `{"dmsg_servers":[],}`, ConfigError],
      ["two documents", `{"dmsg_servers":[]}{}`, ConfigError],
      ["too deep", "[".repeat(JSON_DEPTH_MAX + 2) + "]".repeat(JSON_DEPTH_MAX + 2), ConfigError],
      ["very much too deep", "[".repeat(1e6) + "]".repeat(1e6), ConfigError],
      ["too large", `{"dmsg_servers":[]${" ".repeat(5e6)}}`, ConfigError],
    ];

for (const [what, text, kind] of REFUSED) {
  Deno.test(`serverArrayEdits() refuses ${what}`, () => {
    assert.throws(() => serverArrayEdits(text, sorted, "f.json"), kind);
  });
}

Deno.test("serverArrayEdits() refuses what would become too large, however many lists and however far in", () => {
  const many = `[${Array(100_000).fill('{"dmsg_servers":[]}').join(",")}]`;
  const farIn = `{\n${" ".repeat(1e6)}"dmsg_servers":[]}`;
  for (const text of [many, farIn]) {
    assert.throws(() => serverArrayEdits(text, sorted, "f.json"), /with the servers it would be too large/);
  }
});

Deno.test("serverArrayEdits() says the file in the words of every program", () => {
  assert.throws(() => serverArrayEdits("{}", sorted, "a b.json"), {
    message: "no dmsg_servers array found in a b.json",
  });
});

/** JSON with blanks wherever JSON allows them, and lists of servers here and there. */
const blanks = fc.stringMatching(/^[ \t\r\n]{0,3}$/);
const scalar = fc.oneof(
  fc.jsonValue({ maxDepth: 0 }).map((value) => JSON.stringify(value)),
  fc.constantFrom("1e5", "-0", '"\\u0041"', '"]"', '"\\\\"'),
);
const { value: anyJson } = fc.letrec<{ value: string }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    scalar,
    fc.tuple(blanks, fc.array(fc.tuple(tie("value"), blanks), { maxLength: 4 }))
      .map(([gap, items]) => `[${gap}${items.map(([item, after]) => item + after).join("," + gap)}]`),
    fc.tuple(
      blanks,
      fc.array(fc.tuple(fc.oneof(fc.constant("dmsg_servers"), fc.string()), blanks, tie("value")), {
        maxLength: 4,
      }),
    ).map(([gap, members]) =>
      `{${gap}${
        members.map(([name, after, item]) => JSON.stringify(name) + after + ":" + gap + item).join(gap + ",")
      }${gap}}`
    ),
  ),
}));

Deno.test("serverArrayEdits() of any JSON: every list is the servers, every byte outside is what it was", () => {
  let lists = 0;
  fc.assert(
    fc.property(anyJson, (text) => {
      const count = countServerArrays(text, "f.json");
      if (count === 0) {
        return assert.throws(() => serverArrayEdits(text, sorted, "f.json"), NoServerArrayError);
      }
      lists += count;
      const after = patched(text);
      assert.equal(outside(after), outside(text));
      assert.equal(countServerArrays(after, "f.json"), count);
      const found: unknown[] = [];
      JSON.stringify(JSON.parse(after), (name, value) => {
        if (name === "dmsg_servers" && Array.isArray(value)) found.push(value);
        return value;
      });
      for (const list of found) {
        assert.deepEqual(
          list,
          sorted.map(({ publicKey, address }) => ({ static: publicKey, server: { address } })),
        );
      }
      assert.equal(patched(after), after);
    }),
    { seed: 7, numRuns: 2_000 },
  );
  assert(lists > 300, `${lists} lists`);
});

/** A file of `count` lines, each in another layout, a list here and there, line breaks of Windows in its second half. */
function oddFile(count: number): { text: string; lists: number } {
  const blanks = ["", " ", "   ", "\t", " \t "];
  const values = [
    "1E+2",
    "-0.0",
    "true",
    '"a]b[{"',
    "[ 1,\t2 ]",
    "{ }",
    '"\\u00e4\\\\\\""',
    '"знач \u{1F600}"',
  ];
  const blocks = [
    [`"b":{"dmsg_servers"`, " ", ":", "\t[", `{"static":"x"}`, "\t,1", "]", "},"],
    [`\t\t"b" : { "a":[1,2 ,3], "dmsg_servers":[{"static":"00"}], "z":0 },`],
    [`    "b": {`, `    "dmsg_servers": [`, `      {`, `      }`, `    ],`, `    "zzz": [1,2 ,3]`, `  },`],
    [`"b":[[{"deep":{"deeper":[`, `{"dmsg\\u005fservers" :[ ] }`, `]}}]],`],
  ];
  const lines = [`\uFEFF{ "text": "/* \\"dmsg_servers\\": [ */",`];
  let lists = 0;
  for (let index = 0; lines.length < count - 2; index++) {
    const [before, after] = [blanks[index % 5]!, blanks[index % 4]!];
    if (index % 400 === 399) lines.push(...blocks[lists++ % blocks.length]!);
    else if (index % 3 === 0) lines.push(before);
    else lines.push(`${before}"k${index}"${after}:${before}${values[index % values.length]}${after},`);
  }
  lines.push('"last" : [ ]', "   }  ");
  const half = lines.length >> 1;
  return { text: lines.slice(0, half).join("\n") + "\r\n" + lines.slice(half).join("\r\n"), lists };
}

Deno.test("serverArrayEdits() of 5,000 lines, oddly laid out: the lists, and no other byte", () => {
  const { text, lists } = oddFile(5_000);
  assert(text.split("\n").length >= 5_000 && lists >= 10, `${lists} lists`);
  const edits = serverArrayEdits(text, sorted, "f.json");
  assert.equal(edits.length, lists);
  const after = applyEdits(text, edits);
  assert.equal(outside(after), outside(text));
  assert.equal(outside(text).split(GAP).length, lists + 1);
  const diff = renderDiff(text, edits, "f.json");
  assert.equal(diff.split("\n").filter((line) => line.startsWith("@@ ")).length, lists);
  assert(diff.length < 40_000, `${diff.length} characters`);
});

Deno.test("renderDiff() shows the changed lines of each list, and no secret key that stands beside them", () => {
  const { secretKey } = keyPairFromSeed(new TextEncoder().encode("beside a list"));
  const text =
    `{\n  "sk": "${secretKey.reveal()}",\n  "dmsg_servers": [\n  ],\n  "x": 1,\n  "y": 2,\n  "z": 3\n}`;
  const diff = renderDiff(text, serverArrayEdits(text, sorted.slice(0, 1), "f.json"), "f.json");
  assert.equal(
    diff,
    [
      "--- f.json",
      "+++ f.json",
      "@@ -1,6 +1,12 @@",
      " {",
      '   "sk": "[secret key]",',
      '   "dmsg_servers": [',
      "+    {",
      `+      "static": "${sorted[0]!.publicKey}",`,
      '+      "server": {',
      `+        "address": "${sorted[0]!.address}"`,
      "+      }",
      "+    }",
      "   ],",
      '   "x": 1,',
      '   "y": 2,',
      '   "z": 3',
      "",
    ].join("\n").replace('   "z": 3\n', ""),
  );
  assert.equal(renderDiff(vector.file_after, serverArrayEdits(vector.file_after, sorted, "f"), "f"), "");
});
