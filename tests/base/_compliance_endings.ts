/** Cases of the Conn contract: closes, aborts, resets. @module */
import assert from "node:assert/strict";
import { ConnClosedError, ConnResetError } from "../../lib/base/mod.ts";
import { type Bench, Pattern, track } from "./_compliance_bench.ts";
import type { ComplianceCase } from "./conn_compliance.ts";

const THERE = new Pattern(23);
const BACK = new Pattern(131);

/** The peer resets while bytes of ours are on their way, so that a reset is all it can be. */
async function reset(bench: Bench): Promise<void> {
  if (bench.pair.reset !== undefined) await bench.pair.reset();
  else bench.far.close(new Error("The test resets"));
}

function assertReset(error: unknown, what: string): void {
  assert.ok(error instanceof ConnResetError, `${what}: ${error}, where ConnResetError was expected`);
}

/** Every later call must say that we closed, and why. */
async function assertAllClosed(bench: Bench, reason: unknown): Promise<void> {
  const { near } = bench;
  for (const round of ["", ", again"]) {
    await bench.assertClosed(near.read(), reason, `a read after the close${round}`);
    await bench.assertClosed(near.write(Uint8Array.of(1)), reason, `a write after the close${round}`);
    await bench.assertClosed(near.closeWrite(), reason, `closeWrite after the close${round}`);
  }
}

