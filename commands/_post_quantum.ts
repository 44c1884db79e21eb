/** The post-quantum hybrid as this process wants it (protocol: pq, section 5). @module */
import type { Io } from "../lib/cli/mod.ts";
import { webCryptoKem } from "../lib/crypto/mod.ts";
import type { PostQuantumSettings } from "../lib/noise/mod.ts";
import type { World } from "../lib/runtime/mod.ts";
import { type PostQuantumOptions, REQUIRE_VARIABLE } from "./post_quantum_option.ts";

/**
 * What the option says, else required where any value but an empty one is in the environment, else offered. The
 * KEM is WebCrypto's: a handshake costs 0.2 ms more with it, with the one in JavaScript 0.9 ms.
 */
export function postQuantumOf(
  io: Pick<Io, "env">,
  world: Pick<World, "outside">,
  { postQuantum }: PostQuantumOptions = {},
): PostQuantumSettings {
  return {
    mode: postQuantum ?? (io.env(REQUIRE_VARIABLE) ? "require" : "offer"),
    kem: webCryptoKem((work) => world.outside(work)),
  };
}
