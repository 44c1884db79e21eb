/** A server's side of a mux stream: what it answers, what it hands on, and that nothing stays behind. */
import assert from "node:assert/strict";
import { type KeyPair, keyPairFromSeed, toHex } from "../../lib/crypto/mod.ts";
import { BRIDGE_IDLE_MS, REQUEST_TIMEOUT_MS, RESPONSE_TIMEOUT_MS } from "../../lib/dmsg/_relay.ts";
import {
  checkStreamResponse,
  encodeStreamResponse,
  parseSignedObject,
  type SignedObject,
  signObject,
} from "../../lib/dmsg/mod.ts";
import { ConnReader } from "../../lib/wire/mod.ts";
import type { YamuxStream } from "../../lib/yamux/mod.ts";
import { concat, keyOf, statics } from "./_recording.ts";
import { type Joined, type SessionRig, signedRequest, withRig } from "./_session_rig.ts";

const [alice, bob] = ["alice", "bob"].map((name) => keyPairFromSeed(new TextEncoder().encode(name))) as [
  KeyPair,
  KeyPair,
];

async function readSigned(reader: ConnReader, joined: Joined): Promise<SignedObject> {
  const [high, low] = await reader.readExactly(2);
  return parseSignedObject(joined.client.opener.open(await reader.readExactly((high! << 8) | low!)));
}

function acceptance(request: SignedObject, by: KeyPair): SignedObject {
  return signObject(
    encodeStreamResponse({
      requestHash: request.hash,
      accepted: true,
      errorCode: 0,
      noiseMessage: new Uint8Array(49),
    }),
    by.secretKey,
  );
}

interface Bridge {
  readonly near: YamuxStream;
  readonly far: YamuxStream;
}

/** A stream from A to B whose objects were exchanged. */
async function bridge(rig: SessionRig, a: Joined, b: Joined): Promise<Bridge> {
  const request = signedRequest(alice, bob.publicKey);
  const near = a.client.mux.open();
  await near.write(a.client.sealer.seal(request.bytes));
  await rig.settle();
  const far = b.incoming.shift()!;
  assert.equal(toHex((await readSigned(new ConnReader(far), b)).bytes), toHex(request.bytes));
  const response = acceptance(request, bob);
  await far.write(b.client.sealer.seal(response.bytes));
  assert.equal(toHex((await readSigned(new ConnReader(near), a)).bytes), toHex(response.bytes));
  return { near, far };
}

async function withBoth(test: (rig: SessionRig, a: Joined, b: Joined) => Promise<void>): Promise<void> {
  await withRig(async (rig) => await test(rig, await rig.attach(alice), await rig.attach(bob)));
}

function streamCounts(...joined: Joined[]): number[] {
  return joined.flatMap(({ client, server }) => [client.mux.streamCount, server.mux.streamCount]);
}

Deno.test("relayStream() answers the liveness marker with the same two bytes, and ends", () =>
  withRig(async (rig) => {
    const a = await rig.attach(alice);
    const stream = a.client.mux.open();
    await stream.write(Uint8Array.of(0, 0));
    const { bytes, end } = await rig.outcome(stream);
    assert.deepEqual([...bytes], [0, 0]);
    assert.equal(end, "end");
    stream.close();
    assert.equal(rig.records.length, 0);
  }));

for (
  const [hostname, ip] of [
    ["203.0.113.9", "cb007109"],
    ["::ffff:203.0.113.9", "cb007109"],
    ["2001:db8::1", "20010db8000000000000000000000001"],
  ] as const
) {
  Deno.test(`relayStream() answers a look-up with the caller's address ${hostname}, and ends`, () =>
    withRig(async (rig) => {
      const a = await rig.attach(alice, { hostname });
      const request = signedRequest(alice, keyOf("server"), { ipInfo: true });
      const stream = a.client.mux.open();
      await stream.write(a.client.sealer.seal(request.bytes));
      const signed = await readSigned(new ConnReader(stream), a);
      const answer = checkStreamResponse(signed, { request, destination: { publicKey: keyOf("server") } });
      assert.equal(toHex(answer.ip!), ip);
      assert.equal((await rig.outcome(stream)).end, "end");
      stream.close();
    }));
}

Deno.test("relayStream() closes at once when it has no session of the destination (307)", () =>
  withRig(async (rig) => {
    const a = await rig.attach(alice);
    const stream = a.client.mux.open();
    await stream.write(a.client.sealer.seal(signedRequest(alice, bob.publicKey).bytes));
    const { bytes, end } = await rig.outcome(stream);
    assert.deepEqual([bytes.length, end], [0, "end"]);
    stream.close();
    assert.match(rig.takeCause(), /^dmsg error 307 - /);
  }));

