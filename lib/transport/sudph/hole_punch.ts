/**
 * The hole punch: a bare datagram that is never answered. What it does is done when it leaves, by the NATs on its
 * way: from then on they let its answer in (protocol: transport, section 6.3).
 *
 * @module
 */

// Wire
export const HOLE_PUNCH: Uint8Array = new TextEncoder().encode("holepunch");

export function isHolePunch(datagram: Uint8Array): boolean {
  return datagram.length === HOLE_PUNCH.length && HOLE_PUNCH.every((byte, at) => byte === datagram[at]);
}