export const ENDING_CASES: readonly ComplianceCase[] = [
  {
    name: "close(reason) wakes read, write and closeWrite; its reason is their cause, then and later",
    async run(bench) {
      const { near } = bench;
      const reason = new Error("enough");
      const reading = track(near.read());
      const { writes } = await bench.fill(near, THERE);
      const queued = track(near.write(THERE.bytes(0, 10)));
      const ending = track(near.closeWrite());
      near.close(reason);
      await bench.assertClosed(reading, reason, "the pending read");
      await bench.assertClosed(writes.at(-1)!, reason, "the pending write");
      await bench.assertClosed(queued, reason, "the queued write");
      await bench.wait(ending.promise.catch(() => {}), "closeWrite");
      if (ending.state === "rejected") await bench.assertClosed(ending, reason, "the pending closeWrite");
      await assertAllClosed(bench, reason);
    },
  },
  {
    name: "close() wakes a reader, and is no end to it",
    async run(bench) {
      const reading = track(bench.near.read());
      await bench.quiet();
      bench.near.close();
      await bench.assertClosed(reading, undefined, "the pending read");
      await assertAllClosed(bench, undefined);
    },
  },
  {
    name: "our own close never reads as the end, not even after the peer's end",
    async run(bench) {
      const { near, far } = bench;
      await bench.wait(far.closeWrite(), "closeWrite of the peer");
      await bench.assertEnd(near);
      near.close();
      await assertAllClosed(bench, undefined);
    },
  },
  {
    name: "close() with bytes of the peer unread gives none of them out",
    async run(bench) {
      const { near, far } = bench;
      await bench.wait(far.write(BACK.bytes(0, 1_000)), "a write");
      await bench.quiet();
      near.close();
      await bench.assertClosed(near.read(), undefined, "a read after the close");
    },
  },
  {
    name: "the first reason stays",
    async run(bench) {
      const first = new Error("first");
      bench.near.close(first);
      bench.near.close(new Error("second"));
      bench.near.close();
      await assertAllClosed(bench, first);
      await bench.waitLong(bench.near.closed, "closed");
      bench.near.close(new Error("third"));
      await assertAllClosed(bench, first);
    },
  },
  {
    name: "close() in the callback of a read, of a write and of a failure",
    async run(bench) {
      const { near, far } = bench;
      const reason = new Error("from inside");
      const inRead = track(
        near.read().then(() => {
          near.close(reason);
          return near.read();
        }),
      );
      await bench.wait(far.write(BACK.bytes(0, 10)), "a write");
      await bench.assertClosed(inRead, reason, "a read after the close in a read");
      const inFailure = near.read().catch((error) => {
        near.close(new Error("too late"));
        throw error;
      });
      await bench.assertClosed(inFailure, reason, "a read whose failure closes");
      const inWrite = far.write(BACK.bytes(10, 10)).then(() => far.close(reason), () => far.close(reason));
      await bench.wait(inWrite, "the write");
      await bench.failure(far.read(), "a read after the close in a write");
    },
  },
  {
    name: "close() sends what was taken in, and then the end, though bytes of the peer are unread",
    async run(bench) {
      const { near, far } = bench;
      await bench.wait(far.write(BACK.bytes(0, 1_000)), "a write of the peer");
      let bytes = 0;
      for (const length of [1, 4_070, 9_000]) {
        await bench.wait(near.write(THERE.bytes(bytes, length)), "a write");
        bytes += length;
      }
      near.close();
      await bench.readPattern(far, THERE, { length: bytes });
      await bench.assertEnd(far);
    },
  },
  {
    name: "close() while writes wait: each settles, and what arrives is a part of them from the front",
    async run(bench) {
      const { near, far } = bench;
      const { writes, bytes } = await bench.fill(near, THERE);
      near.close();
      let received = 0;
      for (let isOver = false; !isOver;) {
        const reading = track(far.read());
        await bench.waitLong(reading.promise.catch(() => {}), "a read of the peer");
        isOver = reading.state === "rejected" || reading.value === null; // a record may be cut
        if (isOver) break;
        THERE.check(reading.value!, received);
        received += reading.value!.length;
      }
      const settled = await bench.waitLong(
        Promise.allSettled(writes.map((each) => each.promise)),
        "the writes",
      );
      const taken = settled.filter((each) => each.status === "fulfilled").length * (bytes / writes.length);
      assert.ok(received >= taken, `${taken} bytes were taken in, ${received} arrived`);
      for (const each of settled) {
        if (each.status === "rejected") assert.ok(each.reason instanceof ConnClosedError, `${each.reason}`);
      }
    },
  },
  {
    name: "an abort cuts a linger short",
    async run(bench) {
      const { near } = bench;
      const { writes } = await bench.fill(near, THERE);
      near.close();
      near.close(new Error("now"));
      await bench.wait(near.closed, "closed"); // no time passes here
      const last = track(writes.at(-1)!.promise);
      await bench.wait(last.promise.catch(() => {}), "the pending write");
      await bench.assertClosed(near.read(), undefined, "a read: the first close had no reason");
    },
  },
  {
    name: "a linger is bounded when the peer is dead",
    async run(bench) {
      const { near } = bench;
      const { writes } = await bench.fill(near, THERE);
      await bench.pair.stall?.();
      near.close();
      await bench.waitLong(near.closed, "closed");
      await bench.wait(Promise.allSettled(writes.map((each) => each.promise)), "the writes");
    },
  },
  {
    name: "`closed` waits for our close",
    async run(bench) {
      const { near, far } = bench;
      const [nearClosed, farClosed] = [track(near.closed), track(far.closed)];
      await bench.wait(near.write(THERE.bytes(0, 100)), "a write");
      await bench.readPattern(far, THERE, { length: 100 });
      await bench.quiet();
      assert.deepEqual([nearClosed.state, farClosed.state], ["pending", "pending"]);
      near.close();
      far.close();
      await bench.waitLong(nearClosed, "closed");
      await bench.waitLong(farClosed, "closed of the other end");
    },
  },
  {
    name: "both ends may close at once, orderly or not",
    async run(bench, makePair) {
      for (const reason of [undefined, new Error("enough")]) {
        const pair = await makePair(bench);
        const reading = track(pair.near.read());
        const other = bench.beside(pair);
        await other.wait(pair.far.write(BACK.bytes(0, 1)), "a write");
        await other.wait(reading, "a read");
        const waiting = [track(pair.near.read()), track(pair.far.read())];
        pair.near.close(reason);
        pair.far.close(reason);
        await other.assertClosed(waiting[0]!, reason, "the read of the end that closed first");
        await other.wait(waiting[1]!.promise.catch(() => {}), "the other read"); // by our close, or by theirs
        await other.waitLong(Promise.all([pair.near.closed, pair.far.closed]), "closed");
        await pair.dispose?.();
      }
    },
  },
  {
    name: "the peer's orderly close is an end, after every byte, and stays one",
    async run(bench) {
      const { near, far } = bench;
      await bench.wait(far.write(BACK.bytes(0, 5_000)), "a write");
      far.close();
      await bench.readPattern(near, BACK, { length: 5_000 });
      await bench.assertEnd(near);
    },
  },
  {
    name: "a reset fails both halves alike, and is no end",
    needs: "reset",
    async run(bench) {
      const { near } = bench;
      await bench.wait(near.write(THERE.bytes(0, 100)), "a write");
      await bench.quiet();
      const reading = track(near.read());
      await reset(bench);
      assertReset(await bench.failure(reading, "the pending read"), "The pending read");
      assertReset(await bench.failure(near.read(), "a later read"), "A later read");
      let failure: unknown;
      for (let count = 0; count < 50 && failure === undefined; count++) {
        await bench.wait(near.write(THERE.bytes(0, 10)).catch((error) => failure = error), "a write");
        await bench.step();
      }
      assertReset(failure, "A write after the reset");
    },
  },
  {
    name: "a reset by whoever has read everything is no end, either",
    needs: "reset",
    async run(bench) {
      const { near, far } = bench;
      const [reading, taking] = [track(near.read()), track(far.read())];
      await bench.wait(near.write(THERE.bytes(0, 100)), "a write");
      await bench.wait(taking, "a read at the other end");
      await bench.quiet();
      await reset(bench);
      assertReset(await bench.failure(reading, "the pending read"), "The pending read");
    },
  },
  {
    name: "a reset fails the write that waits, the queued ones and all later ones for the same reason",
    needs: "reset",
    async run(bench) {
      const { near } = bench;
      const { writes } = await bench.fill(near, THERE);
      const queued = [1, 2, 3].map((length) => track(near.write(THERE.bytes(0, length))));
      await reset(bench);
      const reason = await bench.failure(writes.at(-1)!, "the pending write");
      assertReset(reason, "The pending write");
      for (const each of queued) assert.equal(await bench.failure(each, "a queued write"), reason);
      assertReset(await bench.failure(near.write(Uint8Array.of(1)), "a later write"), "A later write");
      assertReset(await bench.failure(near.read(), "a read"), "A read");
    },
  },
  {
    name: "closing after a reset frees everything",
    needs: "reset",
    async run(bench) {
      const { near } = bench;
      await bench.wait(near.write(THERE.bytes(0, 100)), "a write");
      await bench.quiet();
      await reset(bench);
      await bench.failure(near.read(), "a read");
      near.close();
      await bench.waitLong(near.closed, "closed");
    },
  },
];