Deno.test("relayStream() refuses a source that is not the session's, though its signature is good (302)", () =>
  withBoth(async (rig, a, b) => {
    const stream = a.client.mux.open();
    await stream.write(a.client.sealer.seal(signedRequest(bob, bob.publicKey).bytes));
    assert.equal((await rig.outcome(stream)).bytes.length, 0);
    assert.match(rig.takeCause(), /^dmsg error 302 - /);
    assert.equal(b.incoming.length, 0);
    stream.close();
  }));

Deno.test("relayStream() waits 5 s for a request, and not a moment longer", () =>
  withRig(async (rig) => {
    const a = await rig.attach(alice);
    const stream = a.client.mux.open();
    await rig.clock.advance(REQUEST_TIMEOUT_MS - 1);
    assert.equal(rig.working, 1);
    await rig.clock.advance(1);
    assert.equal(rig.working, 0);
    assert.equal((await rig.outcome(stream)).bytes.length, 0);
    stream.close();
    await rig.settle();
    assert.deepEqual(streamCounts(a), [0, 0]);
    assert.equal(REQUEST_TIMEOUT_MS, 5_000);
    assert.match(rig.takeCause(), /5000 ms/);
  }));

Deno.test("relayStream() waits 10 s for a response, then ends both streams", () =>
  withBoth(async (rig, a, b) => {
    const near = a.client.mux.open();
    await near.write(a.client.sealer.seal(signedRequest(alice, bob.publicKey).bytes));
    await rig.clock.advance(RESPONSE_TIMEOUT_MS - 1);
    assert.equal(rig.working, 1);
    await rig.clock.advance(1);
    assert.equal(rig.working, 0);
    const far = b.incoming.shift()!;
    await rig.outcome(near);
    await rig.outcome(far);
    near.close();
    far.close();
    await rig.settle();
    assert.deepEqual(streamCounts(a, b), [0, 0, 0, 0]);
    assert.equal(RESPONSE_TIMEOUT_MS, 10_000);
    assert.match(rig.takeCause(), /10000 ms/);
  }));

Deno.test("relayStream() hands on what came in one breath with the objects, in order and both ways", () =>
  withBoth(async (rig, a, b) => {
    const request = signedRequest(alice, bob.publicKey);
    const near = a.client.mux.open();
    await near.write(concat([a.client.sealer.seal(request.bytes), Uint8Array.of(1, 2, 3)]));
    await rig.settle();
    const far = b.incoming.shift()!;
    const [nearReader, farReader] = [new ConnReader(near), new ConnReader(far)];
    await readSigned(farReader, b);
    const early = new Uint8Array(60_000).map((_, index) => index * 7);
    await far.write(concat([b.client.sealer.seal(acceptance(request, bob).bytes), early]));
    await far.write(Uint8Array.of(9, 9));
    await near.write(Uint8Array.of(4, 5));
    await readSigned(nearReader, a);
    assert.equal(
      toHex(await nearReader.readExactly(early.length + 2)),
      toHex(concat([early, Uint8Array.of(9, 9)])),
    );
    assert.deepEqual([...await farReader.readExactly(5)], [1, 2, 3, 4, 5]);
    near.close();
    far.close();
  }));

/** Every way in which one side of a bridge can end. */
const ENDINGS: [string, (bridge: Bridge, a: Joined, b: Joined) => void | Promise<void>, "end" | "reset"][] = [
  ["A ends", ({ near }) => near.closeWrite(), "end"],
  ["B ends", ({ far }) => far.closeWrite(), "end"],
  ["A closes", ({ near }) => near.close(), "end"],
  ["B closes", ({ far }) => far.close(), "end"],
  ["A resets", ({ near }) => near.close(new Error("test")), "reset"],
  ["B resets", ({ far }) => far.close(new Error("test")), "reset"],
  ["A's session ends", (_, { client }) => client.close(), "reset"],
  ["B's session ends", (_, __, { client }) => client.close(), "reset"],
];

for (const [name, end, outcome] of ENDINGS) {
  Deno.test(`DS-5: a bridge is freed on both sides when ${name}`, () =>
    withBoth(async (rig, a, b) => {
      const joint = await bridge(rig, a, b);
      const isOfA = name.startsWith("A");
      await end(joint, a, b);
      await rig.settle();
      const other = isOfA ? joint.far : joint.near;
      assert.equal((await rig.outcome(other)).end, outcome);
      joint.near.close();
      joint.far.close();
      await rig.settle();
      assert.equal(rig.working, 0);
      assert.deepEqual(streamCounts(a, b), [0, 0, 0, 0]);
      assert.equal((isOfA ? b : a).client.isLive, true);
    }));
}

