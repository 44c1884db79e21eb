/**
 * The four roles of the network's handshakes (protocol: dmsg, sections 2.1 and 2.2), without a connection.
 *
 *     XK   initiator  -> 1: e, es      -> responder      sessions; the responder learns who dials in message 3
 *                     <- 2: e, ee      <-
 *                     -> 3: s, se      ->
 *     KK   initiator  -> 1: e, es, ss  -> responder      streams, transports; both know each other's key
 *                     <- 2: e, ee, se  <-
 *
 * Each object is used once, in the order of its methods: anything else is a `SpentError`. Every message carries
 * a payload, sealed for the peer and usually empty; what is said in one of message 1 can be a replay.
 *
 * @module
 */
import type { KeyPair, ProvenKey, PublicKey } from "../crypto/mod.ts";
import { proveKey } from "../crypto/proven.ts";
import type { Random } from "../runtime/mod.ts";
import { SpentError } from "./errors.ts";
import { HandshakeState } from "./handshake_state.ts";
import { KK, type Pattern, XK } from "./patterns.ts";
import { SECP256K1 } from "./suite.ts";

/** The two transport keys of a completed handshake, 32 bytes each, from this side's point of view. */
export interface SplitKeys {
  readonly send: Uint8Array;
  readonly receive: Uint8Array;
}

/** What a completed handshake leaves. */
export interface HandshakeResult {
  /**
   * The peer's static key. For a KK responder the proof is message 1, which may be a replay: whoever sent it
   * held the key once, and only its holder can read what is sent or make a frame that opens.
   */
  readonly remote: ProvenKey;
  readonly keys: SplitKeys;
  /** The same 32 bytes on both sides, unique to this handshake. */
  readonly handshakeHash: Uint8Array;
  /** The payloads that were received, in order. */
  readonly payloads: readonly Uint8Array[];
}

/** Who one is and whence the ephemeral key comes. */
export interface HandshakeOptions {
  readonly local: KeyPair;
  readonly random: Random;
  /** A fixed ephemeral key, for tests. */
  readonly ephemeral?: KeyPair;
}

export interface KnownPeerOptions extends HandshakeOptions {
  readonly remote: PublicKey;
}

/** A session's dialer: knows the responder's key. */
export interface XkInitiator {
  writeMessage1(payload?: Uint8Array): Uint8Array;
  /** The payload of message 2: the responder is now proved. Throws `HandshakeError`. */
  readMessage2(message: Uint8Array): Uint8Array;
  writeMessage3(payload?: Uint8Array): Uint8Array;
  finish(): HandshakeResult;
}

/** A session's acceptor: learns in message 3 who dials. */
export interface XkResponder {
  /** The payload of message 1, from whoever knows our key. Throws `HandshakeError`. */
  readMessage1(message: Uint8Array): Uint8Array;
  writeMessage2(payload?: Uint8Array): Uint8Array;
  /** The payload of message 3: the initiator is now known and proved. Throws `HandshakeError`. */
  readMessage3(message: Uint8Array): Uint8Array;
  finish(): HandshakeResult;
}

/** A stream's or transport's dialer. */
export interface KkInitiator {
  writeMessage1(payload?: Uint8Array): Uint8Array;
  /** The payload of message 2: the responder is now proved. Throws `HandshakeError`. */
  readMessage2(message: Uint8Array): Uint8Array;
  finish(): HandshakeResult;
}

/** A stream's or transport's acceptor: was told outside of the handshake who dials. */
export interface KkResponder {
  /** The payload of message 1. Throws `HandshakeError`, also when another key made it. */
  readMessage1(message: Uint8Array): Uint8Array;
  writeMessage2(payload?: Uint8Array): Uint8Array;
  finish(): HandshakeResult;
}

export function xkInitiator(options: KnownPeerOptions): XkInitiator {
  const role = new Role(XK, "initiator", options);
  return {
    writeMessage1: (payload) => role.write(1, payload),
    readMessage2: (message) => role.read(2, message),
    writeMessage3: (payload) => role.write(3, payload),
    finish: () => role.finish(),
  };
}

export function xkResponder(options: HandshakeOptions): XkResponder {
  const role = new Role(XK, "responder", options);
  return {
    readMessage1: (message) => role.read(1, message),
    writeMessage2: (payload) => role.write(2, payload),
    readMessage3: (message) => role.read(3, message),
    finish: () => role.finish(),
  };
}

export function kkInitiator(options: KnownPeerOptions): KkInitiator {
  const role = new Role(KK, "initiator", options);
  return {
    writeMessage1: (payload) => role.write(1, payload),
    readMessage2: (message) => role.read(2, message),
    finish: () => role.finish(),
  };
}

export function kkResponder(options: KnownPeerOptions): KkResponder {
  const role = new Role(KK, "responder", options);
  return {
    readMessage1: (message) => role.read(1, message),
    writeMessage2: (payload) => role.write(2, payload),
    finish: () => role.finish(),
  };
}

/** The engine on secp256k1, with the network's own assignment of the transport keys. */
class Role {
  readonly #state: HandshakeState<KeyPair, PublicKey>;
  readonly #payloads: Uint8Array[] = [];
  #wroteLast = false;
  #finished = false;

  constructor(
    pattern: Pattern,
    role: "initiator" | "responder",
    options: HandshakeOptions & { readonly remote?: PublicKey },
  ) {
    const { local, remote, random, ephemeral } = options;
    this.#state = new HandshakeState({ suite: SECP256K1, pattern, role, local, remote, random, ephemeral });
  }

  write(message: number, payload: Uint8Array | undefined): Uint8Array {
    this.#expect(message);
    this.#wroteLast = true;
    return this.#state.writeMessage(payload);
  }

  read(message: number, bytes: Uint8Array): Uint8Array {
    this.#expect(message);
    this.#wroteLast = false;
    const payload = this.#state.readMessage(bytes);
    this.#payloads.push(payload);
    return payload;
  }

  /**
   * The writer of the last message sends with the second key. For KK that is the specification's rule, for XK
   * its reverse (dmsg, section 2.2).
   */
  finish(): HandshakeResult {
    if (this.#finished) throw new SpentError("The handshake's keys were already given out");
    const [first, second] = this.#state.split();
    this.#finished = true; // keys in two hands would mean counters used twice
    return {
      remote: proveKey(this.#state.remote!),
      keys: this.#wroteLast ? { send: second, receive: first } : { send: first, receive: second },
      handshakeHash: this.#state.hash,
      payloads: this.#payloads,
    };
  }

  #expect(message: number): void {
    if (this.#state.turn !== message) {
      throw new SpentError(`Message ${message} is out of turn: the next one is ${this.#state.turn}`);
    }
  }
}
