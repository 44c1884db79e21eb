/**
 * What is inside of a route's packets (protocol: routing, section 2; mux, sections 2 to 4).
 *
 *     handshake  [ encrypt u8 ][ capabilities u16, little endian ][ noise message ]     1 byte, or 3 and more
 *     ping       [ unix ms i64 ][ throughput i64, bytes/s ]                             16 bytes; pong: 8 of zero
 *     close      [ code u8 ]          error  [ UTF-8 text ]
 *     SACK       [ last contiguous u32 ][ n u8 ][ n bitmap words u64 ]                  early 2026: u32, one word
 *     data       application bytes; of a multiplexed group [ sequence u32 ][ bytes ]
 *
 * Pure. Every parser takes any bytes and throws `MalformedError` for what is none of its kind.
 *
 * @module
 */
import { MalformedError, oneLine } from "../base/mod.ts";
import { ByteReader, ByteWriter } from "../wire/mod.ts";

/** Of a handshake; bits that are not listed belong to later versions. */
export const CAPABILITY = { mux: 1, sack: 2, cascade: 4, perFrameNoise: 8 } as const;

/** Why a route ends. */
export const CLOSE_CODE = { requested: 0, legRetired: 1 } as const;

/** A close reason is kept and shown up to this many characters. */
export const ERROR_TEXT_CHARACTERS_MAX = 512;

const PING_BYTES = 16;
const SACK_WORDS_MAX = 32;
const EARLY_SACK_BYTES = 12;
const TEXT = new TextDecoder();

/** A handshake packet. `rest` is a view of what follows the capabilities, usually empty. */
export interface RouteHandshake {
  readonly encrypt: boolean;
  readonly capabilities: number;
  readonly rest: Uint8Array;
}

/** The three-byte form; `legacy` gives the one byte of 2024, which has no capabilities. */
export function encodeHandshake(
  { encrypt, capabilities, legacy = false }: { encrypt: boolean; capabilities: number; legacy?: boolean },
): Uint8Array {
  const first = encrypt ? 1 : 0;
  return legacy ? Uint8Array.of(first) : Uint8Array.of(first, capabilities, capabilities >>> 8);
}

/** One byte is the form of 2024. Two bytes have no capabilities either (mux, section 2). */
export function parseHandshake(payload: Uint8Array): RouteHandshake {
  if (payload.length === 0) throw new MalformedError("A route handshake is empty");
  const hasCapabilities = payload.length >= 3;
  return {
    encrypt: payload[0] === 1,
    capabilities: hasCapabilities ? payload[1]! | payload[2]! << 8 : 0,
    rest: hasCapabilities ? payload.subarray(3) : payload.subarray(payload.length),
  };
}

/** A ping or pong. Only its sender interprets `timestampMs`, usually Unix time. */
export interface RoutePing {
  readonly timestampMs: bigint;
  /** Bytes per second; 0 in a pong. */
  readonly throughput: bigint;
}

export function encodePing({ timestampMs, throughput = 0n }: Partial<RoutePing>): Uint8Array {
  return new ByteWriter(PING_BYTES)
    .u64(BigInt.asUintN(64, timestampMs ?? 0n))
    .u64(BigInt.asUintN(64, throughput))
    .finish();
}

/** Also of a pong. What follows the 16 bytes is ignored. */
export function parsePing(payload: Uint8Array): RoutePing {
  const reader = new ByteReader(payload, "Route ping");
  return { timestampMs: BigInt.asIntN(64, reader.u64()), throughput: BigInt.asIntN(64, reader.u64()) };
}

/** The answer to a ping: its time unchanged, then zeros. */
export function pongOf(ping: RoutePing): Uint8Array {
  return encodePing({ timestampMs: ping.timestampMs });
}

/** An empty close counts as requested: there is nothing else that it could mean. */
export function parseClose(payload: Uint8Array): number {
  return payload[0] ?? CLOSE_CODE.requested;
}

/** Text that a peer chose, shortened, safe for a line of ours. */
export function parseErrorText(payload: Uint8Array): string {
  const text = TEXT.decode(payload.subarray(0, 4 * ERROR_TEXT_CHARACTERS_MAX));
  return oneLine(text).slice(0, ERROR_TEXT_CHARACTERS_MAX);
}

/** What a receiver has: everything up to `lastContiguous`, and beyond it what the words say. */
export interface Sack {
  readonly lastContiguous: number;
  /** Word w, bit i: the packet with sequence `lastContiguous + 1 + 64 w + i` is there. */
  readonly words: readonly bigint[];
}

/** Trailing zero words are left out. `RangeError` for more than 32. */
export function encodeSack({ lastContiguous, words }: Sack): Uint8Array {
  let count = words.length;
  while (count > 0 && words[count - 1] === 0n) count--;
  if (count > SACK_WORDS_MAX) throw new RangeError(`A SACK has at most ${SACK_WORDS_MAX} words`);
  const writer = new ByteWriter(5 + 8 * count).u32(lastContiguous).u8(count);
  for (const word of words.slice(0, count)) writer.u64(word);
  return writer.finish();
}

export function parseSack(payload: Uint8Array): Sack {
  const reader = new ByteReader(payload, "SACK");
  const lastContiguous = reader.u32();
  if (payload.length === EARLY_SACK_BYTES) return { lastContiguous, words: [reader.u64()] };
  const count = reader.u8();
  if (count > SACK_WORDS_MAX) throw new MalformedError(`A SACK has at most ${SACK_WORDS_MAX} words`);
  const words = Array.from({ length: count }, () => reader.u64());
  reader.end();
  return { lastContiguous, words };
}

/** The payload of a data packet in a multiplexed group; `bytes` is a view. */
export function parseSequenced(
  payload: Uint8Array,
): { readonly sequence: number; readonly bytes: Uint8Array } {
  const reader = new ByteReader(payload, "Sequenced data");
  return { sequence: reader.u32(), bytes: reader.rest() };
}

export function encodeSequenced(sequence: number, bytes: Uint8Array): Uint8Array {
  return new ByteWriter(4 + bytes.length).u32(sequence).bytes(bytes).finish();
}
