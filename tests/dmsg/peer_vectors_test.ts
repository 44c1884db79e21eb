/** The recorded announcements, each over a live session of the key that it came from, and mutants of one. */
import assert from "node:assert/strict";
import { fromHex, type KeyPair, SecretKey, toHex } from "../../lib/crypto/mod.ts";
import { checkStreamResponse, parseSignedObject } from "../../lib/dmsg/mod.ts";
import type { PeerSettings } from "../../lib/dmsg/server.ts";
import { type DmsgNetworkUnderTest, inNetwork } from "./client_support.ts";
import { ask, hidden, sessionOf } from "./peer_support.ts";

interface Vector {
  readonly name: string;
  readonly session_remote_pk: string;
  readonly signed_object: string;
  readonly signed_object_sha256?: string;
  readonly verdict: string;
  readonly response?: {
    readonly accepted: boolean;
    readonly signed_object: string;
    readonly signed_by: string;
  };
}

const file = JSON.parse(
  await Deno.readTextFile(new URL("../vectors/mux/dmsg-peer-announce.json", import.meta.url)),
) as { vectors: Vector[]; keys: Record<string, { pk: string; sk: string }> };

function keysOf(label: string): KeyPair {
  const secretKey = SecretKey.parse(file.keys[label]!.sk);
  assert.equal(secretKey.publicKey, file.keys[label]!.pk);
  return { publicKey: secretKey.publicKey, secretKey };
}

const RECEIVER = keysOf("b_receiver");
const SENDERS = [keysOf("a"), keysOf("c")];

async function withReceiver(
  network: DmsgNetworkUnderTest,
  remote: string,
  peering: PeerSettings,
  test: (send: (bytes: Uint8Array) => ReturnType<typeof ask>, peers: () => string[]) => Promise<void>,
): Promise<void> {
  await using server = await hidden(network, "hub", peering, RECEIVER);
  const sender = SENDERS.find(({ publicKey }) => publicKey === remote)!;
  const session = await sessionOf(network, sender, "hub", { serverKey: RECEIVER.publicKey });
  await test(
    (bytes) => ask(session, bytes),
    () => server.status().peers.map(({ publicKey }) => publicKey),
  );
  session.close();
  await session.closed;
}

Deno.test("the recorded announcements are taken, refused, or no announcements, as recorded", async () => {
  let ran = 0;
  for (const vector of file.vectors) {
    await inNetwork(ran, (network) => {
      const isAllowed = vector.response?.accepted !== false;
      const acceptedKeys = isAllowed ? [] : [RECEIVER.publicKey];
      const peering = { acceptAnnouncements: true, acceptedKeys };
      return withReceiver(network, vector.session_remote_pk, peering, async (send, peers) => {
        const object = fromHex(vector.signed_object);
        const answer = await send(object);
        if (vector.response === undefined) {
          assert.match(vector.verdict, /^not an announce/);
          assert.equal(answer, undefined, vector.name);
          assert.deepEqual(peers(), []);
          return;
        }
        assert.equal(vector.verdict, "announce");
        const { response, signed } = answer!;
        assert.equal(response.accepted, vector.response.accepted);
        assert.equal(toHex(response.requestHash), vector.signed_object_sha256);
        assert.equal(signed.isSignedBy(RECEIVER.publicKey), true);
        assert.deepEqual(peers(), isAllowed ? [vector.session_remote_pk] : []);
        // The recorded answer is one that our own announcing side understands the same way.
        const recorded = parseSignedObject(fromHex(vector.response.signed_object));
        const context = { request: parseSignedObject(object), destination: RECEIVER };
        if (isAllowed) assert.equal(checkStreamResponse(recorded, context).accepted, true);
        else assert.throws(() => checkStreamResponse(recorded, context), { code: "DMSG_352" });
      });
    });
    ran++;
  }
  assert.equal(ran, 5);
});

Deno.test("no announcement that differs in one byte, or is cut, makes a session a link", () =>
  inNetwork(5, (network) => {
    const vector = file.vectors[0]!;
    const object = fromHex(vector.signed_object);
    const peering = { acceptAnnouncements: true };
    return withReceiver(network, vector.session_remote_pk, peering, async (send, peers) => {
      const mutants = [
        ...Array.from(object, (_, index) => object.with(index, object[index]! ^ (1 << index % 8))),
        ...[0, 1, 64, 65, 66, 100, object.length - 1].map((length) => object.slice(0, length)),
      ];
      for (const mutant of mutants) assert.equal(await send(mutant), undefined, toHex(mutant));
      assert.equal(mutants.length, 184 + 7);
      assert.deepEqual(peers(), []);
      assert.equal((await send(object))!.response.accepted, true, "the session still works");
      assert.deepEqual(peers(), [vector.session_remote_pk]);
    });
  }));
