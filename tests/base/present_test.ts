/** present(): optional members are absent, not undefined. */
import assert from "node:assert/strict";
import { present } from "../../lib/base/mod.ts";

Deno.test("present() leaves out what is undefined, and nothing else, in the order given", () => {
  const made = present({ b: 0, gone: undefined, a: "", none: null, off: false });
  assert.deepEqual(Object.entries(made), [["b", 0], ["a", ""], ["none", null], ["off", false]]);
  assert.equal("gone" in made, false);
});

Deno.test("present() of nothing adds nothing, and hides nothing that stands before it", () => {
  const name: string | undefined = undefined;
  assert.deepEqual({ name: "given before", ...present({ name }) }, { name: "given before" });
  assert.deepEqual(present({}), {});
});
