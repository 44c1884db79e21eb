/** Moments of the system's sockets that no real socket gives on demand: played with sockets made by hand. */
import assert from "node:assert/strict";
import { Ledger } from "../../lib/base/mod.ts";
import { NetworkError, systemWorld } from "../../lib/runtime/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { TcpConn } from "../../lib/runtime/system/tcp_conn.ts";
import { assertNothingAlive } from "../support/world.ts";

const ADDRESS = { transport: "tcp", hostname: "127.0.0.1", port: 9 } as const;

/** A socket whose operations settle when the test says so, whatever happens to the socket. */
function handMadeSocket() {
  const reading = Promise.withResolvers<number | null>();
  const writing = Promise.withResolvers<number>();
  const state = { isClosed: false };
  const socket = {
    localAddr: ADDRESS,
    remoteAddr: ADDRESS,
    read: () => reading.promise,
    write: () => writing.promise,
    closeWrite: () => Promise.resolve(),
    close: () => void (state.isClosed = true),
    setNoDelay() {},
  };
  return { socket: socket as unknown as Deno.TcpConn, reading, writing, state };
}

/** Runs `test` with one of Deno's functions replaced. */
async function withDeno<Name extends "connect" | "listen">(
  name: Name,
  replacement: unknown,
  test: () => Promise<void>,
): Promise<void> {
  const real = Deno[name];
  Deno[name] = replacement as typeof real;
  try {
    await test();
  } finally {
    Deno[name] = real;
  }
}

Deno.test("TcpConn is closed when the system is done with its buffers, not before", async () => {
  const { socket, reading, writing, state } = handMadeSocket();
  const ledger = new Ledger();
  const conn = new TcpConn(socket, { clock: new VirtualClock({ ledger }), ledger });
  let isClosed = false;
  const closed = conn.closed.then(() => isClosed = true);
  const failures = [assert.rejects(conn.read()), assert.rejects(conn.write(Uint8Array.of(1)))];
  conn.close(new Error("abort"));
  await Promise.all(failures);
  assert.equal(state.isClosed, true);
  for (const settle of [() => reading.resolve(null), () => writing.resolve(1)]) {
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(isClosed, false);
    settle();
  }
  await closed;
  assertNothingAlive(ledger);
});

Deno.test("dial(): a socket that comes after the abort is closed, and counted until then", async () => {
  const { socket, state } = handMadeSocket();
  const late = Promise.withResolvers<Deno.TcpConn>();
  await withDeno("connect", () => late.promise, async () => {
    const { network, ledger } = systemWorld();
    const controller = new AbortController();
    const dialling = network.dial(ADDRESS, { signal: controller.signal });
    const reason = new Error("enough");
    controller.abort(reason);
    await assert.rejects(dialling, (error) => error === reason);
    assert.deepEqual(ledger.live(), { dial: 1 });
    late.resolve(socket);
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(state.isClosed, true);
    assertNothingAlive(ledger);
  });
});

Deno.test("accept() survives a peer that is gone before it was accepted, and tells what is no peer's fault", async () => {
  const { ConnectionReset, ConnectionAborted, NotConnected } = Deno.errors;
  const { socket, state } = handMadeSocket();
  const failures: Error[] = [new ConnectionReset(), new ConnectionAborted(), new NotConnected()];
  const accept = () => {
    const failure = failures.shift();
    return failure === undefined ? Promise.resolve(socket) : Promise.reject(failure);
  };
  await withDeno("listen", () => ({ addr: ADDRESS, accept, close() {} }), async () => {
    const { network, ledger } = systemWorld();
    const listener = await network.listen(ADDRESS);
    const conn = await listener.accept();
    assert.equal(conn!.remote.port, ADDRESS.port);
    failures.push(new Error("Too many open files (os error 24)"));
    await assert.rejects(listener.accept(), NetworkError);
    listener.close();
    assert.equal(await listener.accept(), null);
    conn!.close();
    await conn!.closed;
    assert.equal(state.isClosed, true);
    assertNothingAlive(ledger);
  });
});
