import assert from "node:assert/strict";
import fc from "fast-check";
import { LimitError, MalformedError, PeerError } from "../../lib/base/mod.ts";
import { AuthenticationError } from "../../lib/crypto/mod.ts";
import {
  OBJECT_BYTES_MAX,
  ObjectOpener,
  ObjectSealer,
  REPLAY_WINDOW,
  ReplayError,
  ReplayWindow,
} from "../../lib/noise/mod.ts";
import { text } from "./support.ts";

const key = new Uint8Array(32).fill(5);

/** `count` sealed bodies, without their lengths, with counters from 1. */
function bodies(count: number): Uint8Array[] {
  const sealer = new ObjectSealer(key);
  return Array.from({ length: count }, (_, index) => sealer.seal(text(`object ${index + 1}`)).subarray(2));
}

Deno.test("ObjectOpener takes objects in any order, each once", () => {
  const [one, two, three] = bodies(3);
  const opener = new ObjectOpener(key);
  for (const [body, plain] of [[three, "object 3"], [one, "object 1"], [two, "object 2"]] as const) {
    assert.deepEqual(opener.open(body!), text(plain));
    assert.throws(() => opener.open(body!), ReplayError);
  }
});

Deno.test("ObjectOpener leaves its window alone when the tag is wrong", () => {
  const [one, two] = bodies(2);
  const opener = new ObjectOpener(key);
  const forged = one!.slice();
  forged[0] = 0x00;
  forged[1] = 0x10; // counter 2^52 + 1: believed, it would shut out everything else
  assert.throws(() => opener.open(forged), AuthenticationError);
  assert.throws(() => opener.open(two!.with(20, two![20]! ^ 1)), AuthenticationError);
  assert.deepEqual(opener.open(two!), text("object 2"));
  assert.deepEqual(opener.open(one!), text("object 1"));
});

Deno.test("ObjectOpener refuses counter 0, one behind the window, one beyond 2^53, and short bodies", () => {
  const all = bodies(REPLAY_WINDOW + 2);
  const opener = new ObjectOpener(key);
  opener.open(all.at(-1)!); // counter 1026
  assert.throws(() => opener.open(all[1]!), ReplayError); // 2 = 1026 - 1024
  assert.deepEqual(opener.open(all[2]!), text("object 3"));
  const zero = all[3]!.slice();
  zero.fill(0, 0, 8);
  assert.throws(() => opener.open(zero), ReplayError);
  const beyond = all[3]!.slice();
  beyond[1] = 0x20; // 2^53 + 4
  assert.throws(() => opener.open(beyond), LimitError);
  for (const length of [0, 1, 8, 23]) {
    assert.throws(() => opener.open(all[3]!.subarray(0, length)), MalformedError);
  }
  assert.deepEqual(opener.open(all[3]!), text("object 4"));
});

Deno.test("ObjectSealer frames up to 65535 bytes and refuses more", () => {
  const sealer = new ObjectSealer(key);
  const largest = sealer.seal(new Uint8Array(OBJECT_BYTES_MAX));
  assert.deepEqual([...largest.subarray(0, 10)], [255, 255, 0, 0, 0, 0, 0, 0, 0, 1]);
  assert.throws(() => sealer.seal(new Uint8Array(OBJECT_BYTES_MAX + 1)), RangeError);
  const empty = sealer.seal(new Uint8Array(0));
  assert.deepEqual([...empty.subarray(0, 10)], [0, 24, 0, 0, 0, 0, 0, 0, 0, 2]);
  const opener = new ObjectOpener(key);
  assert.equal(opener.open(empty.subarray(2)).length, 0);
  assert.equal(opener.open(largest.subarray(2)).length, OBJECT_BYTES_MAX);
});

Deno.test("ObjectOpener is total: any bytes are refused with a PeerError", () => {
  const opener = new ObjectOpener(key);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      assert.throws(() => opener.open(bytes), PeerError);
    }),
    { seed: 1, numRuns: 200 },
  );
});

Deno.test("ReplayWindow agrees with a set of everything that was ever marked", () => {
  const step = fc.oneof(
    fc.integer({ min: -1100, max: 40 }), // around the highest
    fc.integer({ min: 900, max: 3000 }), // jumps of about a window and more
  );
  let admitted = 0, refused = 0;
  fc.assert(
    fc.property(fc.array(step, { minLength: 150, maxLength: 200 }), (steps) => {
      const window = new ReplayWindow();
      const seen = new Set<number>();
      let highest = 0;
      for (const step of steps) {
        const counter = Math.max(0, highest + step);
        if (counter === 0 || counter <= highest - REPLAY_WINDOW || seen.has(counter)) {
          assert.throws(() => window.check(counter), ReplayError);
          refused++;
          continue;
        }
        window.check(counter);
        window.mark(counter);
        seen.add(counter);
        highest = Math.max(highest, counter);
        assert.equal(window.highest, highest);
        admitted++;
      }
    }),
    { seed: 1, numRuns: 200 },
  );
  assert.ok(admitted > 1000 && refused > 1000, `${admitted} admitted, ${refused} refused`);
});

Deno.test("ReplayWindow works up to the largest exact counter", () => {
  const window = new ReplayWindow();
  window.mark(1);
  window.mark(Number.MAX_SAFE_INTEGER);
  assert.throws(() => window.check(Number.MAX_SAFE_INTEGER), ReplayError);
  window.check(Number.MAX_SAFE_INTEGER - 1);
  assert.throws(() => window.check(Number.MAX_SAFE_INTEGER - REPLAY_WINDOW), ReplayError);
});
