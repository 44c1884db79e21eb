/** One port, many sessions: who gets which datagram, what strangers can do, and what is left at the end. @module */
import assert from "node:assert/strict";
import { ConnClosedError, ConnResetError, Ledger } from "../../lib/base/mod.ts";
import {
  Command,
  encodeSegment,
  Ending,
  KcpSocket,
  type KcpSocketOptions,
  parseSegments,
  type SegmentHeader,
} from "../../lib/kcp/mod.ts";
import type { SocketAddress } from "../../lib/runtime/mod.ts";
import { SeededRandom, VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { assertNothingAlive } from "../support/world.ts";
import { MemoryNet, settled } from "./support.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array | null) => bytes === null ? null : new TextDecoder().decode(bytes);

interface Rig {
  readonly clock: VirtualClock;
  readonly ledger: Ledger;
  readonly net: MemoryNet;
  socket(options?: Partial<KcpSocketOptions>, hostname?: string): KcpSocket;
  turn(): Promise<void>;
}

/** Runs a test; at its end every socket is closed, and nothing may be alive. */
async function withNet(test: (rig: Rig) => Promise<void>): Promise<void> {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const net = new MemoryNet({ clock, ledger });
  const world = { clock, ledger, random: new SeededRandom(3) };
  const sockets: KcpSocket[] = [];
  const turn = () => clock.advance(15);
  await test({
    clock,
    ledger,
    net,
    turn,
    socket(options = {}, hostname) {
      const socket = new KcpSocket(net.open(hostname), { world, admits: () => true, ...options });
      sockets.push(socket);
      return socket;
    },
  });
  for (const socket of sockets) socket.close(new Error("The test is over"));
  await settled(Promise.all(sockets.map(({ closed }) => closed)), turn);
  await clock.advance(0);
  assertNothingAlive(ledger);
}

function segment(header: Partial<SegmentHeader>, data = new Uint8Array(0)): Uint8Array {
  return encodeSegment({
    conversation: 7,
    command: Command.push,
    fragment: 0,
    window: 32,
    timestamp: 0,
    number: 0,
    unacknowledged: 0,
    ...header,
  }, data);
}

/** A bare port, and what came to it. */
function stranger(net: MemoryNet, hostname = "203.0.113.66") {
  const port = net.open(hostname);
  const got: Uint8Array[] = [];
  void (async () => {
    for (let datagram = await port.receive(); datagram !== null; datagram = await port.receive()) {
      got.push(datagram.bytes);
    }
  })();
  return { port, got, segments: () => got.splice(0).flatMap(parseSegments) };
}

Deno.test("sessions of one port do not mix: dialled both ways, several with one peer", () =>
  withNet(async ({ socket, turn }) => {
    const [a, b] = [socket(), socket()];
    const dialled = [a.dial(b.address), a.dial(b.address), b.dial(a.address)];
    for (const [index, conn] of dialled.entries()) await conn.write(encode(`${index}`));
    await turn();
    const accepted = [await b.accept(), await b.accept(), await a.accept()];
    for (const [index, conn] of accepted.entries()) {
      assert.equal(decode(await conn!.read()), `${index}`);
      assert.equal(conn!.conversation, dialled[index]!.conversation);
      await conn!.write(encode(`back ${index}`));
    }
    await turn();
    for (const [index, conn] of dialled.entries()) assert.equal(decode(await conn.read()), `back ${index}`);
    assert.deepEqual([a.sessions, b.sessions], [3, 3]);
  }));

Deno.test("what is none of KCP's is bare, and reaches no session", () =>
  withNet(async ({ net, socket, turn }) => {
    const bare: [string, number][] = [];
    const a = socket({ onBare: (bytes, from) => bare.push([decode(bytes)!, from.port]) });
    const { port } = stranger(net);
    for (const text of ["holepunch", "", "x".repeat(24), "y".repeat(1_500)]) {
      await port.send(encode(text), a.address);
    }
    await turn();
    assert.deepEqual(bare.map(([text]) => text.length), [9, 0, 24, 1_500]);
    assert.ok(bare.every(([, from]) => from === port.address.port));
    assert.equal(a.sessions, 0);
    a.sendBare(encode("out"), port.address);
    port.close();
  }));

Deno.test("a session that owns its peer's address gets all that comes from there, and nothing else does", () =>
  withNet(async ({ net, socket, turn }) => {
    const bare: string[] = [];
    const a = socket({ onBare: (bytes) => bare.push(decode(bytes)!) });
    const { port, segments } = stranger(net);
    const owner = a.dial(port.address, { ownsAddress: true });
    await owner.write(encode("hello"));
    await turn();
    const { conversation } = segments()[0]!;
    await port.send(encode("holepunch"), a.address);
    await port.send(segment({ conversation: 99 }, encode("somebody else")), a.address);
    await port.send(segment({ conversation, unacknowledged: 1 }, encode("hi")), a.address);
    await turn();
    assert.equal(decode(await owner.read()), "hi");
    assert.deepEqual([bare, a.sessions], [[], 1]);
    owner.close(new Error("enough"));
    await port.send(encode("holepunch"), a.address);
    await turn();
    assert.deepEqual(bare, ["holepunch"], "its address is free again");
    port.close();
  }));

Deno.test("a dialled session may be answered from elsewhere, once; then it is bound to that address", () =>
  withNet(async ({ net, socket, turn }) => {
    const a = socket();
    const [known, real, forger] = [
      stranger(net),
      stranger(net, "203.0.113.67"),
      stranger(net, "203.0.113.68"),
    ];
    const conn = a.dial(known.port.address);
    await conn.write(encode("hello"));
    await turn();
    const { conversation } = known.segments()[0]!;
    await real.port.send(segment({ conversation, unacknowledged: 1 }, encode("here")), a.address);
    await turn();
    assert.deepEqual(conn.remote, real.port.address);
    for (const { port } of [forger, known]) {
      await port.send(segment({ conversation, number: 1, unacknowledged: 1 }, encode("no")), a.address);
    }
    await conn.write(encode("more"));
    await turn();
    assert.equal(decode(await conn.read()), "here");
    assert.equal(conn.hasHeard, true);
    assert.ok(real.segments().some(({ data }) => decode(data) === "more"));
    for (const { port } of [known, real, forger]) port.close();
  }));

Deno.test("a session begins with its first segment alone, and where one is wanted", () =>
  withNet(async ({ net, socket, turn }) => {
    const asked: SocketAddress[] = [];
    let admits = true;
    const a = socket({ admits: (from) => (asked.push(from), admits) });
    const { port, got } = stranger(net);
    const data = encode("x");
    const noBeginning = [
      segment({ number: 1 }, data),
      segment({ number: 31 }, data),
      segment({ command: Command.acknowledge }),
      segment({ command: Command.askWindow }),
      segment({ command: Command.tellWindow }),
      segment({ fragment: Ending.reset }),
    ];
    for (const datagram of noBeginning) await port.send(datagram, a.address);
    await turn();
    assert.deepEqual([a.sessions, asked.length, got.length], [0, 0, 0]);
    admits = false;
    await port.send(segment({}, data), a.address);
    await turn();
    assert.deepEqual([a.sessions, asked.length, got.length], [0, 1, 0]);
    admits = true;
    await port.send(segment({}, data), a.address);
    await turn();
    const conn = await a.accept();
    assert.deepEqual([conn!.conversation, conn!.remote, decode(await conn!.read())], [7, port.address, "x"]);
    assert.equal(conn!.isAnswered, false);
    await conn!.write(encode("answer"));
    await port.send(segment({ command: Command.acknowledge, unacknowledged: 1 }), a.address);
    await turn();
    assert.equal(conn!.isAnswered, true);
    port.close();
  }));

Deno.test("who sends in a peer's name begins a session beside the proven one, which goes on", () =>
  withNet(async ({ net, socket, turn }) => {
    const a = socket();
    const { port } = stranger(net);
    await port.send(segment({}, encode("first")), a.address);
    await turn();
    const first = await a.accept();
    await port.send(segment({ conversation: 8 }, encode("second")), a.address);
    await port.send(segment({ number: 1 }, encode(", and on")), a.address);
    await turn();
    const second = await a.accept();
    assert.deepEqual([decode(await first!.read()), decode(await second!.read())], [
      "first, and on",
      "second",
    ]);
    port.close();
  }));

Deno.test("a flood of forged beginnings is bounded by the queue and the sessions, and ends with them", () =>
  withNet(async ({ net, socket, turn, ledger }) => {
    const limits = { sessionsMax: 95, acceptQueueMax: 10 };
    const a = socket({ limits });
    const { port } = stranger(net);
    const flood = async () => {
      for (let conversation = 0; conversation < 500; conversation++) {
        await port.send(segment({ conversation }, encode("get_nonce")), a.address);
      }
      await turn();
    };
    await flood();
    assert.equal(a.sessions, 10);
    const accepted = [];
    for (let count = 0; count < 90; count++) {
      accepted.push((await a.accept())!);
      await port.send(segment({ conversation: 1_000 + count }, encode("x")), a.address);
      await turn();
    }
    await flood();
    assert.equal(a.sessions, 95);
    assert.equal(ledger.count("kcp-session"), 95);
    for (const conn of accepted) conn.close(new Error("no"));
    assert.equal(a.sessions, 5);
    await flood();
    assert.equal(a.sessions, 10, "there is room again");
    port.close();
  }));

Deno.test("who goes on with a session that is gone is told so; who ends it, too, gets its end acknowledged", () =>
  withNet(async ({ net, socket, turn }) => {
    const a = socket();
    const { port, got, segments } = stranger(net);
    const data = segment({ number: 40, unacknowledged: 5 }, encode("are you there?"));
    await port.send(data, a.address);
    await turn();
    assert.ok(got.every(({ length }) => length < data.length));
    const [reset, ...none] = segments();
    assert.deepEqual(none, []);
    assert.deepEqual([reset!.fragment, reset!.number, reset!.data.length], [Ending.reset, 5, 0]);
    await port.send(segment({ number: 41, unacknowledged: 5 }), a.address);
    await turn();
    const [answer, ...no] = segments();
    assert.deepEqual([answer!.command, answer!.number, answer!.unacknowledged], [
      Command.acknowledge,
      41,
      42,
    ]);
    for (
      const quiet of [encodeSegment(reset!), encodeSegment(answer!), segment({ command: Command.askWindow })]
    ) {
      await port.send(quiet, a.address);
    }
    await turn();
    assert.deepEqual([no, got.length, a.sessions], [[], 0, 0], "answers are not answered");
    port.close();
  }));

Deno.test("a peer whose port was opened anew is noticed with the first word to it", () =>
  withNet(async ({ net, socket, turn }) => {
    const a = socket();
    const b = socket();
    const conn = a.dial(b.address);
    await conn.write(encode("hello"));
    await turn();
    const accepted = await b.accept();
    await accepted!.write(encode("hi"));
    await turn();
    assert.equal(decode(await conn.read()), "hi");
    net.watch = () => false; // what the dying one says is lost
    b.close(new Error("killed"));
    await turn();
    net.watch = () => true;
    const again = new KcpSocket(net.open(b.address.hostname, b.address.port), {
      world: { clock: net.world.clock, ledger: net.world.ledger, random: new SeededRandom(1) },
      admits: () => true,
    });
    const reading = conn.read();
    reading.catch(() => {});
    await conn.write(encode("are you there?"));
    await turn();
    await assert.rejects(reading, ConnResetError);
    await assert.rejects(conn.write(encode("x")), ConnResetError);
    await conn.closed;
    assert.equal(a.sessions, 0);
    again.close();
    await again.closed;
  }));

Deno.test("close() lets sessions end in their time and refuses new ones; close(reason) ends them now", () =>
  withNet(async ({ socket, turn, net }) => {
    const [a, b] = [socket(), socket()];
    const conn = a.dial(b.address);
    await conn.write(encode("hello"));
    await turn();
    const accepted = await b.accept();
    const waiting = b.accept();
    let isClosed = false;
    b.closed.then(() => isClosed = true);
    b.close();
    assert.equal(await waiting, null);
    assert.equal(await b.accept(), null);
    assert.throws(() => b.dial(a.address), ConnClosedError);
    const late = a.dial(b.address);
    await late.write(encode("too late"));
    await turn();
    assert.deepEqual([isClosed, b.sessions], [false, 1]);
    await accepted!.write(encode("bye"));
    accepted!.close();
    await turn();
    assert.equal(decode(await conn.read()), "bye");
    assert.equal(await conn.read(), null);
    assert.equal(isClosed, true);
    const reason = new Error("now");
    a.close(reason);
    await assert.rejects(conn.read(), (error: Error) => error.cause === reason);
    await a.closed;
    assert.equal(net.sockets.size, 0);
  }));

Deno.test("a receive that fails is repeated with a pause, and never ends the socket", () =>
  withNet(async ({ clock, ledger, net, turn }) => {
    const port = net.open();
    let failures = 5;
    const failing = {
      address: port.address,
      send: port.send.bind(port),
      close: () => port.close(),
      receive: () => failures-- > 0 ? Promise.reject(new Error("out of buffers")) : port.receive(),
    };
    const world = { clock, ledger, random: new SeededRandom(1) };
    const socket = new KcpSocket(failing, { world, admits: () => true });
    const { port: other } = stranger(net);
    await clock.advance(200);
    await other.send(segment({}, encode("x")), port.address);
    await turn();
    assert.equal(decode(await (await socket.accept())!.read()), "x");
    other.close();
    socket.close(new Error("over"));
    await socket.closed;
  }));

Deno.test("a thousand idle sessions hold no timer, and one among them costs what one alone does", () =>
  withNet(async ({ socket, turn, clock, net }) => {
    const [a, b] = [socket(), socket({ limits: { acceptQueueMax: 1_000 } })];
    const conns = Array.from({ length: 1_000 }, () => a.dial(b.address));
    for (const conn of conns) await conn.write(encode("x"));
    await turn();
    for (let count = 0; count < 1_000; count++) await (await b.accept())!.read();
    await clock.advance(1_000);
    assert.equal(clock.pendingTimers, 0);
    const before = net.sent;
    await conns[500]!.write(encode("y"));
    await clock.advance(5_000);
    assert.equal(net.sent - before, 2, "a segment and its acknowledgement");
  }));

Deno.test("a session whose peer is gone ends after 45 s, if it has something to say; an idle one stays", () =>
  withNet(async ({ socket, turn, clock, net }) => {
    const [a, b] = [socket(), socket()];
    const conns = [a.dial(b.address), a.dial(b.address)];
    for (const conn of conns) await conn.write(encode("x"));
    await turn();
    net.watch = () => false;
    const [busy, idle] = conns as [typeof conns[0], typeof conns[0]];
    const reading = busy!.read();
    reading.catch(() => {});
    await clock.advance(300_000);
    assert.equal(a.sessions, 2);
    await busy!.write(encode("are you there?"));
    await clock.advance(44_000);
    assert.equal(a.sessions, 2);
    await clock.advance(10_000);
    await assert.rejects(reading, ConnResetError);
    await busy!.closed;
    assert.equal(a.sessions, 1);
    net.watch = () => true;
    await idle!.write(encode("y"));
    await turn();
    assert.deepEqual([a.sessions, clock.pendingTimers], [1, 1]);
  }));

Deno.test("a session that ended may begin again with the same number", () =>
  withNet(async ({ net, socket, turn }) => {
    const a = socket();
    const { port } = stranger(net);
    for (let count = 0; count < 3; count++) {
      await port.send(segment({}, encode("x")), a.address);
      const conn = await settled(a.accept(), turn);
      assert.equal(decode(await conn!.read()), "x");
      conn!.close(new Error("enough"));
      assert.equal(a.sessions, 0);
    }
    port.close();
  }));

Deno.test("a close waits a second for a dead peer, and not at all once it has a reason", () =>
  withNet(async ({ socket, clock, turn, net }) => {
    const [a, b] = [socket(), socket()];
    for (const reason of [undefined, new Error("now")]) {
      net.watch = () => true;
      const conn = a.dial(b.address);
      await conn.write(encode("x"));
      await turn();
      net.watch = () => false;
      await conn.write(new Uint8Array(10_000));
      conn.close();
      await clock.advance(500);
      assert.equal(a.sessions, 1);
      if (reason !== undefined) conn.close(reason);
      else await clock.advance(501);
      assert.equal(a.sessions, 0);
      await conn.closed;
    }
  }));
