/** The table of dmsg.md 3.2, byte for byte: what each event sends, and that every flag is taken on either type. */
import assert from "node:assert/strict";
import { ConnClosedError, ConnResetError } from "../../lib/base/mod.ts";
import { GoAwayError } from "../../lib/yamux/mod.ts";
import { CountedSignal } from "../support/listeners.ts";
import { type Bench, frame, pattern, readAll, readCount, text, utf8, watch, withBench } from "./support.ts";

const hex = (bytes: Uint8Array) => bytes.toHex();

Deno.test("open() sends WindowUpdate SYN at once, then Data without flags; ids go 1, 3, 5", () =>
  withBench({ role: "client" }, async ({ session, peer, settle }) => {
    const stream = session.open();
    await settle();
    assert.equal(hex(peer.takeBytes()), "000100010000000100000000");
    await stream.write(utf8("hi"));
    await settle();
    assert.equal(hex(peer.takeBytes()), "0000000000000001000000026869");
    assert.deepEqual([session.open().id, session.open().id], [3, 5]);
    await settle();
    assert.equal(hex(peer.takeBytes()), "000100010000000300000000" + "000100010000000500000000");
  }));

Deno.test("the server side opens 2, 4", () =>
  withBench({ role: "server" }, async ({ session, peer, settle }) => {
    assert.deepEqual([session.open().id, session.open().id], [2, 4]);
    await settle();
    assert.equal(hex(peer.takeBytes()), "000100010000000200000000" + "000100010000000400000000");
  }));

Deno.test("an incoming SYN is answered with WindowUpdate ACK before anything else of the stream", () =>
  withBench({ onStream: (stream) => void stream.write(utf8("x")) }, async ({ peer, accepted, settle }) => {
    peer.send(frame("window_update SYN 1 0"));
    await settle();
    assert.equal(accepted.length, 1);
    assert.equal(accepted[0]!.id, 1);
    assert.equal(hex(peer.takeBytes()), "000100020000000100000000" + "000000000000000100000001" + "78");
  }));

Deno.test("close() sends FIN behind the data and is done with the peer's FIN", () =>
  withBench({}, async ({ session, peer, settle, accepted, ledger }) => {
    peer.send(frame("window_update SYN 1 0"));
    await settle();
    peer.takeBytes();
    const stream = accepted[0]!;
    void stream.write(utf8("bye"));
    stream.close();
    await settle();
    assert.equal(hex(peer.takeBytes()), "000000000000000100000003627965" + "000100040000000100000000");
    assert.equal(session.streamCount, 1, "waits for the peer's FIN");
    peer.send(frame("window_update FIN 1 0"));
    await stream.closed;
    assert.equal(session.streamCount, 0);
    assert.equal(ledger.count("yamux-stream"), 0);
    assert.equal(peer.takeBytes().length, 0);
  }));

Deno.test("close(reason) sends RST at once and forgets the stream", () =>
  withBench({}, async ({ session, peer, settle, accepted }) => {
    peer.send(frame("window_update SYN 1 0"), frame("data 1", utf8("unread")));
    await settle();
    peer.takeBytes();
    const reason = new Error("enough");
    accepted[0]!.close(reason);
    await accepted[0]!.closed;
    assert.equal(session.streamCount, 0);
    await settle();
    assert.equal(hex(peer.takeBytes()), "000100080000000100000000");
    await assert.rejects(
      accepted[0]!.read(),
      (error: Error) => error instanceof ConnClosedError && error.cause === reason,
    );
  }));

Deno.test("close(reason) cuts the wait of close() short", () =>
  withBench({ role: "client" }, async ({ session, peer, settle }) => {
    const stream = session.open();
    stream.close();
    stream.close(new Error("now"));
    await stream.closed;
    await settle();
    assert.deepEqual(peer.takeFrames(), [
      "window_update SYN 1 0",
      "window_update FIN 1 0",
      "window_update RST 1 0",
    ]);
  }));

Deno.test("a Ping SYN is answered with ACK and the same value", () =>
  withBench({}, async ({ peer, settle }) => {
    peer.send(frame("ping SYN 0 4294967295"));
    await settle();
    assert.equal(hex(peer.takeBytes()), "0002000200000000ffffffff");
  }));

Deno.test("ping() counts its values up from 0 and gives the round trip", () =>
  withBench({}, async ({ session, peer, settle, clock }) => {
    const first = session.ping();
    const second = watch(session.ping());
    await settle();
    assert.equal(hex(peer.takeBytes()), "000200010000000000000000" + "000200010000000000000001");
    await clock.advance(40);
    peer.send(frame("ping ACK 0 7"), frame("ping ACK 0 0")); // 7 was never asked
    assert.equal(await first, 40);
    assert.equal(second.state, "pending");
    peer.send(frame("ping ACK 0 1"));
    await settle();
    assert.equal(second.state, "done");
  }));

