/** The verdicts of the soak runs. */
import assert from "node:assert/strict";
import { complaintsOf as complaintsOfChurn, type MinuteRow, slopePerHour } from "./churn.ts";
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
