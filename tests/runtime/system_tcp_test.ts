import assert from "node:assert/strict";
import { ConnClosedError, ConnResetError, READ_BYTES_MAX } from "../../lib/base/mod.ts";
import { AddressInUseError, BadAddressError, UnreachableError, type World } from "../../lib/runtime/mod.ts";
import { withSystemWorld } from "../support/world.ts";

const LOOPBACK = { hostname: "127.0.0.1", port: 0 };

async function tcpPair({ network }: World) {
  const listener = await network.listen(LOOPBACK);
  const [near, far] = await Promise.all([network.dial(listener.address), listener.accept()]);
  listener.close();
  return [near, far!] as const;
}

/** A conn whose peer reads nothing, with a write that waits for it. */
async function blockedPair(world: World) {
  const [near, far] = await tcpPair(world);
  const write = near.write(new Uint8Array(64 * 1024 * 1024));
  write.catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 20));
  return { near, far, write };
}

async function readAll(conn: { read(): Promise<Uint8Array | null> }): Promise<number> {
  let total = 0;
  for (let view = await conn.read(); view !== null; view = await conn.read()) total += view.length;
  return total;
}

Deno.test("TcpConn carries bytes both ways and knows its addresses", () =>
  withSystemWorld(async (world) => {
    const [near, far] = await tcpPair(world);
    assert.deepEqual(near.local, far.remote);
    assert.deepEqual(near.remote, far.local);
    await near.write(Uint8Array.of(1, 2, 3));
    assert.deepEqual(await far.read(), Uint8Array.of(1, 2, 3));
    await far.closeWrite();
    await far.closeWrite();
    assert.equal(await near.read(), null);
    assert.equal(await near.read(), null);
    await near.write(Uint8Array.of(4)); // the other half goes on
    assert.deepEqual(await far.read(), Uint8Array.of(4));
    near.close();
    far.close();
    await Promise.all([near.closed, far.closed]);
  }));

Deno.test("TcpConn.write() takes all, in call order, also when the system takes parts", () =>
  withSystemWorld(async (world) => {
    const [near, far] = await tcpPair(world);
    const writes = [];
    for (let index = 0; index < 40; index++) {
      writes.push(near.write(new Uint8Array(300_000 + index).fill(index)));
    }
    writes.push(near.closeWrite());
    let expected = 0, left = 300_000, largest = 0;
    for (let view = await far.read(); view !== null; view = await far.read()) {
      largest = Math.max(largest, view.length);
      for (const byte of view) {
        if (byte !== expected) assert.fail(`got ${byte} within write ${expected}`);
        if (--left === 0) left = 300_000 + ++expected;
      }
    }
    await Promise.all(writes);
    assert.equal(expected, 40);
    assert.ok(largest > 64 * 1024 && largest <= READ_BYTES_MAX, `largest read was ${largest}`);
    near.close();
    far.close();
  }));

Deno.test("TcpConn refuses a second read and a write after closeWrite()", () =>
  withSystemWorld(async (world) => {
    const [near, far] = await tcpPair(world);
    const first = near.read();
    await assert.rejects(near.read(), TypeError);
    await near.closeWrite();
    await assert.rejects(near.write(Uint8Array.of(1)), ConnClosedError);
    far.close();
    assert.equal(await first, null);
    near.close();
  }));

Deno.test("TcpConn.close() wakes a read with its reason and stays closed", () =>
  withSystemWorld(async (world) => {
    const [near, far] = await tcpPair(world);
    const reading = near.read();
    const reason = new RangeError("planted");
    near.close(reason);
    near.close(new Error("too late"));
    for (const call of [reading, near.read(), near.write(Uint8Array.of(1)), near.closeWrite()]) {
      await assert.rejects(call, (error) => error instanceof ConnClosedError && error.cause === reason);
    }
    await near.closed;
    far.close();
  }));

Deno.test("TcpConn.close(reason) wakes a blocked write at once", () =>
  withSystemWorld(async (world) => {
    const { near, far, write } = await blockedPair(world);
    near.close(new Error("planted"));
    await assert.rejects(write, ConnClosedError);
    await near.closed;
    far.close(new Error("done"));
  }));

Deno.test("TcpConn.close() goes on sending what is under way, to a peer that reads", () =>
  withSystemWorld(async (world) => {
    const { near, far, write } = await blockedPair(world);
    near.close();
    await assert.rejects(near.read(), ConnClosedError);
    assert.equal(await readAll(far), 64 * 1024 * 1024);
    await write; // settles by its true result
    far.close();
    await near.closed;
  }));

Deno.test("TcpConn.close() gives up after its linger when the peer takes nothing", () =>
  withSystemWorld(async (world) => {
    const { near, far, write } = await blockedPair(world);
    const startMs = world.clock.monotonicMs();
    near.close();
    await assert.rejects(write, ConnClosedError);
    await near.closed;
    const tookMs = world.clock.monotonicMs() - startMs;
    assert.ok(tookMs > 900 && tookMs < 1_900, `the linger took ${tookMs} ms`);
    far.close(new Error("done"));
  }));

Deno.test("TcpConn: an abort cuts a linger short", () =>
  withSystemWorld(async (world) => {
    const { near, far, write } = await blockedPair(world);
    const startMs = world.clock.monotonicMs();
    near.close();
    near.close(new Error("now"));
    await assert.rejects(write, ConnClosedError);
    await near.closed;
    assert.ok(world.clock.monotonicMs() - startMs < 500);
    far.close(new Error("done"));
  }));

