/** What goes wrong in a handshake and behind it. @module */
import { PeerError, type SkyErrorOptions } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";

/** A handshake message is not what the holder of the expected keys sends: wrong key, damaged, too short. */
export class HandshakeError extends PeerError {
  readonly code = "HANDSHAKE_FAILED";
}

/** A message counter was seen before, or is too old to tell. */
export class ReplayError extends PeerError {
  readonly code = "REPLAYED";
  constructor(readonly counter: number, rule: string, options: SkyErrorOptions = {}) {
    super(`Message counter ${counter} is refused: ${rule}`, options);
  }
}

/** Messages are missing between two that arrived, where what is below loses nothing. */
export class GapError extends PeerError {
  readonly code = "MESSAGES_LOST";
  constructor(readonly counter: number, readonly expected: number, options: SkyErrorOptions = {}) {
    super(`${counter - expected} messages are missing in front of number ${counter}`, options);
  }
}

/** A handshake without the post-quantum hybrid, where that is required. The text is Skywire's own. */
export class PqRequiredError extends PeerError {
  readonly code = "PQ_REQUIRED";
  constructor(readonly peer: PublicKey, options: SkyErrorOptions = {}) {
    super(
      "post-quantum required (SKYWIRE_REQUIRE_PQ) but the session negotiated classical-only — " +
        "refusing the handshake",
      {
        hint:
          `update the peer ${peer}, or unset SKYWIRE_REQUIRE_PQ and leave out --post-quantum require to talk to it as it is`,
        ...options,
      },
    );
  }
}

/** A handshake was used out of turn, or again after its end or failure: a bug of ours, hence no SkyError. */
export class SpentError extends Error {
  override readonly name = "SpentError";
}
