/** One transport of a path, in the direction of travel (protocol: routing, section 7). @module */
import type { PublicKey } from "../crypto/mod.ts";
import type { TransportId } from "../transport/mod.ts";

/** From visor to visor over one transport. */
export interface Hop {
  readonly transportId: TransportId;
  readonly from: PublicKey;
  readonly to: PublicKey;
}
