/** A Conn as a Node socket: what Node's own HTTP makes of it. @module */
import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { ConnResetError, Ledger, memoryPair } from "../../lib/base/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { connToNodeDuplex } from "../../lib/wire/node_streams.ts";
import { strictReads } from "../support/strict_reads.ts";

function socketPair() {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const [near, far] = memoryPair({ ledger });
  return {
    ledger,
    clock,
    far,
    socket: connToNodeDuplex(near, { clock, remoteAddress: "02ab", remotePort: 80 }),
  };
}

Deno.test("connToNodeDuplex() carries a request of node:http to a server of node:http", async () => {
  const { ledger, clock, far, socket } = socketPair();
  const body = new Uint8Array(300_000).map((_, index) => index * 13);
  const server = http.createServer((request, response) => {
    assert.equal(request.socket.remoteAddress, "03cd");
    request.pipe(response);
  });
  Object.defineProperty(server, "listening", { get: () => true }); // else Deno closes after each response
  const served = connToNodeDuplex(far, { clock, remoteAddress: "03cd" });
  server.emit("connection", served);
  const request = http.request({ method: "POST", path: "/echo", createConnection: () => socket as never });
  request.end(body);
  const [response] = await once(request, "response") as [http.IncomingMessage];
  const chunks: Uint8Array[] = [];
  for await (const chunk of response) chunks.push(chunk);
  assert.deepEqual(new Uint8Array(Buffer.concat(chunks)), body);
  socket.destroy();
  served.destroy();
  await Promise.all([once(socket, "close"), once(served, "close")]);
  assert.deepEqual(ledger.live(), {});
});

Deno.test("connToNodeDuplex() gives chunks that later reads leave alone", async () => {
  const conn = strictReads(Uint8Array.of(1, 2), Uint8Array.of(3));
  const socket = connToNodeDuplex(conn, { clock: new VirtualClock() });
  const chunks: number[][] = [];
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) chunks.push([...chunk]);
  assert.deepEqual(chunks.flat(), [1, 2, 3]);
  socket.destroy();
});

Deno.test("connToNodeDuplex() ends each direction by itself and closes after both", async () => {
  const { ledger, far, socket } = socketPair();
  await far.write(Uint8Array.of(1, 2, 3));
  await far.closeWrite();
  const chunks: number[] = [];
  for await (const chunk of socket.iterator({ destroyOnReturn: false })) chunks.push(...chunk);
  assert.deepEqual(chunks, [1, 2, 3]);
  const closed = once(socket, "close");
  socket.end(Uint8Array.of(4));
  assert.deepEqual(Array.from((await far.read())!), [4]);
  assert.equal(await far.read(), null);
  await closed;
  far.close();
  assert.deepEqual(ledger.live(), {});
});

Deno.test("connToNodeDuplex() fails with its Conn, and the Conn with its destroy", async () => {
  const reset = socketPair();
  reset.socket.resume();
  const failed = once(reset.socket, "error");
  reset.far.close(new Error("cable cut"));
  assert.ok((await failed)[0] instanceof ConnResetError);
  assert.deepEqual(reset.ledger.live(), {});

  const destroyed = socketPair();
  destroyed.socket.on("error", () => {});
  const closed = new Promise((resolve) => destroyed.socket.on("close", resolve));
  destroyed.socket.destroy(new Error("enough"));
  await closed;
  await assert.rejects(destroyed.far.read(), ConnResetError);
  destroyed.far.close();
  assert.deepEqual(destroyed.ledger.live(), {});
});

Deno.test("connToNodeDuplex() emits `timeout` after silence, and leaves no timer", async () => {
  const { ledger, clock, far, socket } = socketPair();
  let timeouts = 0;
  socket.resume();
  socket.setTimeout(1_000, () => timeouts++);
  await clock.advance(900);
  await far.write(Uint8Array.of(1));
  await clock.advance(999);
  assert.equal(timeouts, 0);
  await clock.advance(1);
  assert.equal(timeouts, 1);
  socket.setTimeout(1_000);
  socket.setTimeout(0);
  assert.equal(ledger.count("timer"), 0);
  socket.setTimeout(5);
  const closed = once(socket, "close");
  socket.setNoDelay().setKeepAlive().ref().unref().destroy();
  await closed;
  far.close();
  assert.deepEqual(ledger.live(), {});
});