Deno.test("TcpConn.close() delivers the last bytes to a peer that was still sending", () =>
  withSystemWorld(async (world) => {
    const [near, far] = await tcpPair(world);
    await far.write(new Uint8Array(100_000)); // stays unread: a careless close would reset here
    await near.write(new Uint8Array(500_000).fill(7));
    near.close();
    assert.equal(await readAll(far), 500_000);
    far.close();
    await Promise.all([near.closed, far.closed]);
  }));

Deno.test("TcpConn: what is still being sent is no place for what comes after close()", () =>
  withSystemWorld(async (world) => {
    const [near, far] = await tcpPair(world);
    await far.write(new Uint8Array(1_000).fill(1));
    const view = (await near.read())!;
    await near.write(Uint8Array.of(0));
    near.close(); // reads on until the peer's end, but never into the view that the reader had
    await far.write(new Uint8Array(50_000).fill(2));
    far.close();
    await near.closed;
    assert.ok(view.every((byte) => byte === 1));
  }));

Deno.test("TcpConn: writing to a peer that is gone fails with a reset, and so does reading on", () =>
  withSystemWorld(async (world) => {
    const [near, far] = await tcpPair(world);
    far.close(new Error("gone"));
    await far.closed;
    const failure = await (async () => {
      for (;;) await near.write(new Uint8Array(1024));
    })().catch((error) => error);
    assert.ok(failure instanceof ConnResetError, String(failure));
    await assert.rejects(near.write(Uint8Array.of(1)), (error) => error === failure);
    await assert.rejects(near.read(), ConnResetError); // no orderly end
    await near.closed;
    near.close();
    await assert.rejects(near.read(), ConnClosedError);
  }));

Deno.test("dial() to a port where nobody listens is UnreachableError, a wrong port BadAddressError", () =>
  withSystemWorld(async ({ network }) => {
    const listener = await network.listen(LOOPBACK);
    listener.close();
    await assert.rejects(network.dial(listener.address), UnreachableError);
    await assert.rejects(network.dial({ hostname: "127.0.0.1", port: 70_000 }), BadAddressError);
    await assert.rejects(network.dial({ hostname: "", port: 80 }), BadAddressError);
  }));

Deno.test("dial() with an aborted signal rejects with its reason; a late abort leaves the Conn alone", () =>
  withSystemWorld(async ({ network }) => {
    const listener = await network.listen(LOOPBACK);
    const reason = new Error("planted");
    await assert.rejects(network.dial(listener.address, { signal: AbortSignal.abort(reason) }), reason);
    const during = new AbortController();
    const dialing = network.dial(listener.address, { signal: during.signal });
    during.abort(reason);
    await assert.rejects(dialing, reason);
    const controller = new AbortController();
    const near = await network.dial(listener.address, { signal: controller.signal });
    controller.abort(reason);
    const reached = near.write(Uint8Array.of(9));
    for (let far = await listener.accept(); far !== null; far = await listener.accept()) {
      const view = await far.read();
      far.close();
      if (view?.[0] === 9) break; // the aborted dial may have come through as well: it ends without a byte
    }
    await reached;
    near.close();
    listener.close();
  }));

Deno.test("listen() names the port that is taken and the address that is not ours", () =>
  withSystemWorld(async ({ network }) => {
    const listener = await network.listen(LOOPBACK);
    await assert.rejects(network.listen(listener.address), AddressInUseError);
    await assert.rejects(network.listen({ hostname: "192.0.2.1", port: 0 }), BadAddressError);
    await assert.rejects(network.listen({ hostname: "127.0.0.1", port: 70_000 }), BadAddressError);
    const accepting = listener.accept();
    await assert.rejects(listener.accept(), TypeError);
    listener.close();
    listener.close();
    assert.equal(await accepting, null);
    assert.equal(await listener.accept(), null);
  }));

Deno.test("500 sockets opened and closed leave nothing", () =>
  withSystemWorld(async (world) => {
    const listener = await world.network.listen(LOOPBACK);
    for (let index = 0; index < 500; index++) {
      const [near, far] = await Promise.all([world.network.dial(listener.address), listener.accept()]);
      if (index % 2 === 0) far!.close();
      near.close();
      far!.close();
      await Promise.all([near.closed, far!.closed]);
    }
    listener.close();
  }));

Deno.test("datagrams reach their port with their sender, until the close", () =>
  withSystemWorld(async ({ network }) => {
    const near = await network.datagrams(LOOPBACK);
    const far = await network.datagrams(LOOPBACK);
    await near.send(Uint8Array.of(1, 2), far.address);
    const { bytes, from } = (await far.receive())!;
    assert.deepEqual(bytes, Uint8Array.of(1, 2));
    assert.deepEqual(from, near.address);
    const receiving = far.receive();
    await assert.rejects(far.receive(), TypeError);
    await assert.rejects(network.datagrams(far.address), AddressInUseError);
    far.close();
    far.close();
    assert.equal(await receiving, null);
    await near.send(Uint8Array.of(3), far.address); // lost in silence
    await assert.rejects(near.send(new Uint8Array(100_000), far.address), { code: "NETWORK_ERROR" });
    near.close();
    await near.send(Uint8Array.of(4), far.address);
  }));