Deno.test("a bridge without a byte for 5 min is reset, one with a byte now and then is not", () =>
  withBoth(async (rig, a, b) => {
    const [idle, busy] = [await bridge(rig, a, b), await bridge(rig, a, b)];
    assert.equal(BRIDGE_IDLE_MS, 300_000);
    for (let elapsedMs = 0; elapsedMs < BRIDGE_IDLE_MS; elapsedMs += 100_000) {
      assert.equal(rig.working, 2);
      await rig.clock.advance(100_000);
      await busy.near.write(Uint8Array.of(1));
      assert.deepEqual([...(await busy.far.read())!], [1]);
    }
    assert.equal(rig.working, 1);
    assert.equal((await rig.outcome(idle.near)).end, "reset");
    assert.equal((await rig.outcome(idle.far)).end, "reset");
    busy.near.close();
    busy.far.close();
  }));

Deno.test("a caller that leaves before the answer leaves nothing once the answer came", () =>
  withBoth(async (rig, a, b) => {
    const request = signedRequest(alice, bob.publicKey);
    const near = a.client.mux.open();
    await near.write(a.client.sealer.seal(request.bytes));
    await rig.settle();
    near.close(new Error("gave up"));
    await rig.settle();
    const far = b.incoming.shift()!;
    await far.write(b.client.sealer.seal(acceptance(request, bob).bytes));
    await rig.settle();
    assert.equal(rig.working, 0);
    await rig.outcome(far);
    far.close();
    await rig.settle();
    assert.deepEqual(streamCounts(a, b), [0, 0, 0, 0]);
  }));

Deno.test("a client reaches itself through the relay", () =>
  withRig(async (rig) => {
    const a = await rig.attach(alice);
    const request = signedRequest(alice, alice.publicKey);
    const near = a.client.mux.open();
    await near.write(a.client.sealer.seal(request.bytes));
    await rig.settle();
    const far = a.incoming.shift()!;
    await readSigned(new ConnReader(far), a);
    await far.write(a.client.sealer.seal(acceptance(request, alice).bytes));
    await readSigned(new ConnReader(near), a);
    await near.write(Uint8Array.of(1));
    assert.deepEqual([...(await far.read())!], [1]);
    near.close();
    far.close();
  }));

Deno.test("a relay that ends lets go of requests and answers at once, without a word in the log", () =>
  withBoth(async (rig, a, b) => {
    const silent = a.client.mux.open();
    const asking = a.client.mux.open();
    await asking.write(a.client.sealer.seal(signedRequest(alice, bob.publicKey).bytes));
    await rig.settle();
    const asked = b.incoming.shift()!;
    assert.equal(rig.working, 2);
    rig.abort();
    await rig.settle();
    assert.equal(rig.working, 0);
    assert.equal(rig.records.length, 0);
    for (const stream of [silent, asking, asked]) {
      await rig.outcome(stream);
      stream.close();
    }
  }));

Deno.test("DS-5: 2,000 bridged streams leave nothing", () =>
  withBoth(async (rig, a, b) => {
    const before = JSON.stringify(rig.ledger.live());
    for (let round = 0; round < 20; round++) {
      const joints = await Promise.all(
        Array.from({ length: 100 }, async () => {
          const request = signedRequest(alice, bob.publicKey);
          const near = a.client.mux.open();
          await near.write(a.client.sealer.seal(request.bytes));
          return { near, request };
        }),
      );
      await rig.settle();
      const fars = b.incoming.splice(0);
      assert.equal(fars.length, 100);
      await Promise.all(fars.map(async (far, index) => {
        const request = await readSigned(new ConnReader(far), b);
        await far.write(b.client.sealer.seal(acceptance(request, bob).bytes));
        await far.write(Uint8Array.of(index));
      }));
      await rig.settle();
      assert.equal(rig.working, 100);
      for (const [index, { near }] of joints.entries()) {
        const reader = new ConnReader(near);
        await readSigned(reader, a);
        assert.deepEqual([...await reader.readExactly(1)], [index]);
      }
      // One of five ways to end, in turn: by A or B, orderly or not, or both at once.
      for (const [index, { near }] of joints.entries()) {
        const far = fars[index]!;
        const reason = index % 2 === 0 ? undefined : new Error("test");
        if (index % 5 < 3) near.close(reason);
        if (index % 5 > 1) far.close(reason);
      }
      await rig.settle();
      assert.equal(rig.working, 0);
      for (const { near } of joints) near.close();
      for (const far of fars) far.close();
      await rig.settle();
      assert.deepEqual(streamCounts(a, b), [0, 0, 0, 0]);
      rig.records.length = 0;
    }
    assert.equal(JSON.stringify(rig.ledger.live()), before);
  }));

Deno.test("a relay knows its own key only for look-ups: a request for a stream to it is refused", () =>
  withRig(async (rig) => {
    const a = await rig.attach(alice);
    const stream = a.client.mux.open();
    await stream.write(a.client.sealer.seal(signedRequest(alice, statics.server.publicKey).bytes));
    assert.equal((await rig.outcome(stream)).bytes.length, 0);
    assert.match(rig.takeCause(), /^dmsg error 307 - /);
    stream.close();
  }));
