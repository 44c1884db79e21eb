import assert from "node:assert/strict";
import { PingStatistics, ROUND_TRIPS_KEPT } from "../../commands/visor/_ping_statistics.ts";

Deno.test("PingStatistics of nothing, and of one round trip", () => {
  const statistics = new PingStatistics();
  const none = { last: null, min: null, avg: null, p95: null, max: null, jitter: null };
  assert.deepEqual(statistics.figures(), { sent: 0, lost: 0, ...none });
  statistics.lost();
  assert.deepEqual(statistics.figures(), { sent: 1, lost: 1, ...none });
  statistics.reply(5);
  assert.deepEqual(statistics.figures(), {
    sent: 2,
    lost: 1,
    last: 5,
    min: 5,
    avg: 5,
    p95: 5,
    max: 5,
    jitter: null,
  });
});

Deno.test("PingStatistics: jitter is the mean step from one round trip to the next, p95 bounds 95 of 100", () => {
  const statistics = new PingStatistics();
  for (const ms of [10, 14, 12, 12]) statistics.reply(ms);
  const { avg, jitter, last, min, max } = statistics.figures();
  assert.deepEqual({ avg, jitter, last, min, max }, { avg: 12, jitter: 2, last: 12, min: 10, max: 14 });
  const hundred = new PingStatistics();
  for (let ms = 100; ms >= 1; ms--) hundred.reply(ms);
  assert.equal(hundred.figures().p95, 95);
});

Deno.test("PingStatistics counts all, and measures the newest thousand in their order", () => {
  const statistics = new PingStatistics();
  for (let ms = 0; ms < ROUND_TRIPS_KEPT + 10; ms++) statistics.reply(ms);
  assert.deepEqual(statistics.figures(), {
    sent: ROUND_TRIPS_KEPT + 10,
    lost: 0,
    last: 1_009,
    min: 10,
    avg: 509.5,
    p95: 959,
    max: 1_009,
    jitter: 1,
  });
});
