/** Keys and engines that the tests of noise share. */
import {
  fromHex,
  type KeyPair,
  keyPairFromSeed,
  type PublicKey,
  SecretKey,
  sha256,
} from "../../lib/crypto/mod.ts";
import { HandshakeState, type Pattern, SECP256K1, type SplitKeys } from "../../lib/noise/mod.ts";
import type { Random } from "../../lib/runtime/mod.ts";

export const alice = keyPairFromSeed(new TextEncoder().encode("alice"));
export const bob = keyPairFromSeed(new TextEncoder().encode("bob"));
export const mallory = keyPairFromSeed(new TextEncoder().encode("mallory"));

/** Bytes that follow from `seed`, without end. */
export function seededRandom(seed = "noise tests"): Random {
  let state = new TextEncoder().encode(seed);
  return {
    bytes(length) {
      const bytes = new Uint8Array(length);
      for (let offset = 0; offset < length; offset += 32) {
        state = new Uint8Array(sha256(state));
        bytes.set(state.subarray(0, length - offset), offset);
      }
      return bytes;
    },
  };
}

/** For engines that must not draw: their ephemeral keys are given. */
export const noRandom: Random = {
  bytes() {
    throw new Error("Nothing may be drawn here");
  },
};

export function pairOf({ sk }: { readonly sk: string }): KeyPair {
  const secretKey = SecretKey.parse(sk);
  return { secretKey, publicKey: secretKey.publicKey };
}

/** A recorded handshake's engine in one role, with the recorded ephemeral key. */
export interface RecordedKeys {
  readonly initiator_static: { readonly sk: string };
  readonly responder_static: { readonly sk: string };
  readonly initiator_ephemeral: { readonly sk: string };
  readonly responder_ephemeral: { readonly sk: string };
}

export function engine(
  recorded: RecordedKeys,
  pattern: Pattern,
  role: "initiator" | "responder",
  { remote }: { readonly remote?: PublicKey } = {},
): HandshakeState<KeyPair, PublicKey> {
  const isInitiator = role === "initiator";
  const known = isInitiator ? pattern.responderKnown : pattern.initiatorKnown;
  const other = pairOf(isInitiator ? recorded.responder_static : recorded.initiator_static).publicKey;
  return new HandshakeState({
    suite: SECP256K1,
    pattern,
    role,
    local: pairOf(isInitiator ? recorded.initiator_static : recorded.responder_static),
    remote: known ? remote ?? other : undefined,
    random: noRandom,
    ephemeral: pairOf(isInitiator ? recorded.initiator_ephemeral : recorded.responder_ephemeral),
  });
}

/** Keys of a connection, for both ends. */
export const KEYS: { readonly near: SplitKeys; readonly far: SplitKeys } = {
  near: { send: fromHex("11".repeat(32)), receive: fromHex("22".repeat(32)) },
  far: { send: fromHex("22".repeat(32)), receive: fromHex("11".repeat(32)) },
};

export function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}
