/**
 * Transports: authenticated links between two visors that carry packets, whatever they run over.
 *
 * ```ts
 * import { keyPairFromSeed } from "../crypto/mod.ts";
 * import { encodePacket, PacketType, parsePacket, transportId } from "./mod.ts";
 *
 * const [alice, bob] = ["alice", "bob"].map((name) => keyPairFromSeed(new TextEncoder().encode(name)));
 * console.log(transportId(alice!.publicKey, bob!.publicKey, "stcpr"));
 * console.log(parsePacket(encodePacket(PacketType.data, 7, new TextEncoder().encode("hello"))).routeId);
 * ```
 *
 * @module
 */
export { JsonFrames } from "./_json_frames.ts";
export type { Latency } from "./_pings.ts";
export type { StreamKind } from "./_stream_mux.ts";
export type { PersistentTransport } from "./_persistent.ts";
export type { RegisteredTransport, TransportRegistrar } from "./_registration.ts";
export {
  acceptAddressHandshake,
  type AcceptedAddress,
  ADDRESS_HANDSHAKE_TIMEOUT_MS,
  openAddressHandshake,
} from "./address_handshake.ts";
export { isLoopbackAddress, isPublicAddress, isTellableAddress } from "./addresses.ts";
export * from "./carrier.ts";
export * from "./counters.ts";
export { dmsgCarrier, type DmsgCarrierOptions } from "./dmsg.ts";
export {
  isSameTransport,
  isSignedBy,
  LABEL_CHARACTERS_MAX,
  LABELS,
  parseSignedEntry,
  parseTransportEntry,
  renderSignedEntry,
  renderTransportEntry,
  SIGNED_ENTRY_BYTES_MAX,
  type SignedTransportEntry,
  signEntry,
  type TransportEntry,
  transportEntry,
} from "./entry.ts";
export * from "./errors.ts";
export * from "./id.ts";
export { type DialOptions, TransportManager, type TransportManagerOptions } from "./manager.ts";
export * from "./packet.ts";
export {
  type SocketCarrier,
  type SocketCarrierOptions,
  stcpCarrier,
  type StcpCarrierOptions,
} from "./stcp.ts";
export { stcprCarrier, type StcprCarrierOptions, type StcprResolver } from "./stcpr.ts";
export { SudphCarrier, sudphCarrier, type SudphCarrierOptions, type SudphResolver } from "./sudph/mod.ts";
export { type PacketSink, Transport, type TransportOptions } from "./transport.ts";
export * from "./source_route.ts";
export * from "./types.ts";
export { VirtualStream } from "./virtual_stream.ts";
