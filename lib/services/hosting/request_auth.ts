/**
 * Who asks: the SW-* headers over HTTP, the key of the stream over dmsg (services.md 2).
 *
 * Over HTTP a request carries the number that the service expects of its key next. The number goes up when the
 * answer is exactly 200; a request with another number is refused, so that none that succeeded can be repeated.
 * Requests of one key are worked on one by one, and take their number first: of two with the same number one is too
 * late, also where they come to two instances of a service on one store.
 *
 * @module
 */
import {
  fromHex,
  InvalidHexError,
  InvalidKeyError,
  parsePublicKey,
  type PublicKey,
  SIGNATURE_BYTES,
  verify,
} from "../../crypto/mod.ts";
import { type NonceStore, StoreError } from "../store/mod.ts";
import { type Answer, authError, dmsgCaller, json, type Question } from "./answers.ts";

/** A caller that has proved its key. */
export interface Caller {
  readonly key: PublicKey;
  /** The body, as it was signed. */
  readonly body: Uint8Array;
}

export class RequestAuth {
  readonly #nonces: NonceStore;
  /** The last request of each key that has one under way. */
  readonly #turns = new Map<PublicKey, Promise<void>>();
  /** The next number of each key as it was here last. Another instance may know better: `take` is what decides. */
  readonly #guesses = new Map<PublicKey, bigint>();

  readonly #guessesMax: number;

  constructor(nonces: NonceStore, { guessesMax = GUESSES_MAX }: { readonly guessesMax?: number } = {}) {
    this.#nonces = nonces;
    this.#guessesMax = guessesMax;
  }

  /** Keys with a request under way. */
  get busy(): number {
    return this.#turns.size;
  }

