/** Counts of what is alive. @module */
import assert from "node:assert/strict";
import { Ledger } from "../../lib/base/mod.ts";

Deno.test("Ledger counts by kind, and takes each count back once", () => {
  const ledger = new Ledger();
  const [first, second] = [ledger.open("timer"), ledger.open("timer")];
  const socket = ledger.open("socket");
  first();
  first();
  assert.equal(ledger.count("timer"), 1);
  assert.deepEqual(Object.entries(ledger.live()), [["socket", 1], ["timer", 1]]);
  second();
  socket();
  assert.deepEqual(ledger.live(), {});
  assert.equal(ledger.count("never"), 0);
});
