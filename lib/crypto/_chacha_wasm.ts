/**
 * ChaCha20 and Poly1305 as WebAssembly with SIMD (RFC 8439), four blocks side by side, one lane each.
 *
 *     memory   key 32 | nonce 12 | limbs of r | result of Poly1305 | 16 vectors of the first state | ...
 *
 * No branch and no address depends on a secret. The module is built here, from the code below: there is no binary
 * file that somebody would have to trust.
 *
 * @module
 */
import {
  AND,
  type Code,
  code,
  constI32x4,
  getLocal,
  i32,
  I32_ADD,
  I32X4,
  I64X2,
  loadSplat32,
  loadV128,
  loopWhile,
  OR,
  setLocal,
  shuffle,
  storeV128,
  teeLocal,
  wasmModule,
  XOR,
} from "./_wasm_code.ts";

/** Where things are in the memory. */
export const AT = {
  key: 0,
  nonce: 32,
  /** The five limbs of r, 26 bits each, as u32. */
  r: 48,
  /** Five vectors: limbs of the sum, to be added up over their lanes. */
  sum: 80,
  /** One vector: {@link BLOCK_MARK} for each of the first four blocks, 0 for one of zeros that is none. */
  marks: 160,
  state: 256,
  powers: 512,
  /** From here on the memory is the caller's. */
  free: 704,
} as const;
/** What Poly1305 puts on top of every block. */
export const BLOCK_MARK = 1 << 24;

/** Bytes that one step of {@link ChachaWasm.cipher} takes, and one of {@link ChachaWasm.mac}. */
export const CIPHER_STEP_BYTES = 256;
export const MAC_STEP_BYTES = 64;

export interface ChachaWasm {
  /** XORs the key stream from block 0 on over `steps` times 256 bytes at `at`. At least one. */
  cipher(at: number, steps: number): void;
  /** Poly1305 over `steps` times four blocks at `at`, the first four with the marks at `AT.marks`. At least one. */
  mac(at: number, steps: number): void;
}

const LANES = [0, 1, 2, 3] as const;
const LIMBS = [0, 1, 2, 3, 4] as const;
const LIMB_BITS = 26;

// --- ChaCha20 ---------------------------------------------------------------------------------------

const SIGMA = [0x61707865, 0x3320646e, 0x79622d32, 0x6b206574] as const;

/** Locals: 0 where, 1 steps left, 2 rounds left; then 16 vectors of the state, and four to transpose. */
const WORDS_FROM = 3;
const CIPHER_VECTORS = 16 + 4;

