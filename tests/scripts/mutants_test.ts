import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import {
  applyMutant,
  copyTree,
  loadMutants,
  type Mutant,
  parseMutants,
  renderResults,
  runDenoTest,
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
    const results = await tryMutants({ folder: copy, mutants, runTests: runDenoTest });
    assert.deepEqual(results.map(({ row, verdict }) => [row, verdict]), [
      ["X-1", "killed"],
      ["X-2", "survived"],
      ["X-3", "stale"],
      ["X-4", "stale"],
      ["X-5", "red before"],
      ["X-6", "red before"],
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
