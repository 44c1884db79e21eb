/** SKYENV files: assignments are read, and nothing is ever run. */
import assert from "node:assert/strict";
import fc from "fast-check";
import {
  parseSkyenv,
  renderSkyenvTemplate,
  SKYENV_CHARS_MAX,
  SkyenvError,
} from "../../../lib/visor/conf/mod.ts";

const read = (text: string) => Object.fromEntries(parseSkyenv(text, "skywire.conf"));

const CASES: readonly (readonly [what: string, text: string, values: Record<string, readonly string[]>])[] = [
  ["plain words", "A=true\nB=80\n", { A: ["true"], B: ["80"] }],
  ["comments and empty lines", "# one\n\n  # two\nA=1 # three\n\t\n", { A: ["1"] }],
  ["quotation marks of both kinds", `A='a b $HOME'\nB="c 'd'"\nC=""\nD=\n`, {
    A: ["a b $HOME"],
    B: ["c 'd'"],
    C: [""],
    D: [""],
  }],
  ["escapes", `A="a\\"b\\\\c\\$d\\n"\nB=a\\ b\nC="x\\\ny"\n`, { A: ['a"b\\c$d\\n'], B: ["a b"], C: ["xy"] }],
  ["pieces side by side", `A='a'"b"c\n`, { A: ["abc"] }],
  ["export", "export A=1\nexport\tB=2;C=3\n", { A: ["1"], B: ["2"], C: ["3"] }],
  ["arrays", `A=( 'x y' "z" w )\nB=()\nC=('')\n`, { A: ["x y", "z", "w"], B: [], C: [""] }],
  ["arrays over lines", `A=(\n  'x' # first\n  'y'\n)\nB=1`, { A: ["x", "y"], B: ["1"] }],
  ["addresses and keys", "A=http://127.0.0.1:9090/x?y=1\nB=02ab,03cd\nC=:8080\n", {
    A: ["http://127.0.0.1:9090/x?y=1"],
    B: ["02ab,03cd"],
    C: [":8080"],
  }],
  ["the last of two", "A=1\nA=2\n", { A: ["2"] }],
  ["line breaks of Windows", "A=1\r\nB='2'\r\n", { A: ["1"], B: ["2"] }],
  ["# within a word", "A=a#b\n", { A: ["a#b"] }],
];

for (const [what, text, values] of CASES) {
  Deno.test(`parseSkyenv() reads ${what}`, () => {
    assert.deepEqual(read(text), values);
  });
}

/** What a shell would do something with. */
const REFUSED: readonly (readonly [text: string, line: number, problem: RegExp])[] = [
  ["A=1\nB=$(id)\n", 2, /\$ would be the shell's/],
  ["A=`id`", 1, /` would be the shell's/],
  ['A="$HOME/x"', 1, /in quotation marks would be the shell's/],
  ['A="x`id`"', 1, /in quotation marks/],
  ["A=${B:-1}", 1, /\$ would be/],
  ["A=1 id", 1, /a command follows the value of A/],
  ["A=1 && id", 1, /a command follows/],
  ["A=1|id", 1, /\| would be/],
  ["A=1>x", 1, /> would be/],
  ["A=1&", 1, /& would be/],
  ["\n\nid -u\n", 3, /no assignment/],
  ["if true; then A=1; fi", 1, /no assignment/],
  ["source /etc/x", 1, /no assignment/],
  ["A = 1", 1, /no assignment/],
  ["1A=1", 1, /no assignment/],
  ["A+=1", 1, /no assignment/],
  ["A[0]=1", 1, /no assignment/],
  ["A='x", 1, /never closed/],
  ['A="x\ny', 1, /never closed/],
  ["A=('x'", 1, /never closed/],
  ["A=(x $(id))", 1, /\$ would be/],
  ["A=(x)y", 1, /something follows/],
  [`A=${"x".repeat(SKYENV_CHARS_MAX)}`, 1, /are more than/],
];

for (const [text, line, problem] of REFUSED) {
  Deno.test(`parseSkyenv() refuses ${JSON.stringify(text.slice(0, 24))}, and names the line`, () => {
    assert.throws(() => parseSkyenv(text, "skywire.conf"), (error) => {
      assert(error instanceof SkyenvError);
      assert.equal(error.line, line);
      assert.match(error.message, new RegExp(`^skywire\\.conf: line ${line}: `));
      assert.match(error.message, problem);
      return true;
    });
  });
}

Deno.test("parseSkyenv() of any text is values or a SkyenvError, soon", () => {
  const piece = fc.constantFrom(
    "A=",
    "'",
    '"',
    "\\",
    "(",
    ")",
    " ",
    "\n",
    "#",
    "$",
    "x",
    ";",
    "export ",
    "=",
    "\\\\",
  );
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.array(piece).map((pieces) => pieces.join(""))), (text) => {
      try {
        for (const words of parseSkyenv(text, "f").values()) {
          for (const word of words) assert.equal(typeof word, "string");
        }
      } catch (error) {
        assert(error instanceof SkyenvError);
      }
    }),
    { seed: 5, numRuns: 2_000 },
  );
  const startedMs = performance.now();
  for (const long of ["\\", '"', "'", "(", "A=\\", 'A="\\', "A=(' "]) {
    try {
      parseSkyenv(long.repeat(SKYENV_CHARS_MAX / long.length), "f");
    } catch (error) {
      assert(error instanceof SkyenvError);
    }
  }
  assert(performance.now() - startedMs < 3_000);
});

Deno.test("renderSkyenvTemplate() is one that is read, and says nothing until its lines are used", () => {
  const template = renderSkyenvTemplate();
  assert.deepEqual(read(template), {});
  const used = read(template.replace(/^#([A-Z]+=)/gm, "$1"));
  assert(Object.keys(used).length > 20);
  assert.deepEqual([used.PKGENV, used.HYPERVISORPKS, used.SK], [["true"], [""], [""]]);
  for (const misspelt of ["PROXYSEVERPASS", "DISABLEPUBLICAUTOCONN"]) assert(misspelt in used);
});
