/**
 * The header of a yamux frame: numbers to bytes and back. Wire-identical to hashicorp/yamux (dmsg.md 3.2).
 *
 *     [ version 0 u8 ][ type u8 ][ flags u16 ][ stream id u32 ][ length u32 ]      big endian, 12 bytes
 *
 * `length` is the size of the payload that follows (Data), a window increment (WindowUpdate), an opaque value
 * (Ping) or a code (GoAway). Plain numbers instead of objects: one header per 4 KiB of relayed bytes.
 *
 * @module
 */

// Wire: the protocol fixes these.
export const HEADER_BYTES = 12;
export const VERSION = 0;

export const TYPE_DATA = 0;
export const TYPE_WINDOW_UPDATE = 1;
export const TYPE_PING = 2;
export const TYPE_GO_AWAY = 3;

export const FLAG_SYN = 1;
export const FLAG_ACK = 2;
export const FLAG_FIN = 4;
export const FLAG_RST = 8;

export const GO_AWAY_NORMAL = 0;
export const GO_AWAY_PROTOCOL_ERROR = 1;
export const GO_AWAY_INTERNAL_ERROR = 2;

/** Bytes that a peer may send on a new stream before it is given more, in both directions. */
export const WINDOW_BYTES = 256 * 1024;
/** Stream ids are u32, and the last one is not used, as in the Go library. */
export const STREAM_ID_MAX = 0xffff_fffd;

/** Writes one header at `offset`. */
export function putHeader(
  into: Uint8Array,
  offset: number,
  type: number,
  flags: number,
  id: number,
  length: number,
): void {
  into[offset] = VERSION;
  into[offset + 1] = type;
  into[offset + 2] = flags >>> 8;
  into[offset + 3] = flags;
  putU32(into, offset + 4, id);
  putU32(into, offset + 8, length);
}

/** Writes a big-endian u32. */
export function putU32(into: Uint8Array, offset: number, value: number): void {
  into[offset] = value >>> 24;
  into[offset + 1] = value >>> 16;
  into[offset + 2] = value >>> 8;
  into[offset + 3] = value;
}

/** Reads a big-endian u32. */
export function readU32(from: Uint8Array, offset: number): number {
  return ((from[offset]! << 24) | (from[offset + 1]! << 16) | (from[offset + 2]! << 8) |
    from[offset + 3]!) >>> 0;
}
