/** The post-quantum hybrid in sessions and streams: seen, missed, required, and never in the way of others (PQ-1 to PQ-3). */
import assert from "node:assert/strict";
import { type Conn, type LogRecord, TimedOutError } from "../../lib/base/mod.ts";
import { type Kem, type KeyPair, keyPairFromSeed, seededKem } from "../../lib/crypto/mod.ts";
import { initiateStream } from "../../lib/dmsg/_initiate.ts";
import {
  checkStreamRequest,
  connectSession,
  type DmsgClient,
  DmsgError,
  encodeStreamResponse,
  parseSignedObject,
  QUIET_AFTER_HANDSHAKE_MS,
  signObject,
} from "../../lib/dmsg/mod.ts";
import {
  kkResponder,
  noiseConn,
  PostQuantum,
  type PostQuantumSettings,
  PqRequiredError,
  xkResponder,
} from "../../lib/noise/mod.ts";
import { ConnReader, u16Frame } from "../../lib/wire/mod.ts";
import { YamuxSession } from "../../lib/yamux/mod.ts";
import { widePair } from "./_wires.ts";
import { type DmsgNetworkUnderTest, inNetwork, key, said, seedOf } from "./client_support.ts";
import { type Joined, type SessionRig, withRig } from "./_session_rig.ts";

const [alice, bob] = ["alice", "bob"].map((name) => keyPairFromSeed(new TextEncoder().encode(name))) as [
  KeyPair,
  KeyPair,
];
const OFFERED = "post-quantum DOWNGRADE: offered ML-KEM";
const FALLEN = "post-quantum DOWNGRADE: this peer was hybrid";
const REQUIRED =
  "post-quantum required (SKYWIRE_REQUIRE_PQ) but the session negotiated classical-only — refusing the handshake";

/** Warnings of a node, by what they begin with. */
function warnings(network: DmsgNetworkUnderTest, node: string, text: string): LogRecord[] {
  return network.messages(text).filter(({ module, level }) => module.startsWith(node) && level === "warn");
}

/** A client of the key `name` that is only at S, and answers what it gets on port 1000. */
async function echo(
  network: DmsgNetworkUnderTest,
  name: string,
  postQuantum: PostQuantumSettings = {},
): Promise<{ client: DmsgClient; taken: { postQuantum: boolean; ended: Promise<void> }[] }> {
  const client = network.client(name, { postQuantum });
  const listener = client.listen(1000);
  const taken: { postQuantum: boolean; ended: Promise<void> }[] = [];
  void (async () => {
    for (let stream = await listener.accept(); stream !== null; stream = await listener.accept()) {
      const accepted = stream;
      const ended = (async () => {
        try {
          for (let bytes = await accepted.read(); bytes !== null; bytes = await accepted.read()) {
            await accepted.write(bytes.slice());
          }
        } catch {
          // Ended by the other side, which is what is looked at.
        } finally {
          accepted.close();
        }
      })();
      taken.push({ postQuantum: accepted.postQuantum, ended });
    }
  })();
  await client.whenPublished();
  return { client, taken };
}

Deno.test("PQ-1: by default every session and stream is a hybrid, and says so in every place", () =>
  inNetwork(1, async (network) => {
    const server = await network.server("server");
    const { client: far, taken } = await echo(network, "far");
    const near = network.client("near");
    await near.whenReady();
    const stream = await near.dial({ publicKey: far.publicKey, port: 1000 });
    assert.equal(await said(stream), "hello");
    assert.equal(stream.postQuantum, true);
    assert.deepEqual(taken.map(({ postQuantum }) => postQuantum), [true]);
    for (const client of [near, far]) {
      assert.deepEqual(client.status().sessions.map(({ postQuantum }) => postQuantum), [true]);
    }
    assert.deepEqual(server.sessions().map(({ postQuantum }) => postQuantum), [true, true]);
    const lines = network.messages("Session established");
    assert.equal(lines.length, 4, "two clients, and the server of each");
    assert.ok(lines.every(({ level, fields }) => level === "info" && fields.post_quantum === true));
    assert.deepEqual(network.logged.filter(({ level }) => level === "warn"), []);
    stream.close();
    await Promise.all([near.close(), far.close(), server.close()]);
  }));

