/** Datagrams of sessions that are not there: late beginnings, ends that overtake, and resets of what was dialled. */
import assert from "node:assert/strict";
import { ConnClosedError, Ledger } from "../../lib/base/mod.ts";
import { KcpSocket } from "../../lib/kcp/mod.ts";
import { SeededRandom, VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { MemoryNet } from "./support.ts";

function twoSockets() {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const net = new MemoryNet({ clock, ledger }, { latencyMs: 20 });
  const world = { clock, ledger, random: new SeededRandom(3) };
  const sockets = [net.open(), net.open()];
  const [near, far] = sockets.map((datagrams) => new KcpSocket(datagrams, { world, admits: () => true }));
  return { clock, net, near: near!, far: far!, farDatagrams: sockets[1]! };
}

Deno.test("an end that overtakes the beginning is acknowledged by nobody: all bytes arrive after all", async () => {
  const { clock, net, near, far } = twoSockets();
  let sent = 0;
  net.watch = () => ++sent !== 1; // the first datagram is lost
  const dialled = near.dial(far.address);
  await dialled.write(new Uint8Array(3_000).fill(7));
  await dialled.closeWrite();
  let bytes = 0, hasEnded = false;
  void far.accept().then(async (conn) => {
    for (let view = await conn!.read(); view !== null; view = await conn!.read()) bytes += view.length;
    hasEnded = true;
  });
  await clock.advance(60_000);
  assert.deepEqual([bytes, hasEnded], [3_000, true]);
});

Deno.test("a session that is reset by the first datagram it hears leaves its address to the next one", async () => {
  const { clock, net, near, far, farDatagrams } = twoSockets();
  net.sockets.set(`resolver:${far.address.port}`, farDatagrams);
  const at = { hostname: "resolver", port: far.address.port };
  const dial = async () => {
    const conn = near.dial(at, { ownsAddress: true, keepsWrites: true });
    await conn.write(Uint8Array.of(1));
    return conn;
  };
  const first = await dial();
  const refused = far.accept().then((conn) => conn!.close(new ConnClosedError(undefined, "No room")));
  await clock.advance(1_000);
  await refused;
  await assert.rejects(first.read());
  await clock.advance(5_000);
  const second = await dial();
  const answered = far.accept().then((conn) => conn!.write(Uint8Array.of(2)));
  const read = second.read();
  await clock.advance(3_000);
  await answered;
  assert.deepEqual(await read, Uint8Array.of(2));
});
