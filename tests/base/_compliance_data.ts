/** Cases of the Conn contract: bytes, views, written buffers, ends. @module */
import assert from "node:assert/strict";
import { type Conn, ConnClosedError, TruncatedError } from "../../lib/base/mod.ts";
import { assertView, type Bench, Pattern, seededBelow, track } from "./_compliance_bench.ts";
import type { ComplianceCase } from "./conn_compliance.ts";

const THERE = new Pattern(11);
const BACK = new Pattern(77);
const GARBAGE = 0xee;

/** Around every border that a layer may have: one byte, a frame of noise, a window, the largest read. */
const SIZES = [1, 2, 3, 100, 4_069, 4_070, 4_071, 16_384, 65_535, 65_536, 70_000, 262_144, 300_000];

async function send(conn: Conn, pattern: Pattern, { bytes, seed }: { bytes: number; seed: number }) {
  const below = seededBelow(seed);
  for (let sent = 0; sent < bytes;) {
    const size = Math.min(SIZES[below(SIZES.length)]!, bytes - sent);
    await conn.write(pattern.bytes(sent, size));
    sent += size;
  }
}

async function receive(
  conn: Conn,
  pattern: Pattern,
  { bytes, onView = () => {} }: { bytes: number; onView?: (view: Uint8Array) => void },
) {
  for (let received = 0; received < bytes;) {
    const view = await conn.read();
    assertView(view);
    assert.ok(view !== null, `The end came after ${received} of ${bytes} bytes`);
    pattern.check(view, received);
    received += view.length;
    onView(view);
  }
}

