/** The verdicts of the soak runs. */
import assert from "node:assert/strict";
import {
  complaintsOf as complaintsOfChurn,
  heapSlopePerHour,
  type MinuteRow,
  slopePerHour,
} from "./churn.ts";
import { complaintsOf, type StreamsRow } from "./streams.ts";

const row = (changes: Partial<StreamsRow> = {}): StreamsRow => ({
  streams: 2_000,
  heapMb: 9,
  rssMb: 180,
  handles: 29,
  perSecond: 1_000,
  ...changes,
});

Deno.test("soak streams: growth, handles and living streams are complaints", () => {
  assert.deepEqual(complaintsOf([row(), row({ heapMb: 9.9, rssMb: 300 })]), []);
  assert.match(complaintsOf([row(), row({ heapMb: 10.1 })]).join(), /grew by 1\.10 MB/);
  assert.match(complaintsOf([row(), row({ handles: 31 })]).join(), /2 handles more/);
  assert.match(complaintsOf([row()], { muxStreams: 3 }).join(), /3 mux streams/);
  assert.match(
    complaintsOf([row()], { failures: ["Reset", "Late"] }).join(),
    /2 streams failed, the first: Reset/,
  );
});

Deno.test("slopePerHour() is that of the line through one figure a minute", () => {
  assert.equal(slopePerHour([100, 101, 102, 103]), 60);
  assert.equal(slopePerHour([5, 5, 5]), 0);
  assert.equal(slopePerHour([7]), 0);
  assert(Math.abs(slopePerHour([10, 12, 9, 11, 10, 12])) < 15);
});

Deno.test("heapSlopePerHour() tells growth from the streams of a burst", () => {
  // As one run had them: minute 10 fell into a burst.
  const streams = [85, 149, 95, 515, 189, 814, 757, 110, 128, 1742];
  const heap = [13.4, 13.9, 13.8, 15.7, 14, 16, 17.4, 13.5, 13.7, 23.7];
  const rows = heap.map((heapMb, minute) => ({ heapMb, muxStreams: streams[minute]! }));
  assert(Math.abs(heapSlopePerHour(rows)) < 5, String(heapSlopePerHour(rows)));
  const leaking = rows.map(({ heapMb, muxStreams }, minute) => ({ heapMb: heapMb + minute / 2, muxStreams }));
  assert(Math.abs(heapSlopePerHour(leaking) - heapSlopePerHour(rows) - 30) < 1e-9);
  assert.equal(heapSlopePerHour(rows.slice(0, 1)), 0);
  assert.equal(heapSlopePerHour([1, 2, 3, 4].map((heapMb) => ({ heapMb, muxStreams: 7 }))), 60);
});

Deno.test("soak: errors, a growing heap and what is left at rest are complaints", () => {
  const rows = Array.from({ length: 6 }, (_, minute) => ({ minute } as MinuteRow));
  const good = {
    rows,
    rssMbPerHour: 50,
    heapMbPerHour: 3,
    streams: 100_000,
    errors: 5,
    reasons: {},
    before: { heapMb: 8, handles: 25 },
    atRest: { heapMb: 12, handles: 25, live: { listener: 1 } },
  };
  assert.deepEqual(complaintsOfChurn(good), []);
  assert.match(complaintsOfChurn({ ...good, errors: 11 }).join(), /11 errors in 100000/);
  assert.match(complaintsOfChurn({ ...good, streams: 0, errors: 0 }).join(), /no stream/);
  assert.match(complaintsOfChurn({ ...good, heapMbPerHour: 21 }).join(), /grows by 21\.0 MB\/h/);
  const left = { ...good.atRest, handles: 26, heapMb: 21, live: { "yamux-stream": 2 } };
  assert.match(
    complaintsOfChurn({ ...good, atRest: left }).join(),
    /1 handles too many.*13\.0 MB of heap more.*2 yamux-stream alive/,
  );
});
