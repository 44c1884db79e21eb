import assert from "node:assert/strict";
import { renderRows, timesBetter } from "../../scripts/bench.ts";

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
