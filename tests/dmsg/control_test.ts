/** dmsgctrl: a ping byte, a pong byte, and nothing else. */
import assert from "node:assert/strict";
import {
  type Conn,
  Ledger,
  MalformedError,
  memoryPair,
  TimedOutError,
  TruncatedError,
} from "../../lib/base/mod.ts";
import { answerPings, CONTROL_PING_TIMEOUT_MS, pingOnce } from "../../lib/dmsg/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { ConnReader } from "../../lib/wire/mod.ts";
import { assertNothingAlive } from "../support/world.ts";

const [PING, PONG] = [9, 10];

interface Bench {
  readonly clock: VirtualClock;
  readonly near: Conn;
  readonly far: Conn;
}

async function withPair(test: (bench: Bench) => Promise<void>): Promise<void> {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const [near, far] = memoryPair({ ledger });
  await test({ clock, near, far });
  near.close();
  far.close();
  assertNothingAlive(ledger);
}

Deno.test("answerPings() answers each ping with one pong, however they are cut, and ignores pongs", () =>
  withPair(async ({ near, far }) => {
    const answering = answerPings(far);
    const reader = new ConnReader(near);
    await near.write(Uint8Array.of(PING!));
    assert.deepEqual([...await reader.readExactly(1)], [PONG]);
    await near.write(Uint8Array.of(PONG!, PING!, PING!, PONG!, PING!));
    assert.deepEqual([...await reader.readExactly(3)], [PONG, PONG, PONG]);
    await near.write(Uint8Array.of(PONG!));
    await near.write(Uint8Array.of(PING!));
    await near.closeWrite();
    await answering;
    far.close();
    assert.deepEqual([...await reader.readExactly(1)], [PONG]);
    assert.equal(await reader.isAtEnd(), true);
  }));

Deno.test("answerPings() refuses any other byte, and answers none of what came with it", async () => {
  for (let byte = 0; byte < 256; byte++) {
    if (byte === PING || byte === PONG) continue;
    await withPair(async ({ near, far }) => {
      const answering = answerPings(far);
      await near.write(Uint8Array.of(PING!, byte));
      await assert.rejects(answering, MalformedError);
      far.close();
      assert.equal(await near.read(), null);
    });
  }
});

Deno.test("pingOnce() sends one ping byte and measures the time to the pong", () =>
  withPair(async ({ clock, near, far }) => {
    const pinging = pingOnce(near, new ConnReader(near), clock);
    assert.deepEqual([...(await far.read())!], [PING]);
    await clock.advance(123);
    await far.write(Uint8Array.of(PONG!));
    assert.equal(await pinging, 123);
  }));

Deno.test("pingOnce() may be repeated on one reader", () =>
  withPair(async ({ clock, near, far }) => {
    const answering = answerPings(far);
    const reader = new ConnReader(near);
    for (let count = 0; count < 3; count++) assert.equal(await pingOnce(near, reader, clock), 0);
    near.close();
    await answering.catch(() => {});
  }));

Deno.test("pingOnce() refuses another byte, and an end", async () => {
  await withPair(async ({ clock, near, far }) => {
    const outcome = assert.rejects(pingOnce(near, new ConnReader(near), clock), MalformedError);
    await far.write(Uint8Array.of(PING!));
    await outcome;
  });
  await withPair(async ({ clock, near, far }) => {
    const outcome = assert.rejects(pingOnce(near, new ConnReader(near), clock), TruncatedError);
    far.close();
    await outcome;
  });
});

Deno.test("pingOnce() waits 10 s, or until its signal says so, and closes the stream", async () => {
  await withPair(async ({ clock, near, far }) => {
    const outcome = pingOnce(near, new ConnReader(near), clock).catch((error: unknown) => error);
    await clock.advance(CONTROL_PING_TIMEOUT_MS - 1);
    await far.read();
    await clock.advance(1);
    const error = await outcome;
    assert.ok(error instanceof TimedOutError && error.afterMs === 10_000, String(error));
    await near.closed;
  });
  await withPair(async ({ clock, near }) => {
    const controller = new AbortController();
    const reason = new Error("changed my mind");
    const outcome = pingOnce(near, new ConnReader(near), clock, controller.signal)
      .catch((error: unknown) => error);
    await clock.advance(1);
    controller.abort(reason);
    assert.equal(await outcome, reason);
    await near.closed;
  });
});
