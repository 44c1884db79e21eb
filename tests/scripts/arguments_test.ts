/** Bad arguments of the tasks: one line, exit code 2, and nothing was begun. */
import assert from "node:assert/strict";
import { fileURLToPath } from "node:url";
import { BadArgumentError, decimalNumber, parseTask, wholeNumber } from "../../scripts/_arguments.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));

const BAD: readonly (readonly [script: string, args: readonly string[], says: RegExp])[] = [
  ["scripts/sim.ts", ["--seeds", "0"], /--seeds 0: must be 1 or more/],
  ["scripts/sim.ts", ["--seeds", "many"], /--seeds many: not a whole number/],
  ["scripts/sim.ts", ["--nonsense"], /Unknown option '--nonsense'/],
  ["scripts/fuzz.ts", ["--runs", "0"], /--runs 0: must be 1 or more/],
  ["scripts/fuzz.ts", ["no-such-target"], /No target is named no-such-target/],
  ["scripts/interop.ts", ["--pier", "x"], /Unknown option '--pier'/],
  ["scripts/mutants.ts", ["no-such-row-anywhere"], /no-such-row-anywhere: no row/],
  ["scripts/mutants.ts", ["--fast"], /Unknown option '--fast'/],
  ["tests/soak/main.ts", ["--minutes", "0"], /--minutes 0: must be above 0/],
  ["tests/soak/main.ts", ["--clients", "1.5"], /--clients 1\.5: not a whole number/],
  ["tests/soak/main.ts", ["steams"], /steams: the only word/],
];

for (const [script, args, says] of BAD) {
  Deno.test(`${script} ${args.join(" ")} is refused in one line`, async () => {
    const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--no-check", `--config=${root}deno.json`, `${root}${script}`, ...args],
      stdin: "null",
      env: { NO_COLOR: "1" },
    }).output();
    const said = new TextDecoder().decode(stderr);
    assert.match(said, says);
    assert.match(said, /^Error: [^\n]+\n$/);
    assert.deepEqual([code, stdout.length], [2, 0]);
  });
}

Deno.test("the numbers of a task's arguments", () => {
  assert.equal(wholeNumber("seeds", "25"), 25);
  assert.equal(wholeNumber("seed", "0", 0), 0);
  assert.equal(decimalNumber("minutes", "0.5", "above 0"), 0.5);
  assert.equal(decimalNumber("churn", "0", "0 or more"), 0);
  for (const bad of ["", "-1", "1e3", "1234567890", "one"]) {
    assert.throws(() => wholeNumber("seeds", bad), BadArgumentError);
    assert.throws(() => decimalNumber("rate", bad, "0 or more"), BadArgumentError);
  }
  assert.throws(() => parseTask({ args: ["word"] }), BadArgumentError);
});
