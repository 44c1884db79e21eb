/**
 * ChaCha20-Poly1305 (RFC 8439, section 2.8) for messages up to {@link AEAD_BYTES_MAX}, in the memory of
 * `_chacha_wasm.ts`: bytes are copied in, worked on there, and copied out once they are authentic.
 *
 *     memory  ... | block 0 of the key stream 64 | text ...   | zeros 48 | ad, padded | ciphertext, padded | lengths 16
 *                   keys of Poly1305               ciphered   what is authenticated
 *
 * A frame of 4 KiB takes half as long as with `node:crypto`, one of 64 bytes a tenth: there it is objects and
 * buffers of each call that cost. The memory keeps the last message until the next one, as freed memory does.
 *
 * @module
 */
import {
  AT,
  BLOCK_MARK,
  type ChachaWasm,
  chachaWasm,
  CIPHER_STEP_BYTES,
  MAC_STEP_BYTES,
} from "./_chacha_wasm.ts";

/** Text and associated data together. Longer ones are rare, and `node:crypto` is as good for them. */
export const AEAD_BYTES_MAX = 16 * 1024;

const MAC_BYTES = 16;
const BLOCK_BYTES = 16;
const LIMB_BITS = 26;
const LIMB_MASK = 0x3ffffff;
const TWO_TO_32 = 2 ** 32;

const STREAM_AT = Math.ceil(AT.free / 64) * 64;
const TEXT_AT = STREAM_AT + 64;
const BLANKS_AT = Math.ceil((TEXT_AT + AEAD_BYTES_MAX + CIPHER_STEP_BYTES) / 64) * 64;
/** In front of it at most three blocks of zeros, for a number of blocks that is no multiple of four. */
const MAC_AT = BLANKS_AT + 3 * BLOCK_BYTES;

interface Machine {
  readonly wasm: ChachaWasm;
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
}

let machine: Machine | undefined; // compiled at the first use: commands without a cipher do not wait for it

function start(): Machine {
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1 });
  const { buffer } = memory;
  machine = { wasm: chachaWasm(memory), bytes: new Uint8Array(buffer), words: new Uint32Array(buffer) };
  return machine;
}

const tagWords = new Uint32Array(MAC_BYTES / 4);
const tag = new Uint8Array(tagWords.buffer);

/** Writes ciphertext and tag into `into` at `offset`, which may hold `plaintext`. */
export function sealSmall(
  { key, nonce, ad }: { key: Uint8Array; nonce: Uint8Array; ad: Uint8Array },
  plaintext: Uint8Array,
  into: Uint8Array,
  offset: number,
): void {
  const on = machine ?? start();
  const { wasm, bytes } = on;
  const length = plaintext.length;
  const at = begin(on, key, nonce, ad);
  bytes.set(plaintext, TEXT_AT);
  wasm.cipher(STREAM_AT, cipherSteps(length));
  bytes.copyWithin(at, TEXT_AT, TEXT_AT + length);
  authenticate(on, at, length, ad.length);
  into.set(bytes.subarray(at, at + length), offset);
  into.set(tag, offset + length);
}

/** Writes the plaintext into `into` at `offset` if the tag behind the ciphertext is right; else false. */
export function openSmall(
  { key, nonce, ad }: { key: Uint8Array; nonce: Uint8Array; ad: Uint8Array },
  sealed: Uint8Array,
  into: Uint8Array,
  offset: number,
): boolean {
  const on = machine ?? start();
  const { wasm, bytes } = on;
  const length = sealed.length - MAC_BYTES;
  const ciphertext = sealed.subarray(0, length);
  const at = begin(on, key, nonce, ad);
  bytes.set(ciphertext, TEXT_AT);
  bytes.set(ciphertext, at);
  wasm.cipher(STREAM_AT, cipherSteps(length));
  authenticate(on, at, length, ad.length);
  let difference = 0;
  for (let index = 0; index < MAC_BYTES; index++) difference |= tag[index]! ^ sealed[length + index]!;
  if (difference !== 0) return false;
  into.set(bytes.subarray(TEXT_AT, TEXT_AT + length), offset);
  return true;
}

/** Lays key, nonce and associated data out; where the ciphertext goes. */
function begin({ bytes }: Machine, key: Uint8Array, nonce: Uint8Array, ad: Uint8Array): number {
  bytes.set(key, AT.key);
  bytes.set(nonce, AT.nonce);
  bytes.fill(0, STREAM_AT, TEXT_AT);
  if (ad.length === 0) return MAC_AT;
  bytes.set(ad, MAC_AT);
  const end = MAC_AT + ad.length;
  const at = MAC_AT + padded(ad.length);
  bytes.fill(0, end, at);
  return at;
}