Deno.test("ping() ends with its signal, and with the session", () =>
  withBench({}, async ({ session, settle }) => {
    const controller = new AbortController();
    const aborted = watch(session.ping(controller.signal));
    const ended = watch(session.ping());
    controller.abort(new Error("too late"));
    await assert.rejects(session.ping(controller.signal), /too late/);
    session.close();
    await settle();
    assert.equal(aborted.error?.message, "too late");
    assert.ok(ended.error instanceof ConnClosedError);
    await assert.rejects(session.ping(), ConnClosedError);
  }));

Deno.test("ping() takes its listener back when it is answered, and with the session", () =>
  withBench({ role: "client" }, async ({ session, peer, settle }) => {
    const counted = new CountedSignal();
    const answered = session.ping(counted.signal);
    peer.send(frame("ping ACK 0 0"));
    await answered;
    assert.equal(counted.count, 0);
    const unanswered = assert.rejects(session.ping(counted.signal), ConnClosedError);
    assert.equal(counted.count, 1);
    session.close();
    await unanswered;
    await settle();
    assert.equal(counted.count, 0);
  }));

Deno.test("goAway() sends GoAway 0; what there is goes on, a further SYN is reset", () =>
  withBench({}, async ({ session, peer, settle, accepted }) => {
    peer.send(frame("window_update SYN 1 0"));
    await settle();
    peer.takeBytes();
    session.goAway();
    session.goAway();
    peer.send(frame("window_update SYN 3 0"), frame("data 1", utf8("still here")));
    assert.equal(text(await readCount(accepted[0]!, 10)), "still here");
    await settle();
    assert.equal(hex(peer.takeBytes()), "000300000000000000000000" + "000100080000000300000000");
    assert.equal(accepted.length, 1);
    assert.equal(session.isLive, false);
    assert.throws(() => session.open(), ConnClosedError);
    assert.deepEqual(peer.takeFrames(), []);
  }));

Deno.test("the peer's GoAway 0 stops open() and nothing else", () =>
  withBench({ role: "client" }, async ({ session, peer, settle }) => {
    const stream = session.open();
    peer.send(frame("window_update ACK 1 0"), frame("go_away 0 0"), frame("data 1", utf8("on")));
    assert.equal(text(await stream.read()), "on");
    await settle();
    assert.equal(session.isLive, false);
    assert.throws(() => session.open(), GoAwayError);
  }));

for (const code of [1, 2, 99]) {
  Deno.test(`the peer's GoAway ${code} ends the session with a GoAwayError`, () =>
    withBench({ role: "client" }, async ({ session, peer }) => {
      const stream = session.open();
      const reading = watch(stream.read());
      peer.send(frame(`go_away 0 ${code}`));
      await session.closed;
      assert.ok(session.failure instanceof GoAwayError && session.failure.goAwayCode === code);
      assert.ok(reading.error instanceof ConnResetError && reading.error.cause === session.failure);
      assert.throws(() => session.open(), ConnResetError);
    }));
}

// --- every flag on either type -------------------------------------------------------------------

const both = ["window_update", "data"] as const;

for (const type of both) {
  Deno.test(`SYN and FIN are taken on ${type}, also together`, () =>
    withBench({}, async ({ peer, accepted, settle }) => {
      const bytes = type === "data" ? utf8("all of it") : utf8("");
      peer.send(frame(`${type} SYN|FIN 1 ${bytes.length}`, bytes));
      await settle();
      assert.equal(accepted.length, 1);
      assert.equal(text(await readAll(accepted[0]!)), text(bytes));
      assert.equal(await accepted[0]!.read(), null, "the end stays the end");
    }));

  Deno.test(`ACK is taken on ${type}`, () =>
    withBench({ role: "client" }, async ({ session, peer, clock }) => {
      session.open();
      peer.send(frame(`${type} ACK 1 0`));
      await clock.advance(25_000); // past the open time-out
      assert.equal(session.isLive, true);
    }));

  Deno.test(`RST is taken on ${type}, and fails both halves alike`, () =>
    withBench({ role: "client" }, async ({ session, peer, settle }) => {
      const stream = session.open();
      const reading = watch(stream.read());
      const writing = watch(stream.write(new Uint8Array(300_000))); // more than the window
      await settle();
      assert.equal(writing.state, "pending");
      peer.send(frame(`${type} RST 1 0`));
      await settle();
      assert.ok(reading.error instanceof ConnResetError);
      assert.equal(writing.error, reading.error);
      await assert.rejects(stream.write(utf8("x")), ConnResetError);
      assert.equal(session.streamCount, 0);
      assert.equal(session.isLive, true);
    }));
}

