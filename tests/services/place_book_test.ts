/** PlaceBook: nobody is asked twice about one address, and nobody is asked too much at once. */
import assert from "node:assert/strict";
import type { Place } from "../../lib/directory/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import {
  PLACE_MS,
  PLACE_QUESTIONS_MAX,
  PlaceBook,
  PLACES_MAX,
  RateLimit,
} from "../../lib/services/hosting/mod.ts";

Deno.test("a place is remembered for a day, also that it is not known; a failure is not", async () => {
  const clock = new VirtualClock();
  const asked: string[] = [];
  const answers: (Place | undefined | Error)[] = [{ country: "NL" }, undefined, new Error("down"), {
    country: "FR",
  }];
  const book = new PlaceBook((address) => {
    asked.push(address);
    const answer = answers.shift();
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  }, clock);
  assert.equal(book.known("a"), undefined);
  assert.deepEqual(await Promise.all([book.placeOf("a"), book.placeOf("a")]), [{ country: "NL" }, {
    country: "NL",
  }]);
  assert.deepEqual([await book.placeOf("b"), await book.placeOf("b"), asked], [undefined, undefined, [
    "a",
    "b",
  ]]);
  await assert.rejects(book.placeOf("c"), /down/);
  assert.deepEqual(await book.placeOf("c"), { country: "FR" });
  await clock.advance(PLACE_MS - 1);
  assert.deepEqual(book.known("a"), { country: "NL" });
  await clock.advance(1);
  assert.equal(book.known("a"), undefined);
});

Deno.test("so many addresses are asked about at once, and so many remembered", async () => {
  const waiting: (() => void)[] = [];
  const book = new PlaceBook(
    () => new Promise((resolve) => waiting.push(() => resolve({ country: "NL" }))),
    new VirtualClock(),
  );
  const asked = Array.from({ length: PLACE_QUESTIONS_MAX }, (_, index) => book.placeOf(`${index}`));
  await assert.rejects(book.placeOf("one more"), /too many/);
  for (const answer of waiting) answer();
  await Promise.all(asked);
  const full = new PlaceBook(() => Promise.resolve({ country: "NL" }), new VirtualClock());
  for (let index = 0; index <= PLACES_MAX; index++) await full.placeOf(`${index}`);
  assert.deepEqual([full.known("0"), full.known("1")], [undefined, { country: "NL" }]);
});

Deno.test("what is left of a rate is told without taking any", async () => {
  const clock = new VirtualClock();
  const limit = new RateLimit(clock, { perMinute: 5, burst: 5 });
  assert.deepEqual([limit.left("a"), limit.left("a"), limit.size], [5, 5, 0]);
  for (let taken = 1; taken <= 5; taken++) {
    assert.equal(limit.waitMs("a"), 0);
    assert.equal(limit.left("a"), 5 - taken);
  }
  assert.equal(limit.waitMs("a"), 12_000);
  await clock.advance(6_000);
  assert.deepEqual([limit.left("a"), limit.waitMs("a")], [0.5, 6_000]);
  await clock.advance(600_000);
  assert.equal(limit.left("a"), 5);
});
