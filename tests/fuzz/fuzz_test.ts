/** Every decoder gives a value or a typed error for any input, in bounded time and memory. */
import assert from "node:assert/strict";
import { fuzz } from "./_target.ts";
import { FUZZ_TARGETS } from "./targets/mod.ts";

/** Each, the same ones in every run. `deno task fuzz` draws others, and more. */
const RUNS = 2_000;
const SEED = 20_261_121;

for (const target of FUZZ_TARGETS) {
  const missing = target.missing === undefined ? "" : ` (skipped: ${target.missing})`;
  Deno.test({
    name: `fuzz ${target.name}: ${RUNS} inputs${missing}`,
    ignore: target.missing !== undefined,
    async fn() {
      const { ran, values, refusals, finding } = await fuzz(target, { runs: RUNS, seed: SEED });
      assert.equal(finding, undefined, finding);
      assert.equal(ran, RUNS);
      // Mutants that are all refused, or all taken, would test one half of the decoder.
      assert(values >= RUNS / 100, `${values} values, ${JSON.stringify(refusals)}`);
      assert.equal(ran - values > RUNS / 100, target.refuses ?? true, JSON.stringify(refusals));
    },
  });
}

Deno.test("every fuzz target has a name of its own", () => {
  assert.equal(new Set(FUZZ_TARGETS.map(({ name }) => name)).size, FUZZ_TARGETS.length);
  assert(FUZZ_TARGETS.length >= 45, `${FUZZ_TARGETS.length} targets`);
});