  /** Answers with what `handle` makes of a caller who has proved its key, and with 401 to everybody else. */
  async answer(
    question: Question,
    bodyBytesMax: number,
    handle: (caller: Caller) => Promise<Answer> | Answer,
  ): Promise<Answer> {
    const streamKey = dmsgCaller(question.remote);
    if (streamKey !== undefined) return handle({ key: streamKey, body: await question.bytes(bodyBytesMax) });
    const claim = readClaim(question, this.#guesses);
    if (typeof claim === "string") return authError(401, claim);
    const { key, nonce, signature } = claim;
    const isGuessed = this.#guesses.get(key) === nonce; // a question to the store less
    if (!isGuessed && !await this.#isNext(key, nonce)) return WRONG_NONCE;
    const isPassed = async () => isGuessed && !await this.#isNext(key, nonce); // what comes before all that follows
    let body: Uint8Array;
    try {
      body = await question.bytes(bodyBytesMax);
    } catch (error) {
      if (await isPassed()) return WRONG_NONCE;
      throw error; // too large, or it did not come
    }
    const problem = problemWith(signature, key, body, nonce);
    if (problem !== undefined) return await isPassed() ? WRONG_NONCE : authError(401, problem);
    // Only now a place in the key's queue: before, anybody could fill it.
    return await this.#inTurn(key, async () => {
      const number = Number(nonce);
      this.#guesses.delete(key); // until it is known again
      if (!await this.#nonces.take(key, number)) return WRONG_NONCE;
      let isSpent = false;
      try {
        const answer = await handle({ key, body });
        isSpent = answer.status === 200;
        return answer;
      } finally {
        if (!isSpent) await this.#giveBack(key, number);
        this.#guess(key, isSpent ? nonce + 1n : nonce);
      }
    });
  }

  async #isNext(key: PublicKey, nonce: bigint): Promise<boolean> {
    return BigInt(await this.#nonces.next(key)) === nonce;
  }

  #guess(key: PublicKey, next: bigint): void {
    this.#guesses.set(key, next);
    if (this.#guesses.size > this.#guessesMax) this.#guesses.delete(this.#guesses.keys().next().value!);
  }

  /** A store that fails right now leaves a number that is passed: the caller asks for the next one, and repeats. */
  async #giveBack(key: PublicKey, number: number): Promise<void> {
    try {
      await this.#nonces.giveBack(key, number);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    }
  }

  /** GET `/security/nonces/{pk}`. */
  async nonce(keyText: string): Promise<Answer> {
    const key = readKey(keyText);
    if (!isKey(key)) return authError(400, key.problem);
    return json(`{"edge":"${key}","next_nonce":${await this.#nonces.next(key)}}\n`);
  }

  #inTurn(key: PublicKey, work: () => Promise<Answer>): Promise<Answer> {
    const before = this.#turns.get(key);
    const working = before === undefined ? work() : before.then(work);
    const turn = working.then(nothing, nothing).then(() => {
      if (this.#turns.get(key) === turn) this.#turns.delete(key);
    });
    this.#turns.set(key, turn);
    return working;
  }
}

/** What the headers claim; it is not proved yet. */
interface Claim {
  readonly key: PublicKey;
  readonly nonce: bigint;
  readonly signature: Uint8Array;
}

/** The claim, or what is wrong: checks 1 to 6, in their order, with their exact texts (services.md 2.4). */
function readClaim(question: Question, known: ReadonlyMap<string, unknown>): Claim | string {
  const keyText = question.header("sw-public");
  if (!keyText) return "SW-Public missing";
  const key = known.has(keyText) ? keyText as PublicKey : readKey(keyText); // a point, as it was before
  if (!isKey(key)) return `error parsing SW-Public: ${key.problem}`;
  const signatureText = question.header("sw-sig");
  if (!signatureText) return "SW-Sig missing";
  const signature = bytesOf(signatureText);
  if (signature?.length !== SIGNATURE_BYTES) {
    const problem = signature === undefined ? "Invalid signature" : "Invalid signature length";
    return `error parsing SW-Sig:'${signatureText.slice(0, SIGNATURE_CHARS_SHOWN)}': ${problem}`;
  }
  const nonceText = question.header("sw-nonce");
  if (!nonceText) return "SW-Nonce missing";
  if (!/^[0-9]+$/.test(nonceText)) return "error parsing SW-Nonce: invalid syntax";
  const digits = nonceText.replace(/^0+(?=.)/, ""); // and not too many, before they become a number
  const nonce = digits.length > 20 ? NONCE_MAX + 1n : BigInt(digits);
  if (nonce > NONCE_MAX) return "error parsing SW-Nonce: value out of range";
  return { key, nonce, signature };
}

/** Check 8; undefined when the signature is the key's, over the body and the nonce. */
function problemWith(
  signature: Uint8Array,
  key: PublicKey,
  body: Uint8Array,
  nonce: bigint,
): string | undefined {
  if (signature[32]! >= 0x80 || signature[64]! > 3) return INVALID_SIGNATURE;
  const digits = encoder.encode(`${nonce}`);
  const signed = new Uint8Array(body.length + digits.length);
  signed.set(body);
  signed.set(digits, body.length);
  return verify(key, signature, signed) ? undefined : "Recovered pubkey does not match pubkey";
}

/** A key, or what is wrong with its text, in the words of the original. */
function readKey(text: string): PublicKey | { readonly problem: string } {
  if (text.length !== KEY_CHARS) {
    return { problem: isHex(text) ? "Invalid public key length" : "Invalid public key" };
  }
  try {
    return parsePublicKey(text);
  } catch (error) {
    if (error instanceof InvalidKeyError) return { problem: "Invalid public key" };
    throw error;
  }
}

function isKey(read: ReturnType<typeof readKey>): read is PublicKey {
  return typeof read === "string";
}

function isHex(text: string): boolean {
  return text.length % 2 === 0 && /^[0-9a-f]*$/i.test(text);
}

function bytesOf(hex: string): Uint8Array | undefined {
  try {
    return hex.length > 4 * SIGNATURE_BYTES && isHex(hex) ? new Uint8Array(0) : fromHex(hex);
  } catch (error) {
    if (error instanceof InvalidHexError) return undefined;
    throw error;
  }
}

function nothing(): void {}

/** Keys whose next number is remembered: some 4 MB. Above all visors of a network; the one that asked longest ago goes. */
export const GUESSES_MAX = 16_384;

const WRONG_NONCE: Answer = { ...authError(401, "SW-Nonce does not match"), refused: "nonce" };
const INVALID_SIGNATURE = "VerifySignatureRecoverPubKey, VerifySignatureValidity failed";
const KEY_CHARS = 66;
const NONCE_MAX = 2n ** 64n - 1n;
/** Of a signature that is none, in the answer: twice a right one. */
const SIGNATURE_CHARS_SHOWN = 260;
const encoder = new TextEncoder();