Deno.test("PQ-2: peers without the hybrid are served as ever, and the initiator warns with their keys", () =>
  inNetwork(2, async (network) => {
    const server = await network.server("server", { postQuantum: { mode: "off" } });
    const { client: far, taken } = await echo(network, "far", { mode: "off" });
    const near = network.client("near");
    await near.whenReady();
    assert.deepEqual(near.sessions().map(({ postQuantum }) => postQuantum), [false]);
    assert.deepEqual(warnings(network, "near", OFFERED).map(({ fields }) => fields.peer), [key("server")]);
    const stream = await near.dial({ publicKey: far.publicKey, port: 1000 });
    assert.equal(await said(stream), "hello");
    assert.equal(stream.postQuantum, false);
    assert.deepEqual(taken.map(({ postQuantum }) => postQuantum), [false]);
    assert.deepEqual(
      warnings(network, "near", OFFERED).map(({ fields }) => fields.peer),
      [key("server"), key("far")],
    );
    stream.close();
    // The other way round: who does not offer, and who is not offered to, say nothing.
    const back = await far.dial({ publicKey: far.publicKey, port: 1000 });
    back.close();
    assert.equal(network.messages("DOWNGRADE").length, 2);
    const established = network.messages("Session established");
    assert.ok(established.every(({ fields }) => fields.post_quantum === false));
    await Promise.all([near.close(), far.close(), server.close()]);
  }));

Deno.test("PQ-2: a server and a peer that were hybrid and come back classical are told of by their keys", () =>
  inNetwork(3, async (network) => {
    let server = await network.server("server");
    let { client: far } = await echo(network, "far");
    const near = network.client("near");
    await near.whenReady();
    (await near.dial({ publicKey: far.publicKey, port: 1000 })).close();
    await far.close();
    far = (await echo(network, "far", { mode: "off" })).client;
    const stream = await near.dial({ publicKey: far.publicKey, port: 1000 });
    assert.equal(stream.postQuantum, false);
    stream.close();
    assert.deepEqual(warnings(network, "near", FALLEN).map(({ fields }) => fields.peer), [key("far")]);
    // Its server saw it come back classical too.
    assert.deepEqual(warnings(network, "server", FALLEN).map(({ fields }) => fields.peer), [key("far")]);
    await server.close();
    server = await network.server("server", { postQuantum: { mode: "off" } });
    await network.sleep(30_000);
    assert.deepEqual(
      warnings(network, "near", FALLEN).map(({ fields }) => fields.peer),
      [key("far"), key("server")],
    );
    assert.deepEqual(near.sessions().map(({ postQuantum }) => postQuantum), [false]);
    await Promise.all([near.close(), far.close(), server.close()]);
  }));

Deno.test("PQ-2: a dialler that was hybrid and is classical is told of where it is answered", () =>
  inNetwork(4, async (network) => {
    const server = await network.server("server");
    const { client: far } = await echo(network, "far");
    for (const mode of ["offer", "off"] as const) {
      const near = network.client("near", { postQuantum: { mode } });
      await near.whenReady();
      (await near.dial({ publicKey: far.publicKey, port: 1000 })).close();
      await near.close();
    }
    assert.deepEqual(warnings(network, "far", FALLEN).map(({ fields }) => fields.peer), [key("near")]);
    await Promise.all([far.close(), server.close()]);
  }));

Deno.test("PQ-3: a client that requires the hybrid has no session with a server without it, and says why", () =>
  inNetwork(5, async (network) => {
    const server = await network.server("server", { postQuantum: { mode: "off" } });
    const seeded = [seedOf("server")];
    const near = network.client("near", { seeded, postQuantum: { mode: "require" } });
    await network.sleep(2_000);
    assert.deepEqual([near.isReady, server.sessions().length], [false, 0]);
    assert.equal(near.status().lastFailure, REQUIRED);
    const told = warnings(network, "near", "Cannot reach server").map(({ fields }) => fields);
    assert.deepEqual(told[0], { server: key("server"), cause: REQUIRED });
    await Promise.all([near.close(), server.close()]);
  }));

Deno.test("PQ-3: a server that requires the hybrid ends a client without it at once, and says whom", () =>
  inNetwork(6, async (network) => {
    const server = await network.server("server", { postQuantum: { mode: "require" } });
    const seeded = [seedOf("server")];
    const near = network.client("near", { seeded, postQuantum: { mode: "off" } });
    await network.sleep(1_000);
    assert.deepEqual([near.isReady, server.sessions().length], [false, 0]);
    const [refused] = warnings(network, "server", "Session refused");
    assert.deepEqual([refused?.fields.key, refused?.fields.cause], [key("near"), REQUIRED]);
    // The rest of the world is served.
    const other = network.client("other", { postQuantum: { mode: "require" } });
    await other.whenReady();
    assert.deepEqual(server.sessions().map(({ remote }) => remote), [key("other")]);
    await Promise.all([near.close(), other.close(), server.close()]);
  }));