const ROTATE_16 = shuffle(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
const ROTATE_8 = shuffle(3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14);

/** x[a] += x[b]; x[d] = (x[d] ^ x[a]) <<< bits */
function addXorRotate(a: number, b: number, d: number, bits: 16 | 12 | 8 | 7): Code {
  const [atA, atB, atD] = [WORDS_FROM + a, WORDS_FROM + b, WORDS_FROM + d];
  const mixed = code(
    getLocal(atA),
    getLocal(atB),
    I32X4.add,
    setLocal(atA),
    getLocal(atD),
    getLocal(atA),
    XOR,
    setLocal(atD),
  );
  const rotated = bits === 16 || bits === 8
    ? code(getLocal(atD), getLocal(atD), bits === 16 ? ROTATE_16 : ROTATE_8)
    : code(getLocal(atD), i32(bits), I32X4.shl, getLocal(atD), i32(32 - bits), I32X4.shrU, OR);
  return code(mixed, rotated, setLocal(atD));
}

/** Four quarter rounds, step by step side by side: none waits for itself. */
function quarterRounds(...quarters: readonly (readonly [number, number, number, number])[]): Code {
  return code(
    ...quarters.map(([a, b, , d]) => addXorRotate(a, b, d, 16)),
    ...quarters.map(([, b, c, d]) => addXorRotate(c, d, b, 12)),
    ...quarters.map(([a, b, , d]) => addXorRotate(a, b, d, 8)),
    ...quarters.map(([, b, c, d]) => addXorRotate(c, d, b, 7)),
  );
}

const DOUBLE_ROUND = code(
  quarterRounds([0, 4, 8, 12], [1, 5, 9, 13], [2, 6, 10, 14], [3, 7, 11, 15]),
  quarterRounds([0, 5, 10, 15], [1, 6, 11, 12], [2, 7, 8, 13], [3, 4, 9, 14]),
);

const LOW_WORDS = shuffle(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
const HIGH_WORDS = shuffle(8, 9, 10, 11, 24, 25, 26, 27, 12, 13, 14, 15, 28, 29, 30, 31);
const LOW_HALVES = shuffle(0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23);
const HIGH_HALVES = shuffle(8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 26, 27, 28, 29, 30, 31);

/** Rows become columns, in the four locals from `from` on; `spare` are four more. */
function transpose(from: number, spare: number): Code {
  const pair = (a: number, b: number, how: Code, into: number) =>
    code(getLocal(a), getLocal(b), how, setLocal(into));
  return code(
    pair(from, from + 1, LOW_WORDS, spare),
    pair(from, from + 1, HIGH_WORDS, spare + 1),
    pair(from + 2, from + 3, LOW_WORDS, spare + 2),
    pair(from + 2, from + 3, HIGH_WORDS, spare + 3),
    pair(spare, spare + 2, LOW_HALVES, from),
    pair(spare, spare + 2, HIGH_HALVES, from + 1),
    pair(spare + 1, spare + 3, LOW_HALVES, from + 2),
    pair(spare + 1, spare + 3, HIGH_HALVES, from + 3),
  );
}

const WORDS = Array.from({ length: 16 }, (_, word) => word);
const stateAt = (word: number) => AT.state + 16 * word;

const FIRST_STATE = code(...WORDS.map((word) => {
  const value = word < 4
    ? constI32x4(...LANES.map(() => SIGMA[word]!))
    : word === 12
    ? constI32x4(...LANES)
    : code(i32(0), loadSplat32(word < 12 ? AT.key + 4 * (word - 4) : AT.nonce + 4 * (word - 13)));
  return code(i32(0), value, storeV128(stateAt(word)));
}));

const CIPHER = code(
  FIRST_STATE,
  loopWhile(code(
    ...WORDS.map((word) => code(i32(0), loadV128(stateAt(word)), setLocal(WORDS_FROM + word))),
    i32(10),
    setLocal(2),
    loopWhile(code(DOUBLE_ROUND, getLocal(2), i32(-1), I32_ADD, teeLocal(2))),
    ...WORDS.map((word) =>
      code(
        getLocal(WORDS_FROM + word),
        i32(0),
        loadV128(stateAt(word)),
        I32X4.add,
        setLocal(WORDS_FROM + word),
      )
    ),
    ...LANES.flatMap((group) => [
      transpose(WORDS_FROM + 4 * group, WORDS_FROM + 16),
      ...LANES.map((block) => {
        const offset = 64 * block + 16 * group;
        const stream = getLocal(WORDS_FROM + 4 * group + block);
        return code(getLocal(0), getLocal(0), loadV128(offset), stream, XOR, storeV128(offset));
      }),
    ]),
    i32(0),
    i32(0),
    loadV128(stateAt(12)),
    constI32x4(4, 4, 4, 4),
    I32X4.add,
    storeV128(stateAt(12)),
    getLocal(0),
    i32(CIPHER_STEP_BYTES),
    I32_ADD,
    setLocal(0),
    getLocal(1),
    i32(-1),
    I32_ADD,
    teeLocal(1),
  )),
);

// --- Poly1305 ---------------------------------------------------------------------------------------

// Locals: 0 where, 1 steps left; then vectors.
const H = 3; // the sum so far, five limbs
const R = H + 5; // the factor
const S = R + 5; // five times the factor's limbs; S + 0 is not used
const D = S + 5; // products
const LOW = D + 5; // the result of lanes 0 and 1
const W = LOW + 5; // four words of the message, and four to transpose; the last one also the mark
const MARK = W + 8;
const MAC_VECTORS = MARK + 1 - H;

const MASK_64 = constI32x4(0x3ffffff, 0, 0x3ffffff, 0);
const MASK_32 = constI32x4(...LANES.map(() => 0x3ffffff));
const EVEN_WORDS = shuffle(0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27);

/** D = two lanes of H * R mod 2^130 - 5, carried: limbs of 26 bits, the second one a little more. */
function halfProduct(multiply: Code): Code {
  const sum = (limb: number) =>
    code(
      ...LIMBS.map((h) => {
        const factor = h <= limb ? R + limb - h : S + 5 + limb - h;
        return code(getLocal(H + h), getLocal(factor), multiply, ...(h > 0 ? [I64X2.add] : []));
      }),
      setLocal(D + limb),
    );
  const carry = (from: number) => code(getLocal(D + from), i32(LIMB_BITS), I64X2.shrU);
  const cut = (limb: number) => code(getLocal(D + limb), MASK_64, AND, setLocal(D + limb));
  const carryOn = (from: number) =>
    code(carry(from), getLocal(D + from + 1), I64X2.add, setLocal(D + from + 1), cut(from));
  return code(
    ...LIMBS.map(sum),
    ...[0, 1, 2, 3].map(carryOn),
    code(carry(4), carry(4), i32(2), I64X2.shl, I64X2.add, getLocal(D), I64X2.add, setLocal(D), cut(4)),
    carryOn(0),
  );
}

/** H = H * R. */
const MULTIPLY = code(
  halfProduct(I64X2.mulLow),
  ...LIMBS.map((limb) => code(getLocal(D + limb), setLocal(LOW + limb))),
  halfProduct(I64X2.mulHigh),
  ...LIMBS.map((limb) => code(getLocal(LOW + limb), getLocal(D + limb), EVEN_WORDS, setLocal(H + limb))),
);

/** S = 5 * R. */
const FIVE_FOLD = code(
  ...LIMBS.slice(1).map((limb) =>
    code(getLocal(R + limb), getLocal(R + limb), i32(2), I32X4.shl, I32X4.add, setLocal(S + limb))
  ),
);

/** H += the limbs of four blocks at local 0, with the mark of the protocol on top of each. */
const ADD_BLOCKS = code(
  ...LANES.map((block) => code(getLocal(0), loadV128(16 * block), setLocal(W + block))),
  transpose(W, W + 4),
  ...LIMBS.map((limb) => {
    const word = (index: number) => getLocal(W + index);
    const right = (index: number, bits: number) => code(word(index), i32(bits), I32X4.shrU);
    const left = (index: number, bits: number) => code(word(index), i32(bits), I32X4.shl);
    const value = limb === 0
      ? code(word(0), MASK_32, AND)
      : limb === 4
      ? code(right(3, 8), getLocal(MARK), OR)
      : code(right(limb - 1, 32 - 6 * limb), left(limb, 6 * limb), OR, MASK_32, AND);
    return code(getLocal(H + limb), value, I32X4.add, setLocal(H + limb));
  }),
);

/** Writes H, whose lanes are alike, as power number `power` of r; what it writes too far, the next ones replace. */
function keepPower(power: number): Code {
  return code(
    ...LIMBS.map((limb) => code(i32(0), getLocal(H + limb), storeV128(powersAt(limb) + 4 * (power - 1)))),
  );
}

const powersAt = (limb: number) => AT.powers + 32 * limb;
const REVERSE = shuffle(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
const setR = (value: (limb: number) => Code): Code =>
  code(...LIMBS.map((limb) => code(value(limb), setLocal(R + limb))), FIVE_FOLD);

const MAC = code(
  setR((limb) => code(i32(0), loadSplat32(AT.r + 4 * limb))),
  ...LIMBS.map((limb) => code(getLocal(R + limb), setLocal(H + limb))),
  keepPower(1),
  ...[2, 3, 4].flatMap((power) => [MULTIPLY, keepPower(power)]),
  setR((limb) => getLocal(H + limb)),
  ...LIMBS.map((limb) => code(constI32x4(0, 0, 0, 0), setLocal(H + limb))),
  code(i32(0), loadV128(AT.marks), setLocal(MARK)),
  loopWhile(
    code(
      ADD_BLOCKS,
      ...[getLocal(0), i32(MAC_STEP_BYTES), I32_ADD, setLocal(0)],
      ...[constI32x4(...LANES.map(() => BLOCK_MARK)), setLocal(MARK)],
      ...[getLocal(1), i32(-1), I32_ADD, teeLocal(1)],
    ),
    MULTIPLY,
  ),
  setR((limb) => code(i32(0), loadV128(powersAt(limb)), i32(0), loadV128(powersAt(limb)), REVERSE) // lane 0 came first: the highest power
  ),
  MULTIPLY,
  ...LIMBS.map((limb) => code(i32(0), getLocal(H + limb), storeV128(AT.sum + 16 * limb))),
);

/** Builds and starts the module over the first page of `memory`. */
export function chachaWasm(memory: WebAssembly.Memory): ChachaWasm {
  const module = new WebAssembly.Module(wasmModule([
    { name: "cipher", parameters: 2, counters: 1, vectors: CIPHER_VECTORS, body: CIPHER },
    { name: "mac", parameters: 2, counters: 1, vectors: MAC_VECTORS, body: MAC },
  ]));
  return new WebAssembly.Instance(module, { memory: { memory } }).exports as unknown as ChachaWasm;
}
