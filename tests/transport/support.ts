/** Keys, pairs of transports over memory, and recorded files that the tests of transports share. @module */
import { type Conn, type Ledger, memoryPair } from "../../lib/base/mod.ts";
import { type KeyPair, keyPairFromSeed, SecretKey } from "../../lib/crypto/mod.ts";
import type { Clock } from "../../lib/runtime/mod.ts";
import { Transport, type TransportOptions } from "../../lib/transport/mod.ts";

export const [alice, bob, carol] = ["alice", "bob", "carol"].map((name) =>
  keyPairFromSeed(new TextEncoder().encode(name))
) as [KeyPair, KeyPair, KeyPair];

/** The key pair of a recorded secret key. */
export function pairOf(secretKeyHex: string): KeyPair {
  const secretKey = SecretKey.parse(secretKeyHex);
  return { secretKey, publicKey: secretKey.publicKey };
}

export function text(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** What one end of a pair does besides the defaults. */
export type EndOptions = Partial<Pick<TransportOptions, "onPackets" | "onStream" | "onClosed" | "refusals">>;

/** Two live transports on top of `conns`, by default memory: alice dialled bob. */
export function transportPair(
  world: { readonly clock: Clock; readonly ledger: Ledger },
  near: EndOptions = {},
  far: EndOptions = {},
  conns: readonly [Conn, Conn] = memoryPair({ ledger: world.ledger }),
): { near: Transport; far: Transport } {
  const shared = { world, type: "stcp", label: "user" };
  return {
    near: new Transport({
      ...shared,
      local: alice.publicKey,
      remote: bob.publicKey,
      conn: conns[0],
      isInitiator: true,
      onPackets: () => {},
      ...near,
    }),
    far: new Transport({
      ...shared,
      local: bob.publicKey,
      remote: alice.publicKey,
      conn: conns[1],
      isInitiator: false,
      onPackets: () => {},
      ...far,
    }),
  };
}
