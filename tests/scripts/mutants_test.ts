import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import {
  applyMutant,
  copyTree,
  loadMutants,
  type Mutant,
  type MutantResult,
  NO_ROW,
  parseMutants,
  renderResults,
  runDenoTest,
  summarise,
  tryMutants,
} from "../../scripts/mutants.ts";

const mutant: Mutant = {
  row: "X-1",
  file: "sum.ts",
  find: "a + b",
  replace: "a - b",
  tests: ["sum_test.ts"],
};

Deno.test("applyMutant() refuses a text that is gone, ambiguous, or no change", () => {
  assert.deepEqual(applyMutant("a * b", mutant), { error: "the text is no longer found" });
  assert.match(JSON.stringify(applyMutant("a + b; a + b", mutant)), /found 2 times/);
  assert.match(JSON.stringify(applyMutant("a + b", { ...mutant, occurrence: 2 })), /found only 1 times/);
  assert.deepEqual(applyMutant("a + b", { ...mutant, replace: "a + b" }), {
    error: "the mutant changes nothing",
  });
  assert.deepEqual(applyMutant("a + b", { ...mutant, find: "" }), { error: "the mutant changes nothing" });
});

Deno.test("applyMutant() changes the one place, or the occurrence that is named, and takes $ literally", () => {
  assert.deepEqual(applyMutant("return a + b;", mutant), { text: "return a - b;" });
  assert.deepEqual(applyMutant("a + b; a + b", { ...mutant, occurrence: 2 }), { text: "a + b; a - b" });
  assert.deepEqual(applyMutant("a + b", { ...mutant, replace: "$&" }), { text: "$&" });
});

Deno.test("parseMutants() names the file, the mutant and the rule that is broken", () => {
  assert.throws(() => parseMutants("{}", "x.json"), /x\.json: must be a list/);
  const wrong: [object, RegExp][] = [
    [{ ...mutant, find: 3 }, /mutant 2: find must be a text/],
    [{ ...mutant, tests: [] }, /tests must be a list of paths/],
    [{ ...mutant, occurrence: 0 }, /occurrence must be a whole number/],
    [{ ...mutant, filter: 1 }, /filter must be a text/],
    [{ ...mutant, test: "x" }, /no field test/],
  ];
  for (const [entry, message] of wrong) {
    assert.throws(() => parseMutants(JSON.stringify([mutant, entry]), "x.json"), message);
  }
  assert.deepEqual(parseMutants(JSON.stringify([mutant]), "x.json"), [mutant]);
});

Deno.test("tryMutants() on a planted project kills what a test sees, and reports what none does", async () => {
  const planted = await Deno.makeTempDir();
  const copy = await Deno.makeTempDir();
  try {
    const source =
      "export const add = (a: number, b: number) => a + b;\nexport const half = (a: number) => a / 2;\n";
    await Deno.writeTextFile(`${planted}/sum.ts`, source);
    await Deno.writeTextFile(
      `${planted}/sum_test.ts`,
      `import { add } from "./sum.ts";
       Deno.test("adds", () => { if (add(2, 3) !== 5) throw new Error("wrong"); });`,
    );
    await Deno.writeTextFile(
      `${planted}/red_test.ts`,
      `Deno.test("red", () => { throw new Error("always"); });`,
    );
    await Deno.mkdir(`${planted}/tests/mutants`, { recursive: true });
    await Deno.writeTextFile(
      `${planted}/tests/mutants/a.json`,
      JSON.stringify([
        mutant,
        { ...mutant, row: "X-2", find: "a / 2", replace: "a / 3" },
        { ...mutant, row: "X-3", find: "a % b" },
        { ...mutant, row: "X-4", file: "gone.ts" },
        { ...mutant, row: "X-5", tests: ["red_test.ts"] },
        { ...mutant, row: "X-6", filter: "no test has this name" },
      ]),
    );
    await Deno.mkdir(`${planted}/dist`);
    await copyTree(planted, copy);
    await assert.rejects(Deno.stat(`${copy}/dist`), Deno.errors.NotFound);
    const mutants = await loadMutants(copy);
    const results = await tryMutants({ folder: copy, mutants, runTests: runDenoTest() });
    assert.deepEqual(results.map(({ row, verdict }) => [row, verdict]), [
      ["X-1", "killed"],
      ["X-2", "survived"],
      ["X-3", "stale"],
      ["X-4", "stale"],
      ["X-5", "red before"],
      ["X-6", "red before"],
    ]);
    assert.deepEqual(results.map(({ tests, filter }) => [tests, filter]), [
      [["sum_test.ts"], undefined],
      [["sum_test.ts"], undefined],
      [["sum_test.ts"], undefined],
      [["sum_test.ts"], undefined],
      [["red_test.ts"], undefined],
      [["sum_test.ts"], "no test has this name"],
    ]);
    assert.match(renderResults(results), /\n1 of 6 mutants killed$/);
    assert.deepEqual(await Deno.readTextFile(`${copy}/sum.ts`), source);
    assert.deepEqual((await loadMutants(copy, "X-2")).length, 1);
    assert.deepEqual((await loadMutants(copy, "a.json")).length, 6);
  } finally {
    await Deno.remove(planted, { recursive: true });
    await Deno.remove(copy, { recursive: true });
  }
});

