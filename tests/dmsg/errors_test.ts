import assert from "node:assert/strict";
import { PeerError } from "../../lib/base/mod.ts";
import { DMSG_ERRORS, type DmsgCode, DmsgError, isDmsgCode } from "../../lib/dmsg/errors.ts";

const CODES = Object.keys(DMSG_ERRORS).map(Number) as DmsgCode[];

Deno.test("DmsgError speaks as peers do and has one code per number", () => {
  assert.equal(CODES.length, 23);
  for (const code of CODES) {
    const error = new DmsgError(code);
    assert.ok(error instanceof PeerError);
    assert.equal(error.message, `dmsg error ${code} - ${DMSG_ERRORS[code]}`);
    assert.equal(error.code, `DMSG_${code}`);
    assert.equal(error.dmsgCode, code);
    assert.equal(error.name, "DmsgError");
  }
  assert.equal(new DmsgError(202).message, "dmsg error 202 - cannot connect to delegated server");
});

Deno.test("DmsgError is temporary for what may pass by itself, and for nothing else", () => {
  assert.deepEqual(CODES.filter((code) => new DmsgError(code).temporary), [306, 308, 401]);
});

Deno.test("DmsgError keeps cause and hint", () => {
  const cause = new Error("below");
  const error = new DmsgError(202, { cause, hint: "try another" });
  assert.equal(error.cause, cause);
  assert.equal(error.hint, "try another");
});

Deno.test("isDmsgCode() knows the numbers of the table only", () => {
  for (const code of CODES) assert.ok(isDmsgCode(code));
  for (const code of [0, 1, 99, 104, 299, 309, 353, 402, 65_535, -1, 100.5, NaN]) {
    assert.ok(!isDmsgCode(code));
  }
});
