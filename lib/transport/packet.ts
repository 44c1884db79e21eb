/**
 * Packets: what routers say to each other over a transport (protocol: routing, section 2).
 *
 *     [ type u8 ][ route id u32 ][ size u16 ][ payload, size bytes ]      big endian
 *
 * Pure, and made for buffers of many packets back to back: fields are read and changed at an offset, nothing is
 * copied. A route id is the receiving router's; 0 means the transport itself. What is not here: the payloads.
 *
 * @module
 */
import { MalformedError } from "../base/mod.ts";

// Wire
export const PACKET_HEADER_BYTES = 7;
export const PACKET_PAYLOAD_BYTES_MAX = 0xffff;
export const PACKET_BYTES_MAX = PACKET_HEADER_BYTES + PACKET_PAYLOAD_BYTES_MAX;

/** Every type that is known; others arrive, too, and are ignored. */
export const PacketType = {
  data: 0,
  close: 1,
  keepAlive: 2,
  handshake: 3,
  ping: 4,
  pong: 5,
  error: 6,
  sack: 7,
  transportPing: 8,
  transportPong: 9,
  cascadeSetup: 10,
  cascadeAck: 11,
  dht: 12,
  setupRpc: 13,
  visorRpc: 14,
  skynetForward: 15,
  appDirect: 16,
  datagram: 17,
  bandwidthProbe: 18,
  bandwidthAck: 19,
  repair: 20,
  legState: 21,
  direction: 22,
  legRehome: 23,
} as const;
export type PacketType = (typeof PacketType)[keyof typeof PacketType];

/** One packet, taken apart. `payload` is a view. `type` may be one that is not known. */
export interface Packet {
  readonly type: number;
  readonly routeId: number;
  readonly payload: Uint8Array;
}

/** One packet in a buffer of its own. `RangeError` for a payload above {@link PACKET_PAYLOAD_BYTES_MAX}. */
export function encodePacket(type: number, routeId: number, payload: Uint8Array): Uint8Array {
  const packet = new Uint8Array(PACKET_HEADER_BYTES + payload.length);
  packet.set(payload, writePacketHeader(packet, 0, type, routeId, payload.length));
  return packet;
}

/** Writes a header into `into` at `at`; gives the offset of the payload. `RangeError` for a field out of range. */
export function writePacketHeader(
  into: Uint8Array,
  at: number,
  type: number,
  routeId: number,
  payloadBytes: number,
): number {
  if (!(payloadBytes >= 0 && payloadBytes <= PACKET_PAYLOAD_BYTES_MAX)) {
    throw new RangeError(`Packet size exceeded: ${payloadBytes} bytes are above ${PACKET_PAYLOAD_BYTES_MAX}`);
  }
  into[at] = type;
  setPacketRouteId(into, at, routeId);
  into[at + 5] = payloadBytes >>> 8;
  into[at + 6] = payloadBytes;
  return at + PACKET_HEADER_BYTES;
}

/** Changes the route id of the packet at `at`, in place: what a relay does. */
export function setPacketRouteId(packets: Uint8Array, at: number, routeId: number): void {
  packets[at + 1] = routeId >>> 24;
  packets[at + 2] = routeId >>> 16;
  packets[at + 3] = routeId >>> 8;
  packets[at + 4] = routeId;
}

// The readers below take a packet whose header is whole: what a PacketSink is given, for instance.

/** The type of the packet at `at`, known or not. */
export function packetTypeAt(packets: Uint8Array, at: number): number {
  return packets[at]!;
}

/** The route id of the packet at `at`, as an unsigned number. */
export function packetRouteIdAt(packets: Uint8Array, at: number): number {
  return ((packets[at + 1]! << 24) | (packets[at + 2]! << 16) | (packets[at + 3]! << 8) |
    packets[at + 4]!) >>>
    0;
}

/** How long the payload of the packet at `at` is. */
export function packetPayloadBytesAt(packets: Uint8Array, at: number): number {
  return (packets[at + 5]! << 8) | packets[at + 6]!;
}

/** Where the packet at `at` ends, and the next one begins. */
export function packetEndAt(packets: Uint8Array, at: number): number {
  return at + PACKET_HEADER_BYTES + packetPayloadBytesAt(packets, at);
}

/** The payload of the packet at `at`, as a view. */
export function packetPayloadAt(packets: Uint8Array, at: number): Uint8Array {
  return packets.subarray(at + PACKET_HEADER_BYTES, packetEndAt(packets, at));
}

/** Takes whole packets back to back apart. Errors: `MalformedError` when the last one is not whole. */
export function parsePackets(packets: Uint8Array): Packet[] {
  const parsed: Packet[] = [];
  for (let at = 0; at < packets.length; at = packetEndAt(packets, at)) {
    if (packets.length - at < PACKET_HEADER_BYTES || packetEndAt(packets, at) > packets.length) {
      throw new MalformedError(
        `Cannot read a packet: ${packets.length - at} bytes at ${at} are not a whole one`,
      );
    }
    parsed.push({
      type: packetTypeAt(packets, at),
      routeId: packetRouteIdAt(packets, at),
      payload: packetPayloadAt(packets, at),
    });
  }
  return parsed;
}

/** Takes the one packet of `bytes` apart. Errors: `MalformedError` when they are not exactly one. */
export function parsePacket(bytes: Uint8Array): Packet {
  const packets = parsePackets(bytes);
  if (packets.length !== 1) throw new MalformedError(`Cannot read a packet: there are ${packets.length}`);
  return packets[0]!;
}
