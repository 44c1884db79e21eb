/**
 * Noise as Skywire speaks it: handshakes XK and KK, connections inside them, and sealed session objects.
 *
 * ```ts
 * import { memoryPair } from "../base/mod.ts";
 * import { keyPairFromSeed } from "../crypto/mod.ts";
 * import { kkInitiator, kkResponder, noiseConn } from "./mod.ts";
 *
 * const random = { bytes: (length: number) => new Uint8Array(length).fill(7) }; // a World has a better one
 * const [alice, bob] = ["alice", "bob"].map((name) => keyPairFromSeed(new TextEncoder().encode(name)));
 * const initiator = kkInitiator({ local: alice!, remote: bob!.publicKey, random });
 * const responder = kkResponder({ local: bob!, remote: alice!.publicKey, random });
 * responder.readMessage1(initiator.writeMessage1());
 * initiator.readMessage2(responder.writeMessage2());
 *
 * const [near, far] = memoryPair();
 * const sealed = noiseConn(near, initiator.finish().keys);
 * const opened = noiseConn(far, responder.finish().keys);
 * await sealed.write(new TextEncoder().encode("hello"));
 * console.log(new TextDecoder().decode((await opened.read())!));
 * ```
 *
 * @module
 */
export * from "./errors.ts";
export {
  COUNTER_BYTES,
  FRAME_OVERHEAD_BYTES,
  FRAME_PLAINTEXT_BYTES_MAX,
  FRAME_PREFIX_MAX,
  PREFIX_BYTES,
  SEAL_BYTES,
} from "./frames.ts";
export { HandshakeState, type HandshakeStateOptions } from "./handshake_state.ts";
export * from "./handshakes.ts";
export * from "./kk_conn.ts";
export { BATCH_FRAMES_MAX, noiseConn } from "./noise_conn.ts";
export { OBJECT_BYTES_MAX, ObjectOpener, ObjectSealer } from "./objects.ts";
export { IK, KK, type Pattern, type Token, XK, XX } from "./patterns.ts";
export { hybridKey, PqExchange } from "./pq.ts";
export {
  HYBRID_PEERS_MAX,
  PostQuantum,
  type PostQuantumMode,
  type PostQuantumSettings,
  type PqHandshake,
} from "./pq_policy.ts";
export { REPLAY_WINDOW, ReplayWindow } from "./replay_window.ts";
export { type NoiseSuite, SECP256K1 } from "./suite.ts";
export * from "./xk_conn.ts";
