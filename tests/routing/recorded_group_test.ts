/** One recorded route group, replayed as either end: every byte that the keys decide is the recorded one. @module */
import assert from "node:assert/strict";
import { Ledger, silentLog } from "../../lib/base/mod.ts";
import { fromHex, type KeyPair, parsePublicKey, SecretKey, toHex } from "../../lib/crypto/mod.ts";
import { PostQuantum } from "../../lib/noise/mod.ts";
import { type EdgeRules, type RouteGroup, Router, RouteUnencryptedError } from "../../lib/routing/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { encodePacket, PacketType, parsePacket, transportId } from "../../lib/transport/mod.ts";
import recorded from "../vectors/routing/route_group.json" with { type: "json" };
import { assertNothingAlive } from "../support/world.ts";
import { decode, encode } from "./_rig.ts";

type Role = "initiator" | "responder";
const [SOURCE_PORT, PORT] = [49_153, 3];
/** The pings of the recording carry this time. */
const WALL_MS = 1_700_000_000_123;
const KEEP_ALIVE_NS = 600_000_000_000n;
const OUR_HANDSHAKE = Uint8Array.of(1, 0, 0);

function pairOf(role: Role): KeyPair {
  const secretKey = SecretKey.parse(recorded[role].static_sk);
  assert.equal(secretKey.publicKey, recorded[role].static_pk);
  return { publicKey: secretKey.publicKey, secretKey };
}

/** A router that is one end, a list of what it said, and the other end's packets by hand. */
class End {
  readonly ledger = new Ledger();
  readonly clock = new VirtualClock({ ledger: this.ledger, wallMs: WALL_MS });
  readonly router: Router;
  readonly said: string[] = [];
  readonly edge: EdgeRules;

  constructor(readonly role: Role) {
    const random = { bytes: () => fromHex(recorded[role].ephemeral_sk) }; // the only one who asks draws a key
    const keys = [parsePublicKey(recorded.initiator.static_pk), parsePublicKey(recorded.responder.static_pk)];
    const id = transportId(keys[0]!, keys[1]!, "stcpr");
    this.router = new Router({
      world: { clock: this.clock, ledger: this.ledger, random },
      local: pairOf(role),
      transports: {
        find: () => ({
          id,
          write: (packets) => {
            this.said.push(toHex(packets));
            return Promise.resolve();
          },
        }),
      },
      log: silentLog,
      postQuantum: new PostQuantum({ random, mode: "off" }),
      settings: { countsRouteIds: true },
    });
    this.router.reserveIds(40);
    const there = {
      source: { publicKey: keys[0]!, port: SOURCE_PORT },
      destination: { publicKey: keys[1]!, port: PORT },
    };
    const back = { source: there.destination, destination: there.source };
    const isInitiator = role === "initiator";
    const head = { keepAliveNs: KEEP_ALIVE_NS, nextTransportId: id };
    this.edge = {
      descriptor: isInitiator ? back : there,
      forward: {
        kind: "forward",
        ...head,
        routeId: 40,
        nextRouteId: isInitiator ? 21 : 31,
        descriptor: isInitiator ? there : back,
      },
      reverse: {
        kind: "consume",
        keepAliveNs: KEEP_ALIVE_NS,
        routeId: isInitiator ? 31 : 21,
        descriptor: isInitiator ? back : there,
      },
    };
  }

  async hear(hex: string): Promise<void> {
    await this.router.handlePackets(fromHex(hex), { id: this.edge.forward.nextTransportId });
    await this.clock.advance(0);
  }

  /** What was said since the last call. */
  async heard(): Promise<string[]> {
    await this.clock.advance(0);
    return this.said.splice(0);
  }
}

/** What each direction said, in order. */
function packetsOf(direction: "I>" | "R>"): string[] {
  return recorded.packets.filter(({ dir }) => dir === direction).map(({ packet }) => packet);
}
const [INITIATOR, RESPONDER] = [packetsOf("I>"), packetsOf("R>")];

/** Brings the end up by the recorded packets of the other; with `changed`, one of them is another. */
async function bringUp(end: End, change: (hex: string, index: number) => string = (hex) => hex) {
  const others = (end.role === "initiator" ? RESPONDER : INITIATOR).map(change);
  let group: RouteGroup | undefined;
  let failure: unknown;
  const listener = end.router.listen(PORT);
  if (end.role === "initiator") {
    end.router.open(end.edge).then((opened) => group = opened, (error) => failure = error);
  } else {
    end.router.addEdgeRules(end.edge);
    void listener.accept().then((accepted) => group = accepted ?? undefined);
  }
  const handshakes = await end.heard();
  await end.hear(others[0]!);
  handshakes.push(...await end.heard());
  if (end.role === "responder") await end.hear(others[1]!);
  const noise = await end.heard();
  if (end.role === "initiator") {
    noise.push(...handshakes.splice(1));
    await end.hear(others[1]!);
  }
  await end.clock.advance(0);
  listener.close();
  return { group, failure, handshakes, noise, others };
}

Deno.test("the recording has 11 packets", () => {
  assert.deepEqual([recorded.packets.length, INITIATOR.length, RESPONDER.length], [11, 6, 5]);
  assert.equal(recorded.case_counts.packets, 11);
});