/** A result of `verdict`, caught or to be caught by `tests`. */
function resultOf(
  row: string,
  verdict: MutantResult["verdict"],
  tests: string,
  filter?: string,
): MutantResult {
  const detail = verdict === "killed" ? "" : "why";
  return { row, file: "sum.ts", verdict, detail, tests: [tests], filter, tookMs: 1_250 };
}

const RESULTS = [
  resultOf("a word", "killed", "tests/word_test.ts"),
  resultOf("DC-11: twice", "killed", "tests/b_test.ts", "/^once/"),
  resultOf("DC-11: at all", "killed", "tests/a_test.ts"),
  resultOf("DC-11", "killed", "tests/a_test.ts"),
  resultOf("DC-11: never", "survived", "tests/c_test.ts"),
  resultOf("DC-2: one dial", "stale", "tests/a_test.ts"),
];

Deno.test("summarise() counts each requirement's mutants, and names the tests that caught some", () => {
  assert.deepEqual(summarise(RESULTS), [
    { id: "DC-2", mutants: 1, red: 0, caughtBy: [] },
    { id: "DC-11", mutants: 4, red: 3, caughtBy: ["a_test.ts", "b_test.ts [/^once/]"] },
    { id: NO_ROW, mutants: 1, red: 1, caughtBy: ["word_test.ts"] },
  ]);
  assert.deepEqual(summarise([]), []);
});

Deno.test("renderResults() says with each mutant which tests were to catch it, then each requirement, then the sum", () => {
  assert.equal(
    renderResults(RESULTS.slice(1, 2).concat(RESULTS.slice(4))),
    `killed        1.3 s  DC-11: twice  sum.ts  by b_test.ts [/^once/]
survived      1.3 s  DC-11: never  sum.ts  by c_test.ts: why
stale         1.3 s  DC-2: one dial  sum.ts  by a_test.ts: why
DC-2         0 of   1 red
DC-11        1 of   2 red  by b_test.ts [/^once/]
1 of 3 mutants killed`,
  );
});

Deno.test("every mutant of the project still applies", async () => {
  const project = fileURLToPath(new URL("../..", import.meta.url)).replace(/[/\\]$/, "");
  const stale: string[] = [];
  const mutants = await loadMutants(project);
  for (const each of mutants) {
    const applied = applyMutant(await Deno.readTextFile(`${project}/${each.file}`), each);
    if ("error" in applied) stale.push(`${each.row} ${each.file}: ${applied.error}`);
  }
  assert.deepEqual(stale, []);
  assert(mutants.length > 0);
});
