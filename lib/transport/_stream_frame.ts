/** The head of a virtual stream's frame (protocol: transport, section 8.3). Pure. @module */
import { PACKET_PAYLOAD_BYTES_MAX } from "./packet.ts";

// Wire
export const STREAM_SYN = 0x01;
export const STREAM_FIN = 0x02;
export const STREAM_RELAY = 0x04;
export const STREAM_RELAYED = 0x08;
const SENDER_AT = 8;
const FLAGS_AT = 41;
/** Stream id, the sender's key, flags. */
export const STREAM_HEADER_BYTES = 42;
/** Most data of one frame. */
export const STREAM_DATA_BYTES_MAX = PACKET_PAYLOAD_BYTES_MAX - STREAM_HEADER_BYTES;
/** Most data of a frame of ours: several share a batch, so that streams and packets take turns. */
export const STREAM_DATA_BYTES = 32 * 1024;

/** A frame, taken apart. `sender` and `data` are views. */
export interface StreamFrame {
  readonly streamId: bigint;
  readonly sender: Uint8Array;
  readonly flags: number;
  readonly data: Uint8Array;
}

/** The frame in a packet's payload; undefined when it is too short for one. */
export function parseStreamFrame(payload: Uint8Array): StreamFrame | undefined {
  if (payload.length < STREAM_HEADER_BYTES) return undefined;
  return {
    streamId: new DataView(payload.buffer, payload.byteOffset).getBigUint64(0),
    sender: payload.subarray(SENDER_AT, FLAGS_AT),
    flags: payload[FLAGS_AT]!,
    data: payload.subarray(STREAM_HEADER_BYTES),
  };
}

/** Writes a frame's head into `into` at `at`; gives the offset of its data. */
export function writeStreamHeader(
  into: Uint8Array,
  at: number,
  { streamId, sender, flags }: Omit<StreamFrame, "data">,
): number {
  new DataView(into.buffer, into.byteOffset).setBigUint64(at, streamId);
  into.set(sender, at + SENDER_AT);
  into[at + FLAGS_AT] = flags;
  return at + STREAM_HEADER_BYTES;
}
