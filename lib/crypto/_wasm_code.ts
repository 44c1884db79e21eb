/**
 * As much of an assembler as one small WebAssembly module with SIMD needs: instructions are lists of bytes.
 *
 *     code(local(1), load(64), I32X4.add, setLocal(2))
 *
 * @module
 */

/** Bytes of instructions. */
export type Code = readonly number[];

const V128 = 0x7b;
const I32 = 0x7f;

/** Instructions one behind the other. */
export function code(...parts: readonly Code[]): Code {
  return parts.flat();
}

export const getLocal = (index: number): Code => [0x20, ...leb(index)];
export const setLocal = (index: number): Code => [0x21, ...leb(index)];
export const teeLocal = (index: number): Code => [0x22, ...leb(index)];
export const i32 = (value: number): Code => [0x41, ...signedLeb(value)];
export const I32_ADD: Code = [0x6a];

/** Runs `body`; while it leaves something other than 0, `between` and `body` again. */
export const loopWhile = (body: Code, between: Code = []): Code => [
  ...[0x03, 0x40, ...body],
  ...[0x04, 0x40, ...between, 0x0c, 0x01, 0x0b],
  0x0b,
];

const simd = (opcode: number): Code => [0xfd, ...leb(opcode)];
/** Unaligned, at the address on the stack and `offset` further. */
const access = (opcode: number, offset: number): Code => [...simd(opcode), 0x00, ...leb(offset)];

export const loadV128 = (offset: number): Code => access(0, offset);
export const storeV128 = (offset: number): Code => access(11, offset);
export const loadSplat32 = (offset: number): Code => access(9, offset);
/** Bytes of the two vectors on the stack, by index. */
export const shuffle = (...bytes: readonly number[]): Code => [...simd(13), ...bytes];
export const constI32x4 = (...lanes: readonly number[]): Code => [
  ...simd(12),
  ...new Uint8Array(Uint32Array.from(lanes).buffer),
];
export const AND = simd(78);
export const OR = simd(80);
export const XOR = simd(81);
export const I32X4 = { shl: simd(171), shrU: simd(173), add: simd(174) } as const;
export const I64X2 = {
  shl: simd(203),
  shrU: simd(205),
  add: simd(206),
  /** Products of the lower and of the upper two lanes of 32 bits. */
  mulLow: simd(222),
  mulHigh: simd(223),
} as const;

export interface WasmFunction {
  readonly name: string;
  /** i32 each. */
  readonly parameters: number;
  /** i32 each, behind the parameters. */
  readonly counters: number;
  /** v128 each, behind those. */
  readonly vectors: number;
  readonly body: Code;
}

/** A module that imports `memory.memory` and exports the functions, which return nothing. */
export function wasmModule(functions: readonly WasmFunction[]): Uint8Array<ArrayBuffer> {
  const section = (id: number, items: readonly Code[]): Code => {
    const body = [...leb(items.length), ...items.flat()];
    return [id, ...leb(body.length), ...body];
  };
  const text = (value: string): Code => [...leb(value.length), ...new TextEncoder().encode(value)];
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
    ...section(
      1,
      functions.map(({ parameters }) => [0x60, ...leb(parameters), ...Array(parameters).fill(I32), 0x00]),
    ),
    ...section(2, [[...text("memory"), ...text("memory"), 0x02, 0x00, 0x01]]),
    ...section(3, functions.map((_, index) => leb(index))),
    ...section(7, functions.map(({ name }, index) => [...text(name), 0x00, ...leb(index)])),
    ...section(
      10,
      functions.map(({ counters, vectors, body }) => {
        const whole = [0x02, ...leb(counters), I32, ...leb(vectors), V128, ...body, 0x0b];
        return [...leb(whole.length), ...whole];
      }),
    ),
  ]);
}

function leb(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value;;) {
    const low = rest & 0x7f;
    rest >>>= 7;
    if (rest === 0) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}

function signedLeb(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    if ((rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0)) return [...bytes, low];
    bytes.push(low | 0x80);
  }
}
