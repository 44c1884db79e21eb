/** A scope owns what it started: nothing outlives it, and nothing fails unheard. @module */
import assert from "node:assert/strict";
import { ConnClosedError, memoryPair, Scope } from "../../lib/base/mod.ts";

const untilAborted = (signal: AbortSignal): Promise<void> =>
  new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

Deno.test("Scope ends with the failure of a task, and says which", async () => {
  const scope = new Scope();
  const cause = new Error("no such server");
  scope.spawn("other", untilAborted);
  scope.spawn("dial", () => Promise.reject(cause));
  await new Promise((resolve) => scope.signal.addEventListener("abort", resolve));
  await scope[Symbol.asyncDispose]();
  assert.ok(scope.failure instanceof Error);
  assert.equal(scope.failure.message, "Task dial failed");
  assert.equal(scope.failure.cause, cause);
  assert.equal(scope.signal.reason, scope.failure);
  assert.equal(scope.live, 0);
});

Deno.test("Scope takes a throw before the first wait of a task as its failure", async () => {
  const scope = new Scope();
  scope.spawn("parse", () => {
    throw new SyntaxError("bad");
  });
  await scope[Symbol.asyncDispose]();
  assert.equal((scope.failure as Error).message, "Task parse failed");
});

Deno.test("Scope takes what follows from its end for no failure", async () => {
  const scope = new Scope();
  const [near, far] = memoryPair();
  scope.spawn("reason", untilAborted);
  scope.spawn("abort", (signal) =>
    untilAborted(signal).catch(() => {
      throw new DOMException("over", "AbortError");
    }));
  scope.spawn("read", async (signal) => {
    signal.addEventListener("abort", () => near.close(signal.reason));
    await near.read();
  });
  const reason = new Error("shutting down");
  scope.end(reason);
  await scope[Symbol.asyncDispose]();
  assert.equal(scope.failure, undefined);
  far.close();
});

Deno.test("Scope tells a failure on the way out", async () => {
  const scope = new Scope();
  scope.spawn("flush", (signal) =>
    untilAborted(signal).catch(() => {
      throw new TypeError("a bug in the clean-up");
    }));
  const reason = new Error("shutting down");
  scope.end(reason);
  await scope[Symbol.asyncDispose]();
  assert.equal((scope.failure as Error).message, "Task flush failed");
  assert.equal(scope.signal.reason, reason); // the first reason stays
});

Deno.test("Scope waits for every task and child, also for those made while it ends", async () => {
  const scope = new Scope();
  const done: string[] = [];
  const child = new Scope(scope);
  const grandchild = new Scope(child);
  grandchild.spawn("deep", (signal) => untilAborted(signal).catch(() => void done.push("deep")));
  scope.spawn("late", (signal) =>
    untilAborted(signal).catch(async () => {
      await Promise.resolve();
      const late = new Scope(scope);
      assert.ok(late.signal.aborted);
      late.spawn("later", async () => {
        await new Promise((resolve) => setImmediate(resolve));
        done.push("later");
      });
    }));
  assert.equal(scope.live, 2);
  await scope[Symbol.asyncDispose]();
  assert.deepEqual(done.sort(), ["deep", "later"]);
  assert.equal(scope.live, 0);
});

Deno.test("Scope frees a child that ended, and a child's end is not its parent's", async () => {
  const parent = new Scope();
  for (let count = 0; count < 100; count++) {
    await using child = new Scope(parent);
    child.spawn("fails", () => Promise.reject(new Error("one bad peer")));
  }
  assert.equal(parent.signal.aborted, false);
  assert.equal(parent.live, 0);
  await parent[Symbol.asyncDispose]();
});

Deno.test("Scope below an ended one is ended with its reason", async () => {
  const parent = new Scope();
  const reason = new ConnClosedError();
  parent.end(reason);
  const child = new Scope(parent);
  assert.equal(child.signal.reason, reason);
  await parent[Symbol.asyncDispose]();
});