function cipherSteps(length: number): number {
  return Math.ceil((TEXT_AT - STREAM_AT + length) / CIPHER_STEP_BYTES);
}

function padded(length: number): number {
  return Math.ceil(length / BLOCK_BYTES) * BLOCK_BYTES;
}

/** Leaves the tag of what lies at MAC_AT in `tag`. */
function authenticate(on: Machine, at: number, length: number, adBytes: number): void {
  const { wasm, bytes, words } = on;
  const lengthsAt = at + padded(length);
  bytes.fill(0, at + length, lengthsAt + BLOCK_BYTES);
  words[lengthsAt / 4] = adBytes;
  words[lengthsAt / 4 + 2] = length;
  const blocks = (lengthsAt - MAC_AT) / BLOCK_BYTES + 1;
  const steps = Math.ceil(blocks * BLOCK_BYTES / MAC_STEP_BYTES);
  const blanks = steps * MAC_STEP_BYTES / BLOCK_BYTES - blocks;
  for (let lane = 0; lane < 4; lane++) words[AT.marks / 4 + lane] = lane < blanks ? 0 : BLOCK_MARK;
  setFactor(words);
  wasm.mac(MAC_AT - blanks * BLOCK_BYTES, steps);
  finish(words);
}

/** r, clamped, from the key stream. */
function setFactor(words: Uint32Array): void {
  const from = STREAM_AT / 4;
  const to = AT.r / 4;
  const [w0, w1, w2, w3] = [words[from]!, words[from + 1]!, words[from + 2]!, words[from + 3]!];
  words[to] = w0 & 0x3ffffff;
  words[to + 1] = (w0 >>> 26 | w1 << 6) & 0x3ffff03;
  words[to + 2] = (w1 >>> 20 | w2 << 12) & 0x3ffc0ff;
  words[to + 3] = (w2 >>> 14 | w3 << 18) & 0x3f03fff;
  words[to + 4] = w3 >>> 8 & 0x00fffff;
}

/** The sum over the lanes, mod 2^130 - 5 to the end, plus s, mod 2^128. Without branches. */
function finish(words: Uint32Array): void {
  const lanes = (limb: number) => {
    const at = AT.sum / 4 + 4 * limb;
    return words[at]! + words[at + 1]! + words[at + 2]! + words[at + 3]!;
  };
  let [h0, h1, h2, h3, h4] = [lanes(0), lanes(1), lanes(2), lanes(3), lanes(4)];
  for (let pass = 0; pass < 2; pass++) {
    h1 += h0 >>> LIMB_BITS;
    h2 += h1 >>> LIMB_BITS;
    h3 += h2 >>> LIMB_BITS;
    h4 += h3 >>> LIMB_BITS;
    h0 = (h0 & LIMB_MASK) + 5 * (h4 >>> LIMB_BITS);
    h1 &= LIMB_MASK;
    h2 &= LIMB_MASK;
    h3 &= LIMB_MASK;
    h4 &= LIMB_MASK;
  } // the first pass may leave h0 a little too large, the second one cannot
  // g = h - (2^130 - 5), to be taken when it is not negative
  const g0 = h0 + 5;
  const g1 = h1 + (g0 >>> LIMB_BITS);
  const g2 = h2 + (g1 >>> LIMB_BITS);
  const g3 = h3 + (g2 >>> LIMB_BITS);
  const g4 = h4 + (g3 >>> LIMB_BITS) - (LIMB_MASK + 1);
  const keep = g4 >> 31;
  h0 = h0 & keep | g0 & LIMB_MASK & ~keep;
  h1 = h1 & keep | g1 & LIMB_MASK & ~keep;
  h2 = h2 & keep | g2 & LIMB_MASK & ~keep;
  h3 = h3 & keep | g3 & LIMB_MASK & ~keep;
  h4 = h4 & keep | g4 & ~keep;
  const s = STREAM_AT / 4 + 4;
  let sum = ((h0 | h1 << 26) >>> 0) + words[s]!;
  tagWords[0] = sum;
  sum = ((h1 >>> 6 | h2 << 20) >>> 0) + words[s + 1]! + Math.floor(sum / TWO_TO_32);
  tagWords[1] = sum;
  sum = ((h2 >>> 12 | h3 << 14) >>> 0) + words[s + 2]! + Math.floor(sum / TWO_TO_32);
  tagWords[2] = sum;
  sum = ((h3 >>> 18 | h4 << 8) >>> 0) + words[s + 3]! + Math.floor(sum / TWO_TO_32);
  tagWords[3] = sum;
}
