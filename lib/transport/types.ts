/**
 * The kinds of links that a transport can run over (protocol: transport, section 1.1).
 *
 * @module
 */
import { UnknownTransportTypeError } from "./errors.ts";

/** What this program can be asked for, in order of preference: direct before relayed. */
export const TRANSPORT_TYPES = ["stcpr", "sudph", "stcp", "dmsg"] as const;

/** The name of the type on the wire: in ids, entries and URLs. */
export type TransportType = (typeof TRANSPORT_TYPES)[number];

/** Every type of the network, in Skywire's order of preference: others appear in entries of other visors. */
export const NETWORK_TRANSPORT_TYPES: readonly string[] = [
  "stcpr",
  "squicr",
  "sudph",
  "stcp",
  "webrtc",
  "ws",
  "swsr",
  "wt",
  "swtr",
  "dmsg",
];

/** The type of that name. Errors: {@link UnknownTransportTypeError}. */
export function parseTransportType(text: string): TransportType {
  const type = TRANSPORT_TYPES.find((type) => type === text);
  if (type === undefined) throw new UnknownTransportTypeError(text);
  return type;
}

/** For sorting: the preferred type first, unknown ones last. */
export function byPreference(a: string, b: string): number {
  return rank(a) - rank(b);
}

function rank(type: string): number {
  const index = NETWORK_TRANSPORT_TYPES.indexOf(type);
  return index < 0 ? NETWORK_TRANSPORT_TYPES.length : index;
}
