/** Transports that are made again whenever they are missing (protocol: transport, section 9). @module */
import { type Clock, sleep } from "../runtime/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import type { TransportType } from "./types.ts";

export const PERSISTENT_INTERVAL_MS = 10_000;
/** Of each try. */
export const PERSISTENT_DIAL_MS = 3_000;

/** A transport that the configuration wants. */
export interface PersistentTransport {
  readonly remote: PublicKey;
  readonly type: TransportType;
}

/** Calls `dial` for each of `wanted` that `isLive` misses, at once and then every 10 s. `dial` never rejects. */
export async function keepPersistent(
  { clock, wanted, isLive, dial, signal }: {
    readonly clock: Clock;
    readonly wanted: readonly PersistentTransport[];
    readonly isLive: (transport: PersistentTransport) => boolean;
    readonly dial: (transport: PersistentTransport) => Promise<void>;
    readonly signal: AbortSignal;
  },
): Promise<void> {
  for (;;) {
    await Promise.all(wanted.filter((each) => !isLive(each)).map((each) => dial(each)));
    await sleep(clock, PERSISTENT_INTERVAL_MS, signal);
  }
}
