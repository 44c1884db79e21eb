/**
 * The engine of every handshake: reads and writes the messages of a pattern, token by token (Noise
 * specification, section 5.3).
 *
 * Pure but for the drawing of one ephemeral key. It knows neither framing nor connections, nor what a payload
 * means. A failed or completed engine refuses all further use.
 *
 * @module
 */
import { TAG_BYTES } from "../crypto/mod.ts";
import type { Random } from "../runtime/mod.ts";
import { HandshakeError, SpentError } from "./errors.ts";
import type { Pattern, Token } from "./patterns.ts";
import type { NoiseSuite } from "./suite.ts";
import { SymmetricState } from "./symmetric_state.ts";

/** Longest handshake message of the specification, and our bound on what is looked at. */
export const HANDSHAKE_MESSAGE_BYTES_MAX = 65_535;

export interface HandshakeStateOptions<Pair, Key> {
  readonly suite: NoiseSuite<Pair, Key>;
  readonly pattern: Pattern;
  readonly role: "initiator" | "responder";
  readonly local: Pair;
  /** The other side's static key, where the pattern has it known beforehand. */
  readonly remote?: Key;
  /** Draws the ephemeral key, unless that is given. */
  readonly random: Random;
  /** A fixed ephemeral key: for tests and recorded vectors only, never used twice. */
  readonly ephemeral?: Pair;
  /** Bytes that both sides must agree on. Default none; it is mixed in even so. */
  readonly prologue?: Uint8Array;
}

export class HandshakeState<Pair, Key> {
  readonly #suite: NoiseSuite<Pair, Key>;
  readonly #pattern: Pattern;
  readonly #isInitiator: boolean;
  readonly #local: Pair;
  readonly #random: Random;
  readonly #symmetric: SymmetricState;
  #ephemeral: Pair | undefined;
  #remote: Key | undefined;
  #remoteEphemeral: Key | undefined;
  #turn = 0; // index of the next message
  #failed = false;

  constructor(
    { suite, pattern, role, local, remote, random, ephemeral, prologue = NOTHING }: HandshakeStateOptions<
      Pair,
      Key
    >,
  ) {
    this.#suite = suite;
    this.#pattern = pattern;
    this.#isInitiator = role === "initiator";
    this.#local = local;
    this.#random = random;
    this.#ephemeral = ephemeral;
    this.#symmetric = new SymmetricState(`Noise_${pattern.name}_${suite.name}`);
    this.#symmetric.mixHash(prologue);

    const remoteKnown = this.#isInitiator ? pattern.responderKnown : pattern.initiatorKnown;
    if (remoteKnown !== (remote !== undefined)) {
      throw new TypeError(`Pattern ${pattern.name} ${remoteKnown ? "needs" : "takes no"} remote key here`);
    }
    this.#remote = remote;
    const own = suite.publicKey(local);
    if (pattern.initiatorKnown) this.#mixKnown(this.#isInitiator ? own : remote!);
    if (pattern.responderKnown) this.#mixKnown(this.#isInitiator ? remote! : own);
  }

  /** The other side's static key: given, or proved by the message that carried it. None after a failure. */
  get remote(): Key | undefined {
    return this.#failed ? undefined : this.#remote; // a key is read before the message around it is authentic
  }

  /** h. After the last message: the handshake hash, equal on both sides and unique to this handshake. */
  get hash(): Uint8Array {
    return this.#symmetric.hash;
  }

  /** ck, for checking against recorded handshakes. */
  get chainingKey(): Uint8Array {
    return this.#symmetric.chainingKey;
  }

  /** The number of the next message, from 1. */
  get turn(): number {
    return this.#turn + 1;
  }

  /** All messages are read and written, and the other side has proved its keys. */
  get isComplete(): boolean {
    return !this.#failed && this.#turn === this.#pattern.messages.length;
  }

