/**
 * A transport to the destination of a dial, made before a route is looked for (protocol: transport, section 9).
 *
 * @module
 */
import { describeError, type Log } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import { sleep, withTimeout, type World } from "../../runtime/mod.ts";
import type { TransportType } from "../../transport/mod.ts";

/** All attempts of one type: behind some NAT boxes one type is never answered, and another one works. */
export const AUTOMATIC_TYPE_MS = 15_000;
/** Attempts for each type. */
export const AUTOMATIC_ATTEMPTS = 3;
/** Before the second attempt. */
export const AUTOMATIC_BACKOFF_MS = 1_000;
/** The next wait is so much longer. */
export const AUTOMATIC_BACKOFF_GROWTH = 1.3;

export interface AutomaticTransportsOptions {
  readonly world: Pick<World, "clock">;
  readonly transports: {
    dial(
      remote: PublicKey,
      type: TransportType,
      options: { readonly label: string; readonly signal?: AbortSignal },
    ): Promise<unknown>;
  };
  /** Who can be dialled by which type; an `AddressResolverClient` says so. */
  readonly resolver:
    | { transports(signal?: AbortSignal): Promise<Readonly<Record<"stcpr" | "sudph", readonly PublicKey[]>>> }
    | undefined;
  /** Types that this visor serves. */
  readonly types: readonly TransportType[];
  readonly log: Log;
}

/** Makes a transport to a visor, by the first type that works; resolves without one when none does. */
export type MakeTransport = (remote: PublicKey, signal?: AbortSignal) => Promise<void>;

export function automaticTransports(options: AutomaticTransportsOptions): MakeTransport {
  const { world: { clock }, transports, types, log } = options;
  return async (remote, signal) => {
    for (const type of await typesFor(remote, options, signal)) {
      if (!types.includes(type)) continue;
      const untilMs = clock.monotonicMs() + AUTOMATIC_TYPE_MS;
      for (let attempt = 1, waitMs = AUTOMATIC_BACKOFF_MS; attempt <= AUTOMATIC_ATTEMPTS; attempt++) {
        try {
          const limit = { what: `A ${type} transport`, afterMs: untilMs - clock.monotonicMs(), signal };
          await withTimeout(
            clock,
            limit,
            (signal) => transports.dial(remote, type, { label: "automatic", signal }),
          );
          return;
        } catch (cause) {
          signal?.throwIfAborted();
          log.debug("No automatic transport", { remote, type, attempt, cause: describeError(cause) });
        }
        if (attempt === AUTOMATIC_ATTEMPTS || clock.monotonicMs() + waitMs >= untilMs) break;
        await sleep(clock, waitMs, signal);
        waitMs *= AUTOMATIC_BACKOFF_GROWTH;
      }
    }
  };
}

async function typesFor(
  remote: PublicKey,
  { resolver, log }: AutomaticTransportsOptions,
  signal: AbortSignal | undefined,
): Promise<TransportType[]> {
  try {
    const listed = await resolver?.transports(signal);
    const direct = (["stcpr", "sudph"] as const).filter((type) => listed?.[type].includes(remote));
    return [...direct, "dmsg"];
  } catch (cause) {
    signal?.throwIfAborted();
    log.debug("The address resolver did not say who can be dialled", { cause: describeError(cause) });
    return ["dmsg"]; // needs nothing but dmsg
  }
}