Deno.test("PQ-3: a stream to a peer without the hybrid is refused with the typed error, and ends at once there", () =>
  inNetwork(7, async (network) => {
    const server = await network.server("server");
    const { client: far, taken } = await echo(network, "far", { mode: "off" });
    const near = network.client("near", { postQuantum: { mode: "require" } });
    await near.whenReady();
    const startMs = network.simulation.nowMs;
    await assert.rejects(near.dial({ publicKey: far.publicKey, port: 1000 }), (error) => {
      assert.ok(error instanceof PqRequiredError, String(error));
      assert.deepEqual([error.message, error.code, error.peer], [REQUIRED, "PQ_REQUIRED", key("far")]);
      assert.match(error.hint!, /SKYWIRE_REQUIRE_PQ/);
      return true;
    });
    await network.sleep(200);
    assert.equal(taken.length, 1);
    await taken[0]!.ended;
    assert.ok(network.simulation.nowMs - startMs < 1_000, "nobody waited for a time-out");
    assert.equal(near.sessions().length, 1, "the session is none the worse for it");
    await Promise.all([near.close(), far.close(), server.close()]);
  }));

Deno.test("PQ-3: a peer that requires the hybrid answers nothing to a dialler without it, and ends the stream at once", () =>
  inNetwork(8, async (network) => {
    const server = await network.server("server");
    const { client: far, taken } = await echo(network, "far", { mode: "require" });
    const near = network.client("near", { postQuantum: { mode: "off" } });
    await near.whenReady();
    const startMs = network.simulation.nowMs;
    const refusal = await near.dial({ publicKey: far.publicKey, port: 1000 }).catch((error: unknown) =>
      error
    );
    assert.ok(refusal instanceof DmsgError && refusal.dmsgCode === 202, String(refusal));
    assert.ok(network.simulation.nowMs - startMs < 1_000, "nobody waited for a time-out");
    assert.deepEqual(taken, [], "no listener saw it");
    const [refused] = warnings(network, "far", "Stream refused");
    assert.deepEqual([refused?.fields.peer, refused?.fields.cause], [key("near"), REQUIRED]);
    await Promise.all([near.close(), far.close(), server.close()]);
  }));

// --- an old peer, message by message ---------------------------------------------------------------------

Deno.test("a server that ignores payloads has a working session with us", () =>
  withRig(async (rig) => {
    const [near, far] = widePair(rig.ledger);
    const connecting = connectSession(near, { hostname: "127.0.0.1", port: 1 }, bob.publicKey, {
      world: rig.world,
      local: alice,
      log: rig.log,
      onStream: () => assert.fail("the server opens no stream"),
    });
    const reader = new ConnReader(far);
    const old = xkResponder({ local: bob, random: rig.random });
    const message1 = await readFrame(reader);
    assert.equal(message1.length, 1233);
    old.readMessage1(message1);
    await far.write(u16Frame(old.writeMessage2()));
    const message3 = await readFrame(reader);
    assert.equal(message3.length, 65);
    old.readMessage3(message3);
    const { keys, remote } = old.finish();
    assert.equal(remote, alice.publicKey);
    await rig.clock.advance(QUIET_AFTER_HANDSHAKE_MS);
    const session = await connecting;
    assert.equal(session.status().postQuantum, false);
    assert.equal(session.sealer.seal(new Uint8Array(1)).length, 2 + 24 + 1);
    assert.deepEqual(keys.receive.length, 32);
    const mux = new YamuxSession(far, { role: "server", world: rig.world, onStream: () => {} });
    const pinged = session.mux.ping();
    await rig.settle();
    assert.equal(await pinged, 0);
    session.close();
    mux.close();
    await rig.settle();
    await Promise.all([session.closed, mux.closed]);
  }));

Deno.test("a peer that ignores payloads has a working stream with us, also one that answers with nonsense", () =>
  withRig(async (rig) => {
    for (const payload of [0, 1, 1087, 1089, 1184]) {
      const a = await rig.serve(alice);
      const dialling = dial(rig, a);
      const far = await answerAsOld(rig, a, new Uint8Array(payload).fill(3));
      const { conn, postQuantum } = await dialling;
      assert.equal(postQuantum, false);
      await conn.write(Uint8Array.of(1));
      assert.deepEqual([...(await far.read())!], [1]);
      await far.write(Uint8Array.of(2));
      assert.deepEqual([...(await conn.read())!], [2]);
      conn.close();
      far.close();
      await rig.settle();
    }
  }));

