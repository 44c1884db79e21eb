/** Cases of the Conn contract: back-pressure, and many connections. @module */
import assert from "node:assert/strict";
import { type Conn, ConnClosedError, TimedOutError } from "../../lib/base/mod.ts";
import { withDeadlines } from "../../lib/wire/mod.ts";
import { Pattern, track } from "./_compliance_bench.ts";
import type { ComplianceCase } from "./conn_compliance.ts";

const THERE = new Pattern(41);
const FLOOD_WRITES = 64;
const FLOOD_WRITE_BYTES = 1 << 20;
const WRITE_MS = 5_000;
/** Pairs that are alive at the same time in the case that opens many. */
const BATCH = 25;

export const LOAD_CASES: readonly ComplianceCase[] = [
  {
    name: "a writer waits while nobody reads, and goes on when somebody does",
    async run(bench) {
      const { near, far } = bench;
      const { writes, bytes } = await bench.fill(near, THERE);
      const more = track(near.write(THERE.bytes(bytes, 1_000)));
      await bench.quiet();
      assert.equal(more.state, "pending");
      await bench.readPattern(far, THERE, { length: bytes + 1_000 });
      await bench.wait(writes.at(-1)!, "the write that waited");
      await bench.wait(more, "the write behind it");
    },
  },
  {
    name: "a direction that nobody reads does not hold up the other one",
    async run(bench) {
      const { near, far } = bench;
      await bench.fill(near, THERE);
      const written = track(far.write(THERE.bytes(0, 100_000)));
      await bench.readPattern(near, THERE, { length: 100_000 });
      await bench.wait(written, "a write");
    },
  },
  {
    name: "both sides writing 64 MiB before they read end in waiting and time-outs, not in memory",
    needs: "resetPastUnread",
    async run(bench) {
      const ends = [bench.near, bench.far].map((conn) =>
        withDeadlines(conn, bench.clock, { writeMs: WRITE_MS })
      );
      const chunk = new Uint8Array(FLOOD_WRITE_BYTES);
      const floods = ends.map((conn) => Array.from({ length: FLOOD_WRITES }, () => track(conn.write(chunk))));
      await bench.quiet();
      for (const writes of floods) {
        const taken = writes.filter((write) => write.state === "fulfilled").length * FLOOD_WRITE_BYTES;
        assert.ok(taken <= bench.options.takenInBytesMax, `${taken} bytes taken in while nobody reads`);
      }
      await bench.clock.advance(2 * WRITE_MS);
      for (const writes of floods) {
        const last = await bench.failure(writes.at(-1)!, "the last write");
        assert.ok(last instanceof Error);
      }
      // The end whose time ran out first says so; the other may hear of it as a reset.
      const causes = await Promise.all(
        floods.map((writes) => bench.failure(writes.at(-1)!, "the last write")),
      );
      assert.ok(
        causes.some((error) => error instanceof ConnClosedError && error.cause instanceof TimedOutError),
      );
    },
  },
  {
    name: "many opened and closed leave nothing",
    async run(bench, makePair) {
      for (let opened = 0; opened < bench.options.pairs;) {
        const count = Math.min(BATCH, bench.options.pairs - opened);
        const pairs = [];
        for (let index = 0; index < count; index++) pairs.push(await makePair(bench));
        opened += count;
        for (const [index, pair] of pairs.entries()) {
          const other = bench.beside(pair);
          const written = track(pair.near.write(THERE.bytes(0, 3)));
          await other.readPattern(pair.far, THERE, { length: 3 });
          await other.wait(written, "a write");
          closeInOneOfManyWays(pair, opened + index);
        }
        for (const pair of pairs) {
          const other = bench.beside(pair);
          await other.waitLong(Promise.all([pair.near.closed, pair.far.closed]), "closed");
          await pair.dispose?.();
        }
      }
    },
  },
];

function closeInOneOfManyWays({ near, far }: { near: Conn; far: Conn }, which: number): void {
  const reason = new Error("enough");
  const ways = [
    () => [near.close(), far.close()],
    () => [near.close(reason), far.close()],
    () => [far.close(), near.close(reason)],
    () => [near.close(), near.close(reason), far.close(reason)],
    () => [near.closeWrite().catch(() => {}), far.close(), near.close()], // closed first: its rejection is right
    () => [near.read().catch(() => {}), near.close(), far.read().catch(() => {}), far.close()],
  ];
  ways[which % ways.length]!();
}
