/** Descriptors, rules, the payloads of packets, and whole batches of packets at a router with a group. @module */
import { silentLog } from "../../../lib/base/mod.ts";
import { fromHex, SecretKey } from "../../../lib/crypto/mod.ts";
import { PostQuantum } from "../../../lib/noise/mod.ts";
import {
  type EdgeRules,
  encodeDescriptor,
  encodeRule,
  parseClose,
  parseDescriptor,
  parseErrorText,
  parseHandshake,
  parsePing,
  parseRule,
  parseSack,
  parseSequenced,
  type RouteGroup,
  Router,
  ruleSummary,
  ruleText,
} from "../../../lib/routing/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import {
  encodePacket,
  packetEndAt,
  PacketType,
  parsePacket,
  parsePackets,
  setPacketRouteId,
  type TransportId,
  transportId,
} from "../../../lib/transport/mod.ts";
import group from "../../vectors/routing/route_group.json" with { type: "json" };
import packets from "../../vectors/routing/packets.json" with { type: "json" };
import rules from "../../vectors/routing/rules.json" with { type: "json" };
import { byteMutants } from "../_mutants.ts";
import { alone, ended } from "../_rig.ts";
import type { FuzzTarget } from "../_target.ts";

const recorded = packets.vectors.map(({ hex }) => fromHex(hex));
const payloadsOf = (type: number) =>
  recorded.map(parsePacket).filter((packet) => packet.type === type).map(({ payload }) => payload);

/** What the far end of a group may say, from the recording, all of it and each packet. */
function spoken(direction: string): Uint8Array[] {
  const said = group.packets.filter(({ dir }) => dir === direction).map(({ packet }) => fromHex(packet));
  return [joined(said), ...said, joined([...recorded, ...said])];
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  pieces.reduce((at, piece) => (all.set(piece, at), at + piece.length), 0);
  return all;
}

/** Rules that there are; most packets are for the group. */
const ROUTE_IDS = [1, 2, 3, 2];
type Role = "initiator" | "responder";
/** The recorded keys: a recording that comes whole makes a group that runs. */
const keys = {
  initiator: SecretKey.parse(group.initiator.static_sk),
  responder: SecretKey.parse(group.responder.static_sk),
};

/** A router with a group in one of its roles and a relayed route; every whole packet of `bytes` comes to it. */
function feedRouter(role: Role, bytes: Uint8Array): Promise<unknown> {
  return alone(async (ledger) => {
    const clock = new VirtualClock({ ledger });
    const random = { bytes: () => fromHex(group[role].ephemeral_sk) }; // the only one who asks draws a key
    const secretKey = keys[role];
    const local = { publicKey: secretKey.publicKey, secretKey };
    const remote = keys[role === "initiator" ? "responder" : "initiator"];
    const id = transportId(local.publicKey, remote.publicKey, "stcpr");
    const router = new Router({
      world: { clock, ledger, random },
      local,
      transports: { find: () => ({ id, write: () => Promise.resolve() }) },
      log: silentLog,
      postQuantum: new PostQuantum({ random, mode: "off" }),
      settings: { countsRouteIds: true },
    });
    router.reserveIds(ROUTE_IDS.length);
    const [own, other] = [{ publicKey: local.publicKey, port: 3 }, { publicKey: remote.publicKey, port: 9 }];
    const descriptor = { source: other, destination: own };
    const head = { keepAliveNs: 60_000_000_000n, nextRouteId: 1, nextTransportId: id };
    const edge: EdgeRules = {
      descriptor,
      forward: { kind: "forward", ...head, routeId: 1, descriptor: { source: own, destination: other } },
      reverse: { kind: "consume", keepAliveNs: head.keepAliveNs, routeId: 2, descriptor },
    };
    router.addIntermediaryRules([{ kind: "intermediary", ...head, routeId: 3 }]);
    const opening = role === "initiator" ? router.open(edge) : undefined;
    const used = opening?.then(useUp).catch(() => {});
    if (role === "responder") router.addEdgeRules(edge);
    try {
      const batch = wholePackets(bytes);
      if (bytes.length % 2 === 0) await router.handlePackets(batch, { id });
      else await oneByOne(router, clock, batch, id);
      await clock.advance(0);
    } finally {
      await ended(clock, router.close());
      await used;
    }
    return router.counters();
  });
}

