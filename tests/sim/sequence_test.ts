/** The bytes of checked streams: every loss, doubling and swap is seen. */
import assert from "node:assert/strict";
import { fillSequence, firstWrong } from "../../lib/sim/_sequence.ts";

function sequence(length: number, position = 0, stream = 7): Uint8Array {
  const bytes = new Uint8Array(length);
  fillSequence(bytes, stream, "there", position);
  return bytes;
}

Deno.test("fillSequence() gives the same bytes in whatever pieces they are asked for", () => {
  const whole = sequence(200);
  for (const cut of [1, 2, 3, 4, 5, 63, 64, 199]) {
    assert.deepEqual([...sequence(cut), ...sequence(200 - cut, cut)], [...whole], `cut at ${cut}`);
    assert.equal(firstWrong(whole.subarray(cut), 7, "there", cut), -1);
  }
  assert.equal(firstWrong(new Uint8Array(0), 7, "there", 0), -1);
});

Deno.test("firstWrong() finds a changed byte, wherever it is", () => {
  for (const at of [0, 1, 2, 3, 4, 77, 199]) {
    const bytes = sequence(200);
    bytes[at]! ^= 1;
    assert.equal(firstWrong(bytes, 7, "there", 0), at);
  }
});

Deno.test("firstWrong() finds what is lost, doubled or swapped, soon after its place", () => {
  const bytes = sequence(400);
  const lost = new Uint8Array([...bytes.subarray(0, 100), ...bytes.subarray(101)]);
  const doubled = new Uint8Array([...bytes.subarray(0, 108), ...bytes.subarray(100)]);
  const swapped = new Uint8Array([
    ...bytes.subarray(0, 100),
    ...bytes.subarray(200, 300),
    ...bytes.subarray(100, 200),
    ...bytes.subarray(300),
  ]);
  for (const [wrong, from] of [[lost, 100], [doubled, 108], [swapped, 100]] as const) {
    const at = firstWrong(wrong, 7, "there", 0);
    assert.ok(at >= from && at < from + 4, String(at));
  }
});

Deno.test("two streams, and the two directions of one, have other bytes", () => {
  assert.ok(firstWrong(sequence(50, 0, 8), 7, "there", 0) >= 0);
  assert.ok(firstWrong(sequence(50), 7, "back", 0) >= 0);
});