  /** The next message, which is ours, with `payload` in it. */
  writeMessage(payload: Uint8Array = NOTHING): Uint8Array {
    const tokens = this.#takeTurn(true);
    const parts: Uint8Array[] = [];
    for (const token of tokens) {
      if (token === "e") {
        this.#ephemeral ??= this.#suite.generate(this.#random);
        const bytes = this.#suite.encode(this.#suite.publicKey(this.#ephemeral));
        this.#symmetric.mixHash(bytes);
        parts.push(bytes);
      } else if (token === "s") {
        const bytes = this.#suite.encode(this.#suite.publicKey(this.#local));
        parts.push(this.#symmetric.encryptAndHash(bytes));
      } else {
        this.#mixDh(token);
      }
    }
    parts.push(this.#symmetric.encryptAndHash(payload));
    return concat(parts);
  }

  /** The payload of the next message, which is theirs. Throws {@link HandshakeError}; the state is then spent. */
  readMessage(message: Uint8Array): Uint8Array {
    const tokens = this.#takeTurn(false);
    this.#failed = true; // until the message has proved itself
    const payload = this.#read(tokens, message);
    this.#failed = false;
    return payload;
  }

  /** The transport keys in the specification's order: (initiator's sending key, responder's sending key). */
  split(): [Uint8Array, Uint8Array] {
    if (!this.isComplete) throw new SpentError("Cannot split: the handshake is not complete");
    return this.#symmetric.split();
  }

  #read(tokens: readonly Token[], message: Uint8Array): Uint8Array {
    const what = `message ${this.#turn} of ${this.#pattern.name}`;
    if (message.length > HANDSHAKE_MESSAGE_BYTES_MAX) {
      throw new HandshakeError(`Cannot read ${what}: ${message.length} bytes are too many`);
    }
    let offset = 0;
    const take = (bytes: number): Uint8Array => {
      if (message.length - offset < bytes) {
        throw new HandshakeError(`Cannot read ${what}: ${message.length} bytes are too few`);
      }
      return message.subarray(offset, offset += bytes);
    };
    const { publicKeyBytes } = this.#suite;
    try {
      for (const token of tokens) {
        if (token === "e") {
          const bytes = take(publicKeyBytes);
          this.#remoteEphemeral = this.#suite.decode(bytes);
          this.#symmetric.mixHash(bytes);
        } else if (token === "s") {
          const sealed = take(publicKeyBytes + (this.#symmetric.hasKey ? TAG_BYTES : 0));
          this.#remote = this.#suite.decode(this.#symmetric.decryptAndHash(sealed));
        } else {
          this.#mixDh(token);
        }
      }
      return this.#symmetric.decryptAndHash(message.subarray(offset));
    } catch (cause) {
      if (cause instanceof HandshakeError) throw cause;
      throw new HandshakeError(`Cannot read ${what}`, { cause });
    }
  }

  #takeTurn(writing: boolean): readonly Token[] {
    const tokens = this.#pattern.messages[this.#turn];
    const ours = (this.#turn % 2 === 0) === this.#isInitiator;
    if (this.#failed || tokens === undefined) throw new SpentError("The handshake is over");
    if (ours !== writing) throw new SpentError(`It is ${ours ? "our" : "the peer's"} turn in the handshake`);
    this.#turn++;
    return tokens;
  }

  #mixKnown(key: Key): void {
    this.#symmetric.mixHash(this.#suite.encode(key));
  }

  /** `se` is the initiator's static with the responder's ephemeral key, whoever computes it. */
  #mixDh(token: Exclude<Token, "e" | "s">): void {
    const [own, other] = this.#isInitiator ? [token[0], token[1]] : [token[1], token[0]];
    const pair = own === "e" ? this.#ephemeral! : this.#local;
    const key = other === "e" ? this.#remoteEphemeral! : this.#remote!;
    this.#symmetric.mixKey(this.#suite.dh(pair, key));
  }
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((bytes, part) => bytes + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

const NOTHING = new Uint8Array(0);