/** What an app does with a group. */
async function useUp(opened: RouteGroup): Promise<void> {
  try {
    for (let view = await opened.read(); view !== null; view = await opened.read());
  } finally {
    opened.close();
  }
}

/** So that a group gets through its handshakes before its close comes. */
async function oneByOne(
  router: Router,
  clock: VirtualClock,
  batch: Uint8Array,
  id: TransportId,
): Promise<void> {
  for (let at = 0; at < batch.length;) {
    const end = packetEndAt(batch, at);
    await router.handlePackets(batch.subarray(at, end), { id });
    await clock.advance(0);
    at = end;
  }
}

/** The packets at the front of `bytes` that are whole, as a transport hands them up; ids that there are. */
function wholePackets(bytes: Uint8Array): Uint8Array {
  let end = 0;
  for (; bytes.length - end >= 7;) {
    const next = end + 7 + (bytes[end + 5]! << 8 | bytes[end + 6]!);
    if (next > bytes.length) break;
    setPacketRouteId(bytes, end, ROUTE_IDS[bytes[end + 4]! % ROUTE_IDS.length]!);
    end = next;
  }
  return bytes.subarray(0, end);
}

/** Names of the recording's ids do not matter: `wholePackets` gives new ones. */
const routerSeeds = [
  ...spoken("I>"),
  ...spoken("R>"),
  joined([
    encodePacket(PacketType.handshake, 1, Uint8Array.of(1, 3, 0)),
    encodePacket(PacketType.ping, 1, new Uint8Array(16)),
    encodePacket(PacketType.close, 1, Uint8Array.of(0)),
  ]),
];

export const routingTargets: readonly FuzzTarget[] = [
  {
    name: "routing/descriptor",
    inputs: byteMutants(rules.descriptors.map(({ hex }) => fromHex(hex))),
    feed: (bytes: Uint8Array) => encodeDescriptor(parseDescriptor(bytes)),
  },
  {
    name: "routing/rule",
    inputs: byteMutants(rules.rules.map(({ hex }) => fromHex(hex))),
    feed(bytes: Uint8Array) {
      const rule = parseRule(bytes);
      const again = encodeRule(rule);
      if (JSON.stringify(ruleSummary(parseRule(again))) !== JSON.stringify(ruleSummary(rule))) {
        throw new Error("A rule changed when it was encoded");
      }
      return [ruleText(rule), again];
    },
  },
  {
    name: "routing/handshake",
    inputs: byteMutants(payloadsOf(PacketType.handshake)),
    feed: (bytes: Uint8Array) => parseHandshake(bytes),
  },
  {
    name: "routing/ping",
    inputs: byteMutants(payloadsOf(PacketType.ping)),
    feed: (bytes: Uint8Array) => parsePing(bytes).timestampMs.toString(),
  },
  {
    name: "routing/close",
    inputs: byteMutants(payloadsOf(PacketType.close)),
    feed: parseClose,
    refuses: false,
  },
  {
    name: "routing/error-text",
    inputs: byteMutants(payloadsOf(PacketType.error)),
    feed: parseErrorText,
    refuses: false,
  },
  {
    name: "routing/sack",
    inputs: byteMutants(payloadsOf(PacketType.sack)),
    feed: (bytes: Uint8Array) => parseSack(bytes).words.map(String),
  },
  {
    name: "routing/sequenced",
    inputs: byteMutants(recorded.slice(0, 3).map((bytes) => bytes.subarray(7))),
    feed: parseSequenced,
  },
  { name: "routing/packets", inputs: byteMutants(recorded), feed: parsePackets },
  ...(["initiator", "responder"] as const).map((role) => ({
    name: `routing/router-${role}`,
    inputs: byteMutants(routerSeeds),
    feed: (bytes: Uint8Array) => feedRouter(role, bytes),
    refuses: false,
  })),
];
