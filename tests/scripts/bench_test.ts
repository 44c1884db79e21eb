import assert from "node:assert/strict";
import { parseTarget, renderRows, timesBetter } from "../../scripts/bench.ts";

Deno.test("timesBetter() knows which way is better, and says nothing without a reference", () => {
  assert.deepEqual(timesBetter({ name: "a", value: 50, unit: "ms", reference: 100, lessIsBetter: true }), 2);
  assert.deepEqual(timesBetter({ name: "a", value: 50, unit: "MB/s", reference: 100 }), 0.5);
  assert.deepEqual(timesBetter({ name: "a", value: 50, unit: "MB/s" }), undefined);
  assert.deepEqual(
    timesBetter({ name: "a", value: 0, unit: "ms", reference: 1, lessIsBetter: true }),
    undefined,
  );
});

Deno.test("renderRows() lines the figures up", () => {
  const text = renderRows([
    { name: "start", value: 38.64, unit: "ms", reference: 116, lessIsBetter: true },
    { name: "one stream", value: 12_345.6, unit: "MB/s" },
  ]);
  assert.deepEqual(text.split("\n"), [
    "start             38.6 ms            Go      116  x 3.00",
    "one stream       12346 MB/s",
  ]);
});

Deno.test("renderRows() names what the figures are held against", () => {
  const row = { name: "rate", value: 30, unit: "MB/s", reference: 20 };
  assert.match(renderRows([row], { referenceName: "other" }), /other +20 +x 1\.50$/);
});

Deno.test("parseTarget() takes KEY@HOST:PORT and nothing else", () => {
  assert.deepEqual(parseTarget("02ab@127.0.0.1:8081", 7), {
    publicKey: "02ab",
    address: "127.0.0.1:8081",
    pid: 7,
  });
  for (const text of ["", "02ab", "02ab@host", "@host:1", "host:1"]) {
    assert.throws(() => parseTarget(text), SyntaxError, text);
  }
});
