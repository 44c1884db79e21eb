import assert from "node:assert/strict";
import { type Conn, LimitError, TimedOutError, TruncatedError } from "../../lib/base/mod.ts";
import {
  HANDSHAKE_TIMEOUT_MS,
  HandshakeError,
  kkAccept,
  kkConnect,
  noiseConn,
  PostQuantum,
  PqRequiredError,
} from "../../lib/noise/mod.ts";
import { ConnReader } from "../../lib/wire/mod.ts";
import { bareEnds } from "../support/bare_ends.ts";
import { alice, bob, mallory, seededRandom, text } from "./support.ts";

const random = seededRandom("kk_conn");

/** Two bare ends, and what each of them knows. */
function setUp() {
  const { clock, ...ends } = bareEnds();
  const dialler = { local: alice, remote: bob.publicKey, clock, random };
  const acceptor = { local: bob, remote: alice.publicKey, clock, random };
  return { ...ends, clock, dialler, acceptor };
}

Deno.test("kkConnect() and kkAccept() join two ends that know each other, and leave no timer", async () => {
  const { near, far, clock, dialler, acceptor, end } = setUp();
  const [dialled, accepted] = await Promise.all([kkConnect(near, dialler), kkAccept(far, acceptor)]);
  assert.equal(dialled.result.remote, bob.publicKey);
  assert.equal(accepted.result.remote, alice.publicKey);
  assert.equal(clock.pendingTimers, 0);
  const [a, b] = [dialled, accepted].map(({ conn, result }) => noiseConn(conn, result.keys)) as [Conn, Conn];
  await a.write(text("hello"));
  assert.deepEqual(await b.read(), text("hello"));
  await b.write(text("and back"));
  assert.deepEqual(await a.read(), text("and back"));
  await end();
});

Deno.test("the post-quantum hybrid goes through, and a peer without it is told of or refused", async () => {
  for (const [nearMode, farMode, isHybrid] of [["offer", "offer", true], ["offer", "off", false]] as const) {
    const { near, far, dialler, acceptor, end } = setUp();
    using offering = new PostQuantum({ mode: nearMode, random }).begin("initiator");
    using answering = new PostQuantum({ mode: farMode, random }).begin("responder");
    const [dialled, accepted] = await Promise.all([
      kkConnect(near, { ...dialler, extension: offering }),
      kkAccept(far, { ...acceptor, extension: answering }),
    ]);
    assert.equal(offering.isHybrid, isHybrid);
    assert.deepEqual(dialled.result.keys.send, accepted.result.keys.receive);
    await end();
  }
});

Deno.test("an acceptor that requires the hybrid sends no message 2 without it", async () => {
  const { near, far, dialler, acceptor, end } = setUp();
  using requiring = new PostQuantum({ mode: "require", random }).begin("responder");
  const accepting = kkAccept(far, { ...acceptor, extension: requiring });
  const connecting = kkConnect(near, dialler);
  connecting.catch(() => {});
  await assert.rejects(accepting, PqRequiredError);
  await assert.rejects(connecting);
  await end();
});

Deno.test("whoever is not the one that was named is refused, on both sides", async () => {
  for (const wrong of ["dialler", "acceptor"] as const) {
    const { near, far, dialler, acceptor, end } = setUp();
    const connecting = kkConnect(near, wrong === "dialler" ? { ...dialler, local: mallory } : dialler);
    const accepting = kkAccept(far, wrong === "acceptor" ? { ...acceptor, local: mallory } : acceptor);
    connecting.catch(() => {});
    await assert.rejects(accepting, HandshakeError);
    await assert.rejects(connecting);
    await end();
  }
});

Deno.test("a peer that says nothing, too much, or half of it is left in time", async () => {
  {
    const { near, clock, dialler, end } = setUp();
    const connecting = kkConnect(near, dialler);
    connecting.catch(() => {});
    await clock.advance(HANDSHAKE_TIMEOUT_MS);
    await assert.rejects(connecting, TimedOutError);
    await end();
  }
  for (const [bytes, error] of [[[0x0f, 0xff], LimitError], [[0, 49, 1], TruncatedError]] as const) {
    const { near, far, acceptor, end } = setUp();
    const accepting = kkAccept(far, acceptor);
    accepting.catch(() => {});
    await near.write(Uint8Array.from(bytes));
    await near.closeWrite();
    await assert.rejects(accepting, error);
    await end();
  }
});

Deno.test("what comes right behind the handshake is not lost", async () => {
  const { near, far, dialler, acceptor, end } = setUp();
  const accepting = kkAccept(far, acceptor);
  const { conn, result } = await kkConnect(near, dialler);
  await noiseConn(conn, result.keys).write(text("at once"));
  const accepted = await accepting;
  const reader = new ConnReader(noiseConn(accepted.conn, accepted.result.keys));
  assert.deepEqual(await reader.readExactly(7), text("at once"));
  await end();
});
