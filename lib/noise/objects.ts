/**
 * Session objects (protocol: dmsg, sections 2.3 and 4): single sealed messages that travel on many mux streams
 * of one session, all under one counter per direction, so that they arrive in any order.
 *
 *     [ length u16 ][ counter u64 ][ ciphertext ][ tag 16 ]      big endian; length up to 65535
 *
 * @module
 */
import { MalformedError } from "../base/mod.ts";
import { chachaOpenInto, TAG_BYTES } from "../crypto/mod.ts";
import { COUNTER_BYTES, FrameSealer, PREFIX_BYTES, readCounter, SEAL_BYTES } from "./frames.ts";
import { ReplayWindow } from "./replay_window.ts";

/** Biggest object before sealing. */
export const OBJECT_BYTES_MAX = 65_535 - SEAL_BYTES;

/** Seals the objects of one direction of a session. */
export class ObjectSealer {
  readonly #sealer: FrameSealer;

  constructor(key: Uint8Array) {
    this.#sealer = new FrameSealer(key);
  }

  /** The whole message with its length in front. More than {@link OBJECT_BYTES_MAX} is a `RangeError`. */
  seal(object: Uint8Array): Uint8Array {
    if (object.length > OBJECT_BYTES_MAX) {
      throw new RangeError(`Session object of ${object.length} bytes is above ${OBJECT_BYTES_MAX}`);
    }
    const message = new Uint8Array(PREFIX_BYTES + SEAL_BYTES + object.length);
    this.#sealer.sealInto(object, message, 0);
    return message;
  }
}

/** Opens the objects of one direction of a session, in any order, each once. */
export class ObjectOpener {
  readonly #key: Uint8Array;
  readonly #window = new ReplayWindow();

  constructor(key: Uint8Array) {
    this.#key = key;
  }

  /**
   * The object in `body`, a message without its length. Throws `MalformedError` (too short), `LimitError`
   * (counter beyond 2^53), `ReplayError`, `AuthenticationError`. Only an authentic message moves the window.
   */
  open(body: Uint8Array): Uint8Array {
    if (body.length < SEAL_BYTES) {
      throw new MalformedError(`Session object of ${body.length} bytes cannot hold counter and tag`);
    }
    const counter = readCounter(body);
    this.#window.check(counter);
    const object = new Uint8Array(body.length - COUNTER_BYTES - TAG_BYTES);
    chachaOpenInto(this.#key, counter, body.subarray(COUNTER_BYTES), object, 0);
    this.#window.mark(counter);
    return object;
  }
}
