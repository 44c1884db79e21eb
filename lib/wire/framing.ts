/**
 * Messages with a length of two bytes in front: the framing of handshakes and session objects.
 *
 *     [ length u16 ][ message ]      big endian
 *
 * @module
 */
import { LimitError } from "../base/mod.ts";
import type { ConnReader } from "./reader.ts";

/** Wire: the most that a length of two bytes can say. */
export const U16_FRAME_BYTES_MAX = 0xffff;

const PREFIX_BYTES = 2;

/** `message` behind its length, copied. `RangeError` when it is longer than {@link U16_FRAME_BYTES_MAX}. */
export function u16Frame(message: Uint8Array): Uint8Array {
  if (message.length > U16_FRAME_BYTES_MAX) {
    throw new RangeError(`Message of ${message.length} bytes is longer than ${U16_FRAME_BYTES_MAX}`);
  }
  const frame = new Uint8Array(PREFIX_BYTES + message.length);
  frame[0] = message.length >>> 8;
  frame[1] = message.length;
  frame.set(message, PREFIX_BYTES);
  return frame;
}

/**
 * The next message, copied, or null when the peer ended in front of it. Errors: `LimitError` for a length above
 * `bytesMax`, before anything of the message is read; `TruncatedError` for an end inside; the Conn's own.
 */
export async function readU16Frame(
  reader: ConnReader,
  { bytesMax = U16_FRAME_BYTES_MAX, what = "a message" }: {
    readonly bytesMax?: number;
    readonly what?: string;
  } = {},
): Promise<Uint8Array | null> {
  if (await reader.isAtEnd()) return null;
  const prefix = await reader.readExactly(PREFIX_BYTES, `the length of ${what}`);
  const length = (prefix[0]! << 8) | prefix[1]!;
  if (length > bytesMax) {
    throw new LimitError(`Cannot read ${what}: ${length} bytes are more than the allowed ${bytesMax}`);
  }
  return await reader.readExactly(length, what);
}
