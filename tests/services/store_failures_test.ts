/** StoreFailures: an outage is told of, and does not drown what else is said. */
import assert from "node:assert/strict";
import { type LogRecord, logTo } from "../../lib/base/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { handlerOf, STORE_FAILURES_TOLD_MS, StoreFailures } from "../../lib/services/hosting/mod.ts";
import { StoreError } from "../../lib/services/store/mod.ts";

Deno.test("StoreFailures tells at once, then each 10 s at most with how many there were", async () => {
  const clock = new VirtualClock();
  const records: LogRecord[] = [];
  const failures = new StoreFailures(logTo((record) => records.push(record), () => 0), clock);
  const told = () => records.splice(0).map(({ message, fields }) => [message, fields.path, fields.times]);
  failures.tell(new StoreError("gone"), "/one");
  assert.deepEqual(told(), [["Store failed", "/one", 1]]);
  for (let time = 0; time < 500; time++) failures.tell(new StoreError("gone"), "/more");
  await clock.advance(STORE_FAILURES_TOLD_MS - 1);
  failures.tell(new StoreError("gone"), "/more");
  assert.deepEqual(told(), []);
  await clock.advance(1);
  failures.tell(new StoreError("gone"), "/".padEnd(1_000, "x"));
  assert.deepEqual(told(), [["Store failed", "/".padEnd(128, "x"), 502]]);
});

Deno.test("handlerOf() answers 500 each time, and says so once", async () => {
  const records: LogRecord[] = [];
  const handler = handlerOf(() => Promise.reject(new StoreError("gone")), {
    log: logTo((record) => records.push(record), () => 0),
    clock: new VirtualClock(),
  });
  for (let time = 0; time < 3; time++) {
    const body = { read: () => Promise.resolve(null) };
    const answer = await handler(
      {
        method: "GET",
        target: "/it?x",
        headers: new Headers(),
        body,
        remote: "192.0.2.1:1",
      } as unknown as Parameters<
        typeof handler
      >[0],
    );
    assert.equal(answer.status, 500);
  }
  assert.deepEqual(records.map(({ fields }) => [fields.path, fields.times]), [["/it", 1]]);
});