Deno.test("as the initiator: handshake, noise, data, ping, keep-alive and close are the recorded ones", async () => {
  const end = new End("initiator");
  const { group, handshakes, noise, others } = await bringUp(end);
  assert.ok(group !== undefined);
  assert.deepEqual(handshakes, [toHex(encodePacket(PacketType.handshake, 21, OUR_HANDSHAKE))]);
  assert.deepEqual(parsePacket(fromHex(INITIATOR[0]!)).payload, OUR_HANDSHAKE.subarray(0, 1));
  assert.deepEqual(noise, [INITIATOR[1]]);

  await group.write(encode(recorded.plaintexts["I>"]));
  assert.deepEqual(await end.heard(), [INITIATOR[2]]);
  await end.hear(others[2]!);
  assert.equal(decode(await group.read()), recorded.plaintexts["R>"]);

  const pinging = group.ping();
  assert.deepEqual(await end.heard(), [INITIATOR[3]]);
  await end.hear(others[3]!);
  assert.deepEqual(await pinging, [0]);

  await end.clock.advance(300_000);
  assert.deepEqual(await end.heard(), [INITIATOR[4]]);

  group.close();
  assert.deepEqual(await end.heard(), [INITIATOR[5]]);
  await end.hear(others[4]!);
  await group.closed;
  assert.deepEqual([end.router.rules(), end.router.groups()], [[], []]);
  await end.router.close();
  assertNothingAlive(end.ledger);
});

Deno.test("as the responder: handshake, noise, data, pong and close are the recorded ones", async () => {
  const end = new End("responder");
  const { group, handshakes, noise, others } = await bringUp(end);
  assert.ok(group !== undefined);
  assert.deepEqual(handshakes, [toHex(encodePacket(PacketType.handshake, 31, OUR_HANDSHAKE))]);
  assert.deepEqual(noise, [RESPONDER[1]]);
  assert.deepEqual(group.remote, { publicKey: recorded.initiator.static_pk, port: SOURCE_PORT });

  await end.hear(others[2]!);
  assert.equal(decode(await group.read()), recorded.plaintexts["I>"]);
  await group.write(encode(recorded.plaintexts["R>"]));
  assert.deepEqual(await end.heard(), [RESPONDER[2]]);

  await end.hear(others[3]!);
  assert.deepEqual(await end.heard(), [RESPONDER[3]]);
  await end.hear(others[4]!); // a keep-alive has no answer
  assert.deepEqual(await end.heard(), []);

  await end.hear(others[5]!);
  assert.deepEqual(await end.heard(), [RESPONDER[4]]);
  assert.equal(await group.read(), null);
  group.close();
  await group.closed;
  assert.deepEqual([end.router.rules(), end.router.groups()], [[], []]);
  await end.router.close();
  assertNothingAlive(end.ledger);
});

/** One bit of a payload is another. */
function flipped(hex: string, at: number): string {
  const bytes = fromHex(hex);
  bytes[at]! ^= 1;
  return toHex(bytes);
}

for (const role of ["initiator", "responder"] as const) {
  Deno.test(`as the ${role}: no changed byte of the noise handshake makes a group`, async () => {
    const message = (role === "initiator" ? RESPONDER : INITIATOR)[1]!;
    let refused = 0;
    for (let at = 7; at < message.length / 2; at++) {
      const end = new End(role);
      const { group, failure } = await bringUp(end, (hex, index) => index === 1 ? flipped(hex, at) : hex);
      assert.equal(group, undefined, `byte ${at}`);
      if (role === "initiator" && at > 8) assert.ok(failure instanceof Error, `byte ${at}`);
      const closing = end.router.close();
      await end.clock.advance(20_000);
      await closing;
      assert.deepEqual(end.router.rules(), []);
      assertNothingAlive(end.ledger);
      refused++;
    }
    assert.equal(refused, 51);
  });

  Deno.test(`as the ${role}: no changed byte of a data frame is read`, async () => {
    const frame = (role === "initiator" ? RESPONDER : INITIATOR)[2]!;
    let refused = 0;
    for (let at = 9; at < frame.length / 2; at += 3) {
      const end = new End(role);
      const { group } = await bringUp(end);
      await end.hear(flipped(frame, at));
      await assert.rejects(group!.read(), /./, `byte ${at}`);
      group!.close(new Error("enough"));
      await end.router.close();
      assertNothingAlive(end.ledger);
      refused++;
    }
    assert.ok(refused >= 14, `${refused}`);
  });

  Deno.test(`as the ${role}: a handshake packet that declines encryption is refused`, async () => {
    const end = new End(role);
    const { group, noise, failure } = await bringUp(
      end,
      (hex, index) => index === 0 ? flipped(hex, 7) : hex,
    );
    assert.equal(group, undefined);
    assert.ok(noise.every((hex) => !hex.startsWith("00")), "data went out");
    if (role === "initiator") assert.ok(failure instanceof RouteUnencryptedError);
    const closing = end.router.close();
    await end.clock.advance(20_000);
    await closing;
    assertNothingAlive(end.ledger);
  });
}
