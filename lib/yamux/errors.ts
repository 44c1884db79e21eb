/** What a yamux peer can do to a session, beyond malformed bytes. @module */
import { PeerError, type SkyErrorOptions } from "../base/mod.ts";

/** The peer sent GoAway: it takes no further streams (code 0) or gave the session up (1, 2). */
export class GoAwayError extends PeerError {
  readonly code = "MUX_GO_AWAY";
  /** 0 normal, 1 protocol error, 2 internal error. */
  readonly goAwayCode: number;
  constructor(goAwayCode: number, options: SkyErrorOptions = {}) {
    super(
      `The peer's multiplexer said go away: ${GO_AWAY_TEXT[goAwayCode] ?? `code ${goAwayCode}`}`,
      options,
    );
    this.goAwayCode = goAwayCode;
  }
}

const GO_AWAY_TEXT = ["no more streams", "protocol error", "internal error"];