// --- a KEM that takes its time -----------------------------------------------------------------------------

/** The real KEM, which begins its `n`-th work only once that is let go. */
function gatedKem(rig: SessionRig) {
  const kem = seededKem(rig.random);
  const gates: PromiseWithResolvers<void>[] = [];
  const gate = () => {
    const made = Promise.withResolvers<void>();
    gates.push(made);
    return made.promise;
  };
  const gated: Kem = {
    generate: async () => {
      await gate();
      return await kem.generate();
    },
    encapsulate: async (encapsulationKey) => {
      await gate();
      return await kem.encapsulate(encapsulationKey);
    },
  };
  return { kem: gated, gates };
}

Deno.test("dials do not wait for each other's KEM, and each gets its own stream", () =>
  withRig(async (rig) => {
    const a = await rig.serve(alice);
    const { kem, gates } = gatedKem(rig);
    const postQuantum = new PostQuantum({ kem, random: rig.random });
    const [first, second] = [1001, 1002].map((port) => dial(rig, a, { postQuantum, port }));
    await rig.settle();
    gates[1]!.resolve();
    const far2 = await answerAsOld(rig, a, NOTHING, 1);
    const { conn: conn2 } = await second!;
    await conn2.write(Uint8Array.of(2));
    assert.deepEqual([...(await far2.read())!], [2]);
    gates[0]!.resolve();
    const far1 = await answerAsOld(rig, a, NOTHING, 0);
    const { conn: conn1 } = await first!;
    await conn1.write(Uint8Array.of(1));
    assert.deepEqual([...(await far1.read())!], [1]);
    for (const conn of [conn1, conn2, far1, far2]) conn.close();
  }));

Deno.test("a dial that is cancelled, or out of time, while its KEM works ends its stream alone", () =>
  withRig(async (rig) => {
    const a = await rig.serve(alice);
    const { kem, gates } = gatedKem(rig);
    const postQuantum = new PostQuantum({ kem, random: rig.random });
    const controller = new AbortController();
    const cancelled = dial(rig, a, { postQuantum, signal: controller.signal }).catch((e: unknown) => e);
    const late = dial(rig, a, { postQuantum, timeoutMs: 1_000 }).catch((e: unknown) => e);
    await rig.settle();
    const reason = new Error("changed my mind");
    controller.abort(reason);
    await rig.clock.advance(1_000);
    for (const { resolve } of gates) resolve();
    assert.equal(await cancelled, reason);
    assert.ok(await late instanceof TimedOutError);
    await rig.settle();
    for (const stream of a.incoming.splice(0)) {
      assert.equal((await rig.outcome(stream)).bytes.length, 0, "nothing was asked");
      stream.close();
    }
    await rig.settle();
    assert.deepEqual([a.client.mux.streamCount, a.client.isLive], [0, true]);
  }));

// --- the peer's part -----------------------------------------------------------------------------------------

function dial(
  rig: SessionRig,
  a: Joined,
  { port = 1000, ...options }: {
    port?: number;
    postQuantum?: PostQuantum;
    signal?: AbortSignal;
    timeoutMs?: number;
  } = {},
) {
  return initiateStream(a.client, {
    world: rig.world,
    local: alice,
    source: { publicKey: alice.publicKey, port: 49_153 },
    destination: { publicKey: bob.publicKey, port },
    ...options,
  });
}

/** Answers the request on a stream, as a peer does that does not know what a payload is for. */
async function answerAsOld(rig: SessionRig, a: Joined, payload: Uint8Array, index = 0): Promise<Conn> {
  await rig.settle();
  const [stream] = a.incoming.splice(index, 1);
  const reader = new ConnReader(stream!);
  const signed = parseSignedObject(a.server.opener.open(await readFrame(reader)));
  const { noiseMessage } = checkStreamRequest(signed);
  assert.equal(noiseMessage.length, 1233);
  const kk = kkResponder({ local: bob, remote: alice.publicKey, random: rig.random });
  kk.readMessage1(noiseMessage);
  const response = encodeStreamResponse({
    requestHash: signed.hash,
    accepted: true,
    errorCode: 0,
    noiseMessage: kk.writeMessage2(payload),
  });
  await stream!.write(a.server.sealer.seal(signObject(response, bob.secretKey).bytes));
  return noiseConn(stream!, kk.finish().keys, { ledger: rig.ledger });
}

async function readFrame(reader: ConnReader): Promise<Uint8Array> {
  const [high, low] = await reader.readExactly(2);
  return (await reader.readExactly(high! << 8 | low!)).slice();
}

const NOTHING = new Uint8Array(0);
