import assert from "node:assert/strict";
import { untilInterrupt } from "../../commands/_until_interrupt.ts";
import { ProcessIo } from "../../lib/cli/mod.ts";
import { FakeTerminal } from "./_fakes.ts";

function interruptibleIo(): ProcessIo {
  const makeWorld = () => Promise.reject(new Error("no world is needed"));
  return new ProcessIo({ json: false, version: "1.2.3", terminal: new FakeTerminal(), makeWorld });
}

const never = new Promise<unknown>(() => {});

/** True once `promise` is settled, after a turn of the loop. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  promise.then(() => settled = true, () => settled = true);
  await new Promise((resolve) => setTimeout(resolve, 0));
  return settled;
}

Deno.test("untilInterrupt() ends at Ctrl-C, also at one that came while everything was starting", async () => {
  const late = interruptibleIo();
  const waiting = untilInterrupt(late, never);
  assert.equal(await isSettled(waiting), false);
  late.interrupt();
  assert.equal(await isSettled(waiting), true);
  const early = interruptibleIo();
  early.interrupt();
  assert.equal(await isSettled(untilInterrupt(early, never)), true);
});

Deno.test("untilInterrupt() ends with what ended, and throws its failure", async () => {
  await untilInterrupt(interruptibleIo(), Promise.resolve(undefined));
  const failure = new Error("a part died");
  await assert.rejects(untilInterrupt(interruptibleIo(), Promise.resolve(failure)), failure);
});
