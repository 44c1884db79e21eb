/**
 * Dialling the port on which a visor answers `visor ping`: 58 for those of 2026, 48 for those of 2024.
 *
 * A visor of 2024 opens a route to a port that nobody has, closes it a moment later, and its router is deaf for 2 s
 * then: whoever is not known to be of 2026 is asked on the older port first. There a newer visor says at once that
 * nobody listens, and one of ours answers on both.
 *
 * @module
 */
import { TimedOutError } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import { RouteClosedByPeerError, type RouteGroup } from "../routing/mod.ts";
import type { Clock } from "../runtime/mod.ts";
import { SKY_PING_PORTS, type VisorNode } from "./node.ts";

/** Visors whose port is remembered; the one that answered longest ago goes first. */
export const PING_PORTS_MAX = 1_024;

/** On which port each visor answered last. */
export class PingPorts {
  readonly #answered = new Map<PublicKey, number>(); // longest ago first

  /** Every port, the likeliest first. `isRecent`: the visor is known to be of 2026. */
  inOrder(visor: PublicKey, { isRecent }: { readonly isRecent: boolean }): readonly number[] {
    const [recent, older] = SKY_PING_PORTS;
    const first = this.#answered.get(visor) ?? (isRecent ? recent : older);
    return first === recent ? SKY_PING_PORTS : [older, recent];
  }

  answered(visor: PublicKey, port: number): void {
    this.#answered.delete(visor);
    this.#answered.set(visor, port);
    if (this.#answered.size > PING_PORTS_MAX) this.#answered.delete(this.#answered.keys().next().value!);
  }
}

/** A route to the port that answers, and what was measured over it. */
export interface PingedRoute {
  readonly group: RouteGroup;
  /** When the first answer was there, on the monotonic clock. */
  readonly dialledMs: number;
  readonly roundTripsMs: number[];
}

/**
 * Makes a route to `visor` and pings over it. Where nobody listens the group is up all the same, and may answer a
 * ping or two before it is closed: then the other port is taken. Errors: of the dial, of a ping, of the last port
 * when neither answers. The group is the caller's to close.
 */
export async function pingOverRoute(
  { dialer, transports }: Pick<VisorNode, "dialer" | "transports">,
  visor: PublicKey,
  { ports, count, clock, ...options }: Parameters<VisorNode["dialer"]["dial"]>[1] & {
    readonly ports: PingPorts;
    readonly count: number;
    readonly clock: Clock;
  },
): Promise<PingedRoute> {
  const { signal } = options;
  // Transport pings are of 2026: no visor before answers any.
  const isRecent = transports.to(visor).some(({ latencyMs }) => latencyMs !== undefined);
  let refusal: unknown;
  for (const port of ports.inOrder(visor, { isRecent })) {
    let group: RouteGroup | undefined;
    try {
      group = await dialer.dial({ publicKey: visor, port }, options) as RouteGroup; // never direct
      await group.ping({ signal });
      const dialledMs = clock.monotonicMs();
      const roundTripsMs = await group.ping({ count, signal });
      ports.answered(visor, port);
      return { group, dialledMs, roundTripsMs };
    } catch (error) {
      group?.close();
      await group?.closed;
      const isAnswered = error instanceof RouteClosedByPeerError;
      if (!isAnswered && (group === undefined || !(error instanceof TimedOutError))) throw error;
      refusal = error;
    }
  }
  throw refusal;
}