export const DATA_CASES: readonly ComplianceCase[] = [
  {
    name: "bytes arrive whole and in order, both ways at once, whatever their sizes",
    async run(bench) {
      for (const seed of [1, 2]) {
        const bytes = Math.floor(bench.options.transferBytes / 2) + seed;
        const work = [
          send(bench.near, THERE, { bytes, seed }),
          receive(bench.far, THERE, { bytes }),
          send(bench.far, BACK, { bytes, seed: seed + 10 }),
          receive(bench.near, BACK, { bytes }),
        ];
        await bench.wait(Promise.all(work), "the transfer");
      }
    },
  },
  {
    name: "a view stays right until the next read, whatever comes or is sent meanwhile",
    async run(bench) {
      const { near, far } = bench;
      const length = 40_000;
      const writing = track(send(far, THERE, { bytes: length, seed: 3 }));
      let offset = 0;
      for (let views = 0; views < 20 && offset < length; views++) {
        const view = await bench.read(near);
        assert.ok(view !== null);
        const written = track(near.write(BACK.bytes(0, 3_000)));
        await bench.readPattern(far, BACK, { length: 3_000 });
        await bench.wait(written, "a write");
        await bench.quiet();
        THERE.check(view, offset);
        offset += view.length;
      }
      await bench.readPattern(near, THERE, { offset, length: length - offset });
      await bench.wait(writing, "the writes");
    },
  },
  {
    name: "a reader may change its view in place: what follows, and what was written, stays as it was",
    async run(bench) {
      const { near, far } = bench;
      const bytes = 300_000;
      const whole = THERE.bytes(0, bytes);
      const written = track(far.write(whole));
      const received = receive(near, THERE, { bytes, onView: (view) => view.fill(GARBAGE) });
      await bench.wait(Promise.all([received, written.promise]), "the transfer");
      THERE.check(whole, 0);
    },
  },
  {
    name: "a written buffer may be used again once its promise settled",
    async run(bench) {
      const { near, far } = bench;
      const buffer = new Uint8Array(3_000);
      const bytes = 50 * buffer.length;
      const writing = track((async () => {
        for (let offset = 0; offset < bytes; offset += buffer.length) {
          await near.write(THERE.fill(buffer, offset));
          buffer.fill(GARBAGE);
        }
      })());
      await bench.quiet(); // nothing is read before as much as possible was taken in
      await bench.readPattern(far, THERE, { length: bytes });
      await bench.wait(writing, "the writes");
    },
  },
  {
    name: "a second pending read is refused, and the first goes on",
    async run(bench) {
      const { near, far } = bench;
      const first = track(near.read());
      for (let round = 0; round < 2; round++) {
        const refused = await bench.failure(near.read(), "the second read");
        assert.ok(refused instanceof TypeError, `${refused}, where TypeError was expected`);
      }
      assert.equal(first.state, "pending");
      await bench.wait(far.write(THERE.bytes(0, 5)), "a write");
      const view = await bench.wait(first, "the first read");
      assert.ok(view !== null && view.length > 0);
      THERE.check(view, 0);
      await bench.readPattern(near, THERE, { offset: view.length, length: 5 - view.length });
    },
  },
  {
    name: "100 concurrent writes arrive contiguous and in the order of the calls",
    async run(bench) {
      const { near, far } = bench;
      const below = seededBelow(5);
      const writes = [];
      let bytes = 0;
      for (let count = 0; count < 100; count++) {
        const length = below(10_000);
        writes.push(near.write(THERE.bytes(bytes, length)));
        bytes += length;
      }
      const all = track(Promise.all(writes));
      await bench.readPattern(far, THERE, { length: bytes });
      await bench.wait(all, "the writes");
    },
  },
  {
    name: "an empty write sends nothing",
    async run(bench) {
      const { near, far } = bench;
      const reading = track(far.read());
      await bench.wait(near.write(new Uint8Array(0)), "an empty write");
      await bench.quiet();
      assert.equal(reading.state, "pending", "The reader was woken by an empty write");
      await bench.wait(near.write(Uint8Array.of(7)), "a write");
      assert.deepEqual(Array.from((await bench.wait(reading, "a read"))!), [7]);
    },
  },
  {
    name: "the end comes after every byte, and stays",
    async run(bench) {
      const { near, far } = bench;
      const bytes = 200_000;
      const writing = track(send(far, THERE, { bytes, seed: 6 }).then(() => far.closeWrite()));
      await bench.readPattern(near, THERE, { length: bytes });
      await bench.assertEnd(near);
      await bench.wait(writing, "the writes and the end");
    },
  },
  {
    name: "the end reaches a reader that waits already",
    async run(bench) {
      const reading = track(bench.near.read());
      await bench.quiet();
      await bench.wait(bench.far.closeWrite(), "closeWrite");
      assert.equal(await bench.wait(reading, "the read"), null);
      await bench.assertEnd(bench.near);
    },
  },
  {
    name: "closeWrite() comes after the writes already called, and may be repeated",
    async run(bench) {
      const { near, far } = bench;
      const bytes = 500_000;
      const work = [
        near.write(THERE.bytes(0, bytes - 1)),
        near.write(THERE.bytes(bytes - 1, 1)),
        near.closeWrite(),
        near.closeWrite(),
      ].map(track);
      await bench.readPattern(far, THERE, { length: bytes });
      await bench.assertEnd(far);
      for (const each of work) await bench.wait(each, "a write or the end");
      if (near.halfClose) await bench.wait(near.closeWrite(), "closeWrite after the end");
    },
  },
  {
    name: "a write after closeWrite() is refused and sends nothing",
    async run(bench) {
      const { near, far } = bench;
      const ending = track(near.closeWrite());
      const refused = await bench.failure(near.write(Uint8Array.of(1)), "the write");
      assert.ok(refused instanceof ConnClosedError, `${refused}, where ConnClosedError was expected`);
      await bench.wait(ending, "closeWrite");
      await bench.assertEnd(far);
    },
  },
  { name: "half-close: each direction ends by itself, or halfClose is false", run: halfClose },
  {
    name: "an end inside a frame is a TruncatedError, never the end",
    needs: "truncate",
    async run(bench) {
      assert.ok(bench.pair.truncate !== undefined, "The pair has no truncate, and does not say why");
      await bench.pair.truncate();
      for (;;) {
        const reading = track(bench.near.read());
        await bench.wait(reading.promise.catch(() => {}), "a read");
        assert.notEqual(reading.value, null, "A truncated stream read as ended");
        if (reading.state === "fulfilled") continue; // whole frames in front of the cut
        assert.ok(reading.reason instanceof TruncatedError, `${reading.reason}`);
        break;
      }
      await bench.failure(bench.near.read(), "a read after the failure");
    },
  },
];

async function halfClose(bench: Bench): Promise<void> {
  const { near, far } = bench;
  assert.equal(near.halfClose, far.halfClose);
  const ending = track(near.write(THERE.bytes(0, 1_000)).then(() => near.closeWrite()));
  await bench.readPattern(far, THERE, { length: 1_000 });
  await bench.assertEnd(far);
  await bench.wait(ending, "closeWrite");
  if (!near.halfClose) return; // the other direction may be gone: nothing more is promised
  const bytes = 100_000;
  const answering = track(send(far, BACK, { bytes, seed: 8 }).then(() => far.closeWrite()));
  await bench.readPattern(near, BACK, { length: bytes });
  await bench.assertEnd(near);
  await bench.wait(answering, "the other direction");
}
