/**
 * Segments: what a KCP datagram consists of (protocol: transport, section 6.3).
 *
 *     0        4     5     6      8        12       16       20      24
 *     [ conv 4 ][cmd][frg][wnd 2][ ts 4   ][ sn 4   ][ una 4 ][ len 4 ][ len bytes ]     little endian
 *
 * A datagram is one or more segments of one conversation, and nothing else. It is refused or taken as a whole.
 *
 * @module
 */
import { MalformedError } from "../base/mod.ts";

// Wire
export const HEADER_BYTES = 24;
/** The largest datagram. */
export const MTU_BYTES = 1400;
/** The most that one segment carries. */
export const MSS_BYTES = MTU_BYTES - HEADER_BYTES;

export const Command = { push: 81, acknowledge: 82, askWindow: 83, tellWindow: 84 } as const;

/**
 * What an empty push says. Other implementations never send one, acknowledge it like any other, and give their
 * reader nothing: to them it is the silence that every KCP session ends in.
 */
export const Ending = { orderly: 0, reset: 255 } as const;

/** A segment, decoded. */
export interface Segment {
  readonly conversation: number;
  readonly command: number;
  /** Segments of the same message that follow. */
  readonly fragment: number;
  /** Segments that the sender has room for. */
  readonly window: number;
  /** Milliseconds of the sender's clock; in an acknowledgement, of the clock of who is acknowledged. */
  readonly timestamp: number;
  readonly number: number;
  /** Every number below has arrived at the sender. */
  readonly unacknowledged: number;
  /** A view. */
  readonly data: Uint8Array;
}

export type SegmentHeader = Omit<Segment, "data">;

/** All of `datagram`. Errors: `MalformedError`. */
export function parseSegments(datagram: Uint8Array): Segment[] {
  if (!isDatagram(datagram)) throw new MalformedError(`No KCP datagram: ${datagram.length} bytes`);
  const segments: Segment[] = [];
  for (let at = 0; at < datagram.length; at = segmentEndAt(datagram, at)) {
    segments.push({
      conversation: conversationAt(datagram, at),
      command: commandAt(datagram, at),
      fragment: fragmentAt(datagram, at),
      window: windowAt(datagram, at),
      timestamp: timestampAt(datagram, at),
      number: numberAt(datagram, at),
      unacknowledged: unacknowledgedAt(datagram, at),
      data: dataAt(datagram, at),
    });
  }
  return segments;
}

/** True for whole segments of one conversation, of known commands, none larger than a peer may send. */
export function isDatagram(datagram: Uint8Array): boolean {
  if (datagram.length < HEADER_BYTES) return false;
  const conversation = conversationAt(datagram, 0);
  let at = 0;
  while (at < datagram.length) {
    if (datagram.length - at < HEADER_BYTES || conversationAt(datagram, at) !== conversation) return false;
    const command = commandAt(datagram, at);
    const bytes = dataBytesAt(datagram, at);
    if (command < Command.push || command > Command.tellWindow || bytes > MSS_BYTES) return false;
    if (command !== Command.push && bytes > 0) return false;
    at += HEADER_BYTES + bytes;
  }
  return at === datagram.length;
}

/** Writes a header at `at`. */
export function writeHeader(into: Uint8Array, at: number, header: SegmentHeader, dataBytes: number): void {
  writeU32(into, at, header.conversation);
  into[at + 4] = header.command;
  into[at + 5] = header.fragment;
  into[at + 6] = header.window;
  into[at + 7] = header.window >>> 8;
  writeU32(into, at + 8, header.timestamp);
  writeU32(into, at + 12, header.number);
  writeU32(into, at + 16, header.unacknowledged);
  writeU32(into, at + 20, dataBytes);
}

/** One segment as a datagram of its own. */
export function encodeSegment(header: SegmentHeader, data: Uint8Array = NOTHING): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES + data.length);
  writeHeader(bytes, 0, header, data.length);
  bytes.set(data, HEADER_BYTES);
  return bytes;
}

// Fields of the segment at `at`, which must be there.

export function conversationAt(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at);
}
export function commandAt(bytes: Uint8Array, at: number): number {
  return bytes[at + 4]!;
}
export function fragmentAt(bytes: Uint8Array, at: number): number {
  return bytes[at + 5]!;
}
export function windowAt(bytes: Uint8Array, at: number): number {
  return bytes[at + 6]! | bytes[at + 7]! << 8;
}
export function timestampAt(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + 8);
}
export function numberAt(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + 12);
}
export function unacknowledgedAt(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + 16);
}
export function dataBytesAt(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at + 20);
}
export function dataAt(bytes: Uint8Array, at: number): Uint8Array {
  return bytes.subarray(at + HEADER_BYTES, segmentEndAt(bytes, at));
}
export function segmentEndAt(bytes: Uint8Array, at: number): number {
  return at + HEADER_BYTES + dataBytesAt(bytes, at);
}

/** How far `a` is ahead of `b`, negative when behind: numbers come round after 2^32. */
export function distance(a: number, b: number): number {
  return (a - b) | 0;
}

function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | bytes[at + 1]! << 8 | bytes[at + 2]! << 16 | bytes[at + 3]! << 24) >>> 0;
}

function writeU32(into: Uint8Array, at: number, value: number): void {
  into[at] = value;
  into[at + 1] = value >>> 8;
  into[at + 2] = value >>> 16;
  into[at + 3] = value >>> 24;
}

const NOTHING = new Uint8Array(0);
