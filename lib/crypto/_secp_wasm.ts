/**
 * libsecp256k1 as WebAssembly: the binary that libauth carries as text, made to run without waiting.
 *
 * libauth's own way to it is asynchronous. A module that awaits while it is imported makes every module above it
 * wait, too, which a bundle of them all in one file does not get right; so it is compiled at the first use here.
 *
 * The binary was linked for fixed places, and takes the rest from who loads it:
 *
 *     1024       its constants and variables, less than 68 KiB
 *     128 KiB    the end of the heap, u32, which its malloc moves; then our own places ({@link AT})
 *     132 KiB    its stack, growing upwards
 *     6 MiB      its heap
 *     16 MiB     the end: its memory cannot grow
 *
 * @module
 */
import { secp256k1Base64Bytes } from "@bitauth/libauth/build/lib/bin/secp256k1/secp256k1.base64.js";

/** Where things are in the memory. What is behind `input` is free for a call's arguments and results. */
export const AT = {
  heapEnd: 0x20000,
  /** 80 bytes. */
  input: 0x20100,
  /** 32 bytes. */
  hash: 0x20180,
  /** 32 bytes. */
  secret: 0x201c0,
  /** 64 bytes, in the library's own form. */
  point: 0x20200,
  /** 65 bytes, in the library's own form. */
  signature: 0x20280,
  /** A u32. */
  number: 0x20300,
  stack: 0x21000,
  heap: 0x600000,
} as const;

const PAGE_BYTES = 65_536;
/** What the binary asks for, no more and no less. */
const MEMORY_PAGES = 256;
const TABLE_ENTRIES = 6;

/** The functions in use; addresses are bytes from the start of the memory, results 1 for success. */
export interface SecpFunctions {
  _secp256k1_context_create(flags: number): number;
  _secp256k1_context_randomize(context: number, seed: number): number;
  _secp256k1_ec_pubkey_create(context: number, point: number, secret: number): number;
  _secp256k1_ec_pubkey_parse(context: number, point: number, bytes: number, length: number): number;
  _secp256k1_ec_pubkey_serialize(
    context: number,
    bytes: number,
    length: number,
    point: number,
    flags: number,
  ): number;
  _secp256k1_ec_pubkey_tweak_mul(context: number, point: number, secret: number): number;
  _secp256k1_ec_seckey_verify(context: number, secret: number): number;
  _secp256k1_ecdsa_recover(context: number, point: number, signature: number, hash: number): number;
  _secp256k1_ecdsa_recoverable_signature_parse_compact(
    context: number,
    signature: number,
    bytes: number,
    recoveryId: number,
  ): number;
  _secp256k1_ecdsa_recoverable_signature_serialize_compact(
    context: number,
    bytes: number,
    recoveryId: number,
    signature: number,
  ): number;
  _secp256k1_ecdsa_sign_recoverable(
    context: number,
    signature: number,
    hash: number,
    secret: number,
  ): number;
}

export interface SecpWasm {
  readonly functions: SecpFunctions;
  /** All of the memory. */
  readonly bytes: Uint8Array;
  /** The same, as u32. */
  readonly words: Uint32Array;
}

/** Compiles it (some milliseconds), each time anew. */
export function secpWasm(): SecpWasm {
  const memory = new WebAssembly.Memory({ initial: MEMORY_PAGES, maximum: MEMORY_PAGES });
  const bytes = new Uint8Array(memory.buffer);
  const words = new Uint32Array(memory.buffer);
  words[AT.heapEnd >> 2] = AT.heap;
  const fail = (what: string) => () => {
    throw new Error(`libsecp256k1 ended its work: ${what}`);
  };
  const env = {
    memory,
    table: new WebAssembly.Table({ element: "anyfunc", initial: TABLE_ENTRIES, maximum: TABLE_ENTRIES }),
    tableBase: 0,
    DYNAMICTOP_PTR: AT.heapEnd,
    STACKTOP: AT.stack,
    abort: fail("it aborted"),
    _abort: fail("an argument is none that it takes"),
    enlargeMemory: fail("its memory is full"),
    abortOnCannotGrowMemory: fail("its memory is full"),
    getTotalMemory: () => MEMORY_PAGES * PAGE_BYTES,
    ___setErrNo: () => {}, // nobody asks for it
    _emscripten_memcpy_big(to: number, from: number, length: number): number {
      bytes.copyWithin(to, from, from + length);
      return to;
    },
  };
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(binary()), { env });
  return { functions: exports as unknown as SecpFunctions, bytes, words };
}

function binary(): Uint8Array<ArrayBuffer> {
  const text = atob(secp256k1Base64Bytes);
  const made = new Uint8Array(text.length);
  for (let index = 0; index < made.length; index++) made[index] = text.charCodeAt(index);
  return made;
}
