/** Conns as web streams and back. @module */
import assert from "node:assert/strict";
import { ConnClosedError, ConnResetError, Ledger, memoryPair } from "../../lib/base/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { connToWebStreams, webStreamsToConn } from "../../lib/wire/mod.ts";
import { connCompliance } from "../base/conn_compliance.ts";
import { strictReads } from "../support/strict_reads.ts";

connCompliance("a Conn as web streams and back", ({ clock, ledger }) => {
  const [near, far] = memoryPair({ ledger });
  return {
    near: webStreamsToConn(connToWebStreams(near), { clock }),
    far: webStreamsToConn(connToWebStreams(far), { clock }),
  };
}, { cannot: { truncate: "it has no frames" }, pairs: 200 });

Deno.test("connToWebStreams() reads nothing that nobody asked for, and gives chunks to keep", async () => {
  const [near, far] = memoryPair({ bytesMax: 4 });
  const { readable, writable } = connToWebStreams(near);
  await far.write(Uint8Array.of(1, 2, 3, 4));
  let taken = false;
  const second = far.write(Uint8Array.of(5, 6)).then(() => taken = true);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(taken, false);
  const reader = readable.getReader();
  const first = await reader.read();
  await reader.read();
  assert.deepEqual(first.value, Uint8Array.of(1, 2, 3, 4));
  await second;
  await far.closeWrite();
  assert.equal((await reader.read()).done, true);
  await writable.close();
  await near.closed; // both directions ended
  far.close();
});

Deno.test("connToWebStreams() gives chunks that later reads leave alone", async () => {
  const { readable } = connToWebStreams(strictReads(Uint8Array.of(1, 2), Uint8Array.of(3)));
  const chunks: Uint8Array[] = [];
  for await (const chunk of readable) chunks.push(chunk);
  assert.deepEqual(chunks, [Uint8Array.of(1, 2), Uint8Array.of(3)]);
});

Deno.test("webStreamsToConn() copies what it writes: a sink may keep its chunk, the caller has its bytes back", async () => {
  const kept: Uint8Array[] = [];
  const writable = new WritableStream<Uint8Array>({ write: (chunk) => void kept.push(chunk) });
  const clock = new VirtualClock();
  const conn = webStreamsToConn({ readable: new ReadableStream(), writable }, { clock });
  const buffer = Uint8Array.of(1, 2, 3);
  await conn.write(buffer);
  buffer.fill(0xee);
  assert.deepEqual(kept, [Uint8Array.of(1, 2, 3)]);
  conn.close(new Error("done"));
  await conn.closed;
});

Deno.test("connToWebStreams() passes failures on, and its own cancel and abort to the Conn", async () => {
  const reason = new Error("enough");
  for (const how of ["cancel", "abort", "abort without a reason"] as const) {
    const [near, far] = memoryPair();
    const { readable, writable } = connToWebStreams(near);
    if (how === "cancel") await readable.cancel(reason);
    else await writable.abort(how === "abort" ? reason : undefined);
    await assert.rejects(far.read(), ConnResetError);
    await assert.rejects(near.write(Uint8Array.of(1)), ConnClosedError);
    far.close();
  }
  const [near, far] = memoryPair();
  const { readable, writable } = connToWebStreams(near);
  far.close(reason);
  await assert.rejects(readable.getReader().read(), ConnResetError);
  await assert.rejects(writable.getWriter().write(Uint8Array.of(1)), ConnResetError);
  near.close();
});

Deno.test("webStreamsToConn() splits a long chunk, skips an empty one, refuses what is no bytes", async () => {
  const clock = new VirtualClock();
  const chunks: unknown[] = [new Uint8Array(0), new Uint8Array(600_000).fill(7), "text"];
  const readable = new ReadableStream<Uint8Array>({
    pull: (controller) => controller.enqueue(chunks.shift() as Uint8Array),
  });
  const conn = webStreamsToConn({ readable, writable: new WritableStream() }, { clock, halfClose: false });
  assert.equal(conn.halfClose, false);
  const lengths = [];
  for (let count = 0; count < 3; count++) lengths.push((await conn.read())!.length);
  assert.deepEqual(lengths, [262_144, 262_144, 75_712]);
  await assert.rejects(conn.read(), TypeError);
  conn.close();
  await conn.closed;
});

Deno.test("webStreamsToConn() ends its linger when the sink takes nothing", async () => {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  let aborted: unknown;
  const writable = new WritableStream<Uint8Array>({
    start(controller) {
      controller.signal.addEventListener("abort", () => aborted = controller.signal.reason);
    },
    write: () => new Promise(() => {}),
  });
  const conn = webStreamsToConn({ readable: new ReadableStream(), writable }, { clock });
  const writing = conn.write(Uint8Array.of(1)).catch((error) => error);
  conn.close();
  await clock.advance(10_000);
  await conn.closed;
  assert.ok(await writing instanceof ConnClosedError);
  assert.ok(aborted instanceof ConnClosedError);
  assert.deepEqual(ledger.live(), {});
});