Deno.test("RST on a Data frame drops the payload and what was not read, not the frames behind", () =>
  withBench({}, async ({ peer, accepted, settle }) => {
    peer.send(
      frame("data SYN 1", utf8("unread")),
      frame("data RST 1", utf8("dropped")),
      frame("data SYN 3", utf8("next")),
    );
    await settle();
    await assert.rejects(accepted[0]!.read(), ConnResetError);
    assert.equal(text(await accepted[1]!.read()), "next");
  }));

Deno.test("a window in the SYN adds to the first window", () =>
  withBench({}, async ({ peer, accepted, settle }) => {
    peer.send(frame("window_update SYN 1 1000"));
    await settle();
    const writing = watch(accepted[0]!.write(new Uint8Array(263_145)));
    await settle();
    assert.equal(writing.state, "pending");
    peer.send(frame("window_update 1 1"));
    await settle();
    assert.equal(writing.state, "done");
  }));

// --- frames of unknown streams -------------------------------------------------------------------

Deno.test("Data and WindowUpdate of unknown and forgotten streams are drained and ignored", () =>
  withBench({}, async ({ session, peer, accepted, settle }) => {
    peer.send(
      frame("data 7", pattern(100_000)),
      frame("window_update 7 1"),
      frame("data FIN 9", utf8("x")),
      frame("window_update RST 9 0"),
      frame("data 0", utf8("not a stream")),
      frame("window_update SYN 1 0"),
    );
    await settle();
    assert.deepEqual(peer.takeFrames(), ["window_update ACK 1 0"]);
    accepted[0]!.close(new Error("gone"));
    peer.send(frame("data 1", utf8("late")), frame("window_update FIN 1 0"), frame("window_update FIN 1 0"));
    await settle();
    assert.deepEqual(peer.takeFrames(), ["window_update RST 1 0"]);
    assert.equal(session.isLive, true);
  }));

Deno.test("what comes after our close, or behind the peer's FIN, is dropped", () =>
  withBench({}, async ({ session, peer, accepted, settle }) => {
    peer.send(frame("window_update SYN 1 0"), frame("window_update SYN 3 0"));
    await settle();
    accepted[0]!.close();
    peer.send(frame("data 1", utf8("not wanted")));
    peer.send(frame("data FIN 3", utf8("whole")), frame("data 3", utf8("raced")));
    assert.equal(text(await readAll(accepted[1]!)), "whole");
    await assert.rejects(accepted[0]!.read(), ConnClosedError);
    assert.equal(session.isLive, true);
  }));

// --- the end of the session ----------------------------------------------------------------------

Deno.test("close() of the session sends what was taken in, and no frame of its own", () =>
  withBench({ role: "client" }, async ({ session, peer, settle }) => {
    const stream = session.open();
    await stream.write(utf8("last"));
    const written = stream.write(utf8("words")); // settled, but not handed on when the session is closed
    session.close();
    await written;
    await session.closed;
    await settle();
    assert.deepEqual(peer.takeFrames(), ["window_update SYN 1 0", "data 1 4", "data 1 5"]);
    assert.equal(peer.isEnded, true);
    await stream.closed;
    await assert.rejects(stream.read(), ConnClosedError);
    assert.throws(() => session.open(), ConnClosedError);
  }));

Deno.test("close(reason) of the session gives every stream the reason as the cause", () =>
  withBench({ role: "client" }, async ({ session }) => {
    const reading = watch(session.open().read());
    const reason = new Error("restart");
    session.close(reason);
    session.close(new Error("second"));
    await session.closed;
    assert.ok(reading.error instanceof ConnClosedError && reading.error.cause === reason);
    assert.equal(session.failure, undefined);
  }));

async function endedByPeer({ session, peer, accepted, settle }: Bench): Promise<void> {
  peer.send(
    frame("data SYN|FIN 1", utf8("whole")),
    frame("data SYN 3", utf8("part")),
  );
  await settle();
  const stream = accepted[1]!;
  assert.equal(text(await stream.read()), "part");
  const reading = watch(stream.read());
  peer.send(frame("data SYN 5", utf8("unread part")));
  await settle();
  peer.conn.close();
  await session.closed;
  assert.equal(text(await readAll(accepted[0]!)), "whole", "an ended stream is complete");
  assert.ok(reading.error instanceof ConnResetError);
  assert.equal(text(await accepted[2]!.read()), "unread part", "what had arrived stays readable");
  await assert.rejects(accepted[2]!.read(), ConnResetError);
  await assert.rejects(accepted[2]!.write(utf8("x")), ConnResetError);
  for (const stream of accepted) await stream.closed;
  accepted[2]!.close(new Error("mine"));
  await assert.rejects(accepted[2]!.read(), ConnClosedError);
}

Deno.test("the peer's end of the connection ends every stream; ended ones stay complete", () =>
  withBench({}, endedByPeer));
