import assert from "node:assert/strict";
import net from "node:net";
import { ConnResetError, READ_BYTES_MAX, takeBuffer } from "../../lib/base/mod.ts";
import { sleep, UnreachableError, withTimeout } from "../../lib/runtime/mod.ts";
import { IDLE_READ_BYTES, ReadBuffer } from "../../lib/runtime/system/read_buffer.ts";
import { withSystemWorld } from "../support/world.ts";

const LOOPBACK = { hostname: "127.0.0.1", port: 0 };

Deno.test("a real reset reads and writes as ConnResetError, never as an end", () =>
  withSystemWorld(async ({ network }) => {
    const listener = await network.listen(LOOPBACK);
    const client = net.connect(listener.address.port, "127.0.0.1");
    const connected = new Promise((resolve) => client.once("connect", resolve));
    const conn = (await listener.accept())!;
    await connected;
    const reading = conn.read();
    client.resetAndDestroy();
    await assert.rejects(reading, ConnResetError);
    await assert.rejects(conn.read(), ConnResetError);
    await assert.rejects(conn.write(Uint8Array.of(1)), ConnResetError);
    await assert.rejects(conn.closeWrite(), ConnResetError);
    await conn.closed;
    conn.close();
    listener.close();
  }));

Deno.test("dial() of TLS where none is spoken is UnreachableError, and leaves nothing", () =>
  withSystemWorld(async ({ network }) => {
    const listener = await network.listen(LOOPBACK);
    const dialing = network.dial(listener.address, { tls: true });
    const conn = (await listener.accept())!;
    await conn.write(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await assert.rejects(dialing, UnreachableError);
    conn.close(new Error("done"));
    listener.close();
  }));

Deno.test("dial() of TLS to a mute peer ends with its signal", () =>
  withSystemWorld(async ({ network, clock }) => {
    const listener = await network.listen(LOOPBACK);
    const accepting = listener.accept();
    const dialing = withTimeout(
      clock,
      { what: "the handshake", afterMs: 30 },
      (signal) => network.dial(listener.address, { tls: true, signal }),
    );
    const conn = (await accepting)!;
    await assert.rejects(dialing, { code: "TIMED_OUT" });
    conn.close(new Error("done"));
    listener.close();
  }));

Deno.test("ReadBuffer grows when reads fill it and shrinks after two small ones", () => {
  const buffer = new ReadBuffer();
  const sizes: number[] = [];
  const after = (count: number) => {
    buffer.prepare(count);
    sizes.push(buffer.target.length);
  };
  for (const count of [0, 100, IDLE_READ_BYTES, 64 * 1024, READ_BYTES_MAX, 100, READ_BYTES_MAX, 100, 100]) {
    after(count);
  }
  const [small, middle, large] = [IDLE_READ_BYTES, 64 * 1024, READ_BYTES_MAX];
  assert.deepEqual(sizes, [small, small, middle, large, large, large, large, large, small]);
  buffer.drop();
  assert.equal(buffer.target.length, 0);
});

Deno.test("ReadBuffer.drop() pools nothing: a view may still be written elsewhere", () => {
  for (const reads of [[], [IDLE_READ_BYTES], [IDLE_READ_BYTES, 64 * 1024]]) {
    const buffer = new ReadBuffer();
    for (const count of reads) buffer.prepare(count);
    const view = buffer.view(1);
    buffer.drop();
    for (let count = 0; count < 40; count++) { // more than the pool keeps of a size
      assert.notEqual(takeBuffer(view.buffer.byteLength).buffer, view.buffer);
    }
  }
});

Deno.test("ReadBuffer: no more than 64 have the largest size at a time", () => {
  const buffers = Array.from({ length: 80 }, () => new ReadBuffer());
  for (const buffer of buffers) {
    buffer.prepare(IDLE_READ_BYTES);
    buffer.prepare(64 * 1024);
  }
  const large = buffers.filter((buffer) => buffer.target.length === READ_BYTES_MAX);
  assert.equal(large.length, 64);
  large[0]!.drop();
  buffers.at(-1)!.prepare(64 * 1024);
  assert.equal(buffers.at(-1)!.target.length, READ_BYTES_MAX);
  for (const buffer of buffers) buffer.drop();
});

Deno.test("timers fire once, can be cancelled, and are counted; time does not go back", () =>
  withSystemWorld(async ({ clock, ledger }) => {
    const startMs = clock.monotonicMs();
    const cancelled = clock.timer(5, () => assert.fail("a cancelled timer fired"));
    const distant = clock.timer(2 ** 40, () => assert.fail("a timer of 34 years fired"));
    assert.deepEqual(ledger.live(), { timer: 2 });
    cancelled.cancel();
    await sleep(clock, 10);
    distant.cancel();
    distant.cancel();
    assert.deepEqual(ledger.live(), {});
    assert.ok(clock.monotonicMs() - startMs >= 9);
    assert.ok(Math.abs(clock.wallMs() - Date.now()) < 1_000);
  }));

Deno.test("sleep() and withTimeout() end with their signal and leave no timer", () =>
  withSystemWorld(async ({ clock, ledger }) => {
    const reason = new Error("planted");
    const controller = new AbortController();
    const sleeping = sleep(clock, 60_000, controller.signal);
    const working = withTimeout(
      clock,
      { what: "work", afterMs: 60_000, signal: controller.signal },
      (signal) => sleep(clock, 60_000, signal),
    );
    controller.abort(reason);
    await assert.rejects(sleeping, reason);
    await assert.rejects(working, reason);
    await assert.rejects(sleep(clock, 1, controller.signal), reason);
    assert.deepEqual(ledger.live(), {});
  }));

Deno.test("random bytes have the asked length, beyond one call of the system too, and differ", () =>
  withSystemWorld(async ({ random }) => {
    assert.equal(random.bytes(0).length, 0);
    const large = random.bytes(200_000);
    assert.equal(large.length, 200_000);
    assert.ok(large.subarray(199_000).some((byte) => byte !== 0));
    assert.notDeepEqual(random.bytes(32), random.bytes(32));
  }));

Deno.test({
  name: "onInterrupt() hears SIGTERM, each time, until it is undone",
  ignore: Deno.build.os === "windows",
  fn: () =>
    withSystemWorld(async ({ signals, clock }) => {
      let count = 0;
      const undo = signals.onInterrupt(() => count++);
      for (let sent = 1; sent <= 2; sent++) { // SIGINT would end the test runner
        Deno.kill(Deno.pid, "SIGTERM");
        for (let waited = 0; waited < 200 && count < sent; waited++) await sleep(clock, 5);
      }
      undo();
      undo();
      assert.equal(count, 2);
    }),
});
