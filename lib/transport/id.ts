/**
 * Transport ids: a function of both keys and the type, the same from both sides (protocol: transport, section 2).
 *
 *     SHA-256( 16 zero bytes || smaller key (33) || larger key (33) || type ), its first 16 bytes,
 *     with the version of a UUID set to 0 and the variant to 10
 *
 * @module
 */
import { MalformedError } from "../base/mod.ts";
import { type PublicKey, publicKeyBytes, sha256, toHex } from "../crypto/mod.ts";
import { InvalidTransportIdError } from "./errors.ts";
import { NETWORK_TRANSPORT_TYPES } from "./types.ts";

declare const validated: unique symbol;
/** A transport's id: a UUID in lower case. Usable as a Map key, with `===`, in JSON. */
export type TransportId = string & { readonly [validated]: true };

/** Wire: an id in its short form. */
export const TRANSPORT_ID_BYTES = 16;

const NAME_SPACE = new Uint8Array(16);
const encoder = new TextEncoder();

/** The id of the transport of `type` between `a` and `b`, in either order. Equal keys are legal. */
export function transportId(a: PublicKey, b: PublicKey, type: string): TransportId {
  const [first, second] = sortedEdges(a, b);
  const hash = sha256(NAME_SPACE, publicKeyBytes(first), publicKeyBytes(second), encoder.encode(type));
  hash[6] = hash[6]! & 0x0f;
  hash[8] = (hash[8]! & 0x3f) | 0x80;
  return transportIdFromBytes(hash.subarray(0, TRANSPORT_ID_BYTES));
}

/** True for the id of a transport between `a` and `b` of any type of the network: an id says whose it is. */
export function isTransportBetween(id: TransportId, a: PublicKey, b: PublicKey): boolean {
  return NETWORK_TRANSPORT_TYPES.some((type) => transportId(a, b, type) === id);
}

/** Both keys in the order of entries: ascending as numbers, which is that of their hex, too. */
export function sortedEdges(a: PublicKey, b: PublicKey): readonly [PublicKey, PublicKey] {
  return a <= b ? [a, b] : [b, a];
}

/** The id that `text` writes, in either case. Errors: {@link InvalidTransportIdError}. */
export function parseTransportId(text: string): TransportId {
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) throw new InvalidTransportIdError(text);
  return text.toLowerCase() as TransportId;
}

/** The 16 bytes of an id, fresh. */
export function transportIdBytes(id: TransportId): Uint8Array {
  const hex = id.replaceAll("-", "");
  return Uint8Array.from(
    { length: TRANSPORT_ID_BYTES },
    (_, at) => parseInt(hex.slice(2 * at, 2 * at + 2), 16),
  );
}

/** The id of 16 bytes, whatever they are: ids of routes are not only ours. Errors: `MalformedError`. */
export function transportIdFromBytes(bytes: Uint8Array): TransportId {
  if (bytes.length !== TRANSPORT_ID_BYTES) {
    throw new MalformedError(`A transport id has ${TRANSPORT_ID_BYTES} bytes, not ${bytes.length}`);
  }
  const hex = toHex(bytes);
  const parts = [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)];
  return parts.join("-") as TransportId;
}
