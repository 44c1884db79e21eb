/** Every way to break the protocol is answered with GoAway 1 and ends the session with a typed error. */
import assert from "node:assert/strict";
import { ConnResetError, LimitError, MalformedError, PeerError, TruncatedError } from "../../lib/base/mod.ts";
import { frame, joined, pattern, utf8, watch, withBench } from "./support.ts";

const opened = frame("window_update SYN 1 0");

const VIOLATIONS: readonly { what: string; bytes: Uint8Array; message: RegExp }[] = [
  { what: "version 1", bytes: Uint8Array.of(1, ...new Uint8Array(11)), message: /version 1/ },
  { what: "type 4", bytes: Uint8Array.of(0, 4, ...new Uint8Array(10)), message: /type 4/ },
  { what: "a second SYN of a live stream", bytes: opened, message: /Stream 1 was opened twice/ },
  { what: "a second SYN on Data", bytes: frame("data SYN 1", utf8("x")), message: /opened twice/ },
  {
    what: "a second FIN",
    bytes: joined([frame("window_update FIN 1 0"), frame("data FIN 1")]),
    message: /Stream 1 was ended twice/,
  },
  {
    what: "one byte beyond the window",
    bytes: frame("data 1 262145"),
    message: /262145 bytes into a window of 262144/,
  },
  {
    what: "one byte more in two frames",
    bytes: joined([frame("data 1", pattern(262_144)), frame("data 1", utf8("x"))]),
    message: /1 bytes into a window of 0/,
  },
  { what: "Data of 4 GiB", bytes: frame("data 1 4294967295"), message: /into a window/ },
  {
    what: "a stream with our own numbers",
    bytes: frame("window_update SYN 2 0"),
    message: /opened stream 2/,
  },
  { what: "a stream 0", bytes: frame("data SYN 0"), message: /opened stream 0/ },
];

for (const { what, bytes, message } of VIOLATIONS) {
  Deno.test(`${what} ends the session after GoAway 1`, () =>
    withBench({}, async ({ session, peer, accepted, settle }) => {
      peer.send(opened, frame("window_update SYN 3 0"));
      await settle();
      const reading = watch(accepted[1]!.read());
      const writing = watch(accepted[1]!.write(new Uint8Array(300_000)));
      await settle();
      peer.takeBytes();
      peer.send(bytes);
      await session.closed;
      await settle();
      assert.ok(session.failure instanceof MalformedError && session.failure instanceof PeerError);
      assert.match(session.failure.message, message);
      assert.deepEqual(peer.takeFrames(), ["go_away 0 1"]);
      assert.equal(peer.isEnded, true);
      for (const waiter of [reading, writing]) {
        assert.ok(waiter.error instanceof ConnResetError && waiter.error.cause === session.failure);
      }
    }));
}

Deno.test("frames before the bad one count, frames behind it do not", () =>
  withBench({}, async ({ session, peer, accepted }) => {
    peer.send(joined([
      frame("data SYN|FIN 1", utf8("good")),
      Uint8Array.of(9, ...new Uint8Array(11)),
      frame("data SYN 3", utf8("bad")),
    ]));
    await session.closed;
    assert.equal(accepted.length, 1);
    assert.equal(new TextDecoder().decode((await accepted[0]!.read())!), "good");
    assert.equal(await accepted[0]!.read(), null);
  }));

Deno.test("a reader that waits gets what came in front of the bad frame, or of the last straw", async () => {
  await withBench({}, async ({ session, peer, accepted, settle }) => {
    peer.send(frame("window_update SYN 1 0"));
    await settle();
    const reading = watch(accepted[0]!.read());
    peer.send(joined([frame("data 1", utf8("in time")), Uint8Array.of(9, ...new Uint8Array(11))]));
    await session.closed;
    assert.deepEqual(reading.value, utf8("in time"));
  });
  await withBench({ isReading: false, bytesMax: 256 * 1024 }, async ({ session, peer, accepted, settle }) => {
    const pings = (count: number) => joined(Array.from({ length: count }, () => frame("ping SYN 0 1")));
    for (const count of [1, 20_000, 20_000, 20_000]) {
      peer.send(count === 1 ? opened : pings(count));
      await settle();
    }
    assert.equal(session.isLive, true);
    const reading = watch(accepted[0]!.read());
    peer.send(joined([frame("data 1", utf8("last")), pings(21_000)]));
    await session.closed;
    assert.ok(session.failure instanceof LimitError);
    assert.deepEqual(reading.value, utf8("last"));
  });
});

Deno.test("the reader of a stream that ended in front of the bad frame is woken, though the session has forgotten it", () =>
  withBench({}, async ({ session, peer, accepted, settle }) => {
    peer.send(frame("window_update SYN 1 0"));
    await settle();
    const stream = accepted[0]!;
    await stream.closeWrite();
    const reading = watch(stream.read());
    await settle();
    peer.send(joined([frame("data FIN 1", utf8("the last")), Uint8Array.of(9, ...new Uint8Array(11))]));
    await session.closed;
    assert.deepEqual(reading.value, utf8("the last"));
    assert.equal(await stream.read(), null);
  }));

Deno.test("a session that onStream closes takes no further frame, not even of the same read", () => {
  let calls = 0;
  return withBench({
    onStream: (stream) => {
      calls++;
      stream.session.close();
    },
  }, async ({ session, peer }) => {
    peer.send(joined([opened, frame("window_update SYN 3 0"), Uint8Array.of(9, ...new Uint8Array(11))]));
    await session.closed;
    assert.equal(calls, 1);
    assert.equal(session.failure, undefined);
  });
});

for (
  const bytes of [frame("ping SYN 0 1").subarray(0, 7), frame("data SYN 1 5").subarray(0), Uint8Array.of(0)]
) {
  Deno.test(`an end after ${bytes.length} bytes of a frame is a TruncatedError`, () =>
    withBench({}, async ({ session, peer, settle }) => {
      peer.send(bytes);
      await settle();
      peer.conn.close();
      await session.closed;
      assert.ok(session.failure instanceof TruncatedError);
    }));
}

Deno.test("a reset of the connection is the session's failure", () =>
  withBench({}, async ({ session, peer }) => {
    peer.conn.close(new Error("power"));
    await session.closed;
    assert.ok(session.failure instanceof ConnResetError);
  }));

Deno.test("a throwing onStream ends the session with GoAway 2 and is told as it is", () => {
  const bug = new RangeError("bug");
  return withBench({
    onStream: () => {
      throw bug;
    },
  }, async ({ session, peer, settle }) => {
    peer.send(opened);
    await session.closed;
    await settle();
    assert.equal(session.failure, bug);
    assert.deepEqual(peer.takeFrames(), ["window_update ACK 1 0", "go_away 0 2"]);
  });
});

Deno.test("a peer that asks and does not read is cut off at the bound of the answers", () =>
  withBench({ isReading: false, bytesMax: 256 * 1024 }, async ({ session, peer, settle }) => {
    // One batch of answers is in flight, 256 KiB of them wait: the next ping is too much.
    const pings = joined(Array.from({ length: 10_000 }, (_, value) => frame(`ping SYN 0 ${value}`)));
    let sent = 0;
    while (session.isLive && sent < 20) {
      peer.send(pings);
      sent++;
      await settle();
    }
    await session.closed;
    assert.ok(session.failure instanceof LimitError);
    assert.ok(sent >= 2 && sent <= 8, `${sent} x 10,000 pings were answered or queued`);
  }));
