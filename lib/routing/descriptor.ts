/**
 * Route descriptors: the name of a route group (protocol: routing, section 3).
 *
 *     [ source key 33 ][ destination key 33 ][ source port u16 ][ destination port u16 ]      70 bytes
 *
 * The destination files its group under the descriptor as dialled, the source under the inverted one: at both
 * ends the group's own address is the descriptor's destination.
 *
 * @module
 */
import { MalformedError } from "../base/mod.ts";
import { PUBLIC_KEY_BYTES, type PublicKey, publicKeyBytes, publicKeyFromBytes } from "../crypto/mod.ts";
import { ByteReader, ByteWriter } from "../wire/mod.ts";

export const DESCRIPTOR_BYTES = 2 * PUBLIC_KEY_BYTES + 4;

/** One end of a route group: a visor and a port of its route space, 0 to 65535. */
export interface RouteAddress {
  readonly publicKey: PublicKey;
  readonly port: number;
}

/** Two ends; which is which depends on the direction that is meant. */
export interface RouteDescriptor {
  readonly source: RouteAddress;
  readonly destination: RouteAddress;
}

/** The 70 bytes. Throws `RangeError` for a port that is none. */
export function encodeDescriptor({ source, destination }: RouteDescriptor): Uint8Array {
  return new ByteWriter(DESCRIPTOR_BYTES)
    .bytes(publicKeyBytes(source.publicKey))
    .bytes(publicKeyBytes(destination.publicKey))
    .u16(source.port)
    .u16(destination.port)
    .finish();
}

/** Reads exactly 70 bytes. Throws `MalformedError`, also when a key is none. */
export function parseDescriptor(bytes: Uint8Array): RouteDescriptor {
  if (bytes.length !== DESCRIPTOR_BYTES) {
    throw new MalformedError(`A route descriptor has ${DESCRIPTOR_BYTES} bytes, not ${bytes.length}`);
  }
  const reader = new ByteReader(bytes, "Route descriptor");
  const source = readKey(reader);
  const destination = readKey(reader);
  return {
    source: { publicKey: source, port: reader.u16() },
    destination: { publicKey: destination, port: reader.u16() },
  };
}

/** The same group, seen from the other end. */
export function invertDescriptor({ source, destination }: RouteDescriptor): RouteDescriptor {
  return { source: destination, destination: source };
}

/** `<66 hex>:<port>`. */
export function routeAddressText({ publicKey, port }: RouteAddress): string {
  return `${publicKey}:${port}`;
}

/** Equal for equal descriptors: for maps. */
export function descriptorKey({ source, destination }: RouteDescriptor): string {
  return `${routeAddressText(source)}>${routeAddressText(destination)}`;
}

/** As in the logs of every Skywire visor, whose `rAddr` is the destination. */
export function descriptorText({ source, destination }: RouteDescriptor): string {
  return `rAddr:${routeAddressText(destination)}, lAddr:${routeAddressText(source)}`;
}

function readKey(reader: ByteReader): PublicKey {
  try {
    return publicKeyFromBytes(reader.bytes(PUBLIC_KEY_BYTES));
  } catch (cause) {
    throw new MalformedError("A route descriptor names no public key", { cause });
  }
}
