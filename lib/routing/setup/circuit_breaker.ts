/**
 * The breaker of a setup node (RT-6; services, section 10.2; operations, section 4): a visor that nobody can dial
 * costs each route over it ten seconds, so after some failures routes over it are refused at once.
 *
 *     closed --5 failures in 5 min--> open --60 s--> half-open --its one probe could not dial it--> open
 *        ^                              |                 |
 *        `------------------------------+-----------------'  somebody reached it, or 10 min after the first opening
 *
 * One circuit per visor, fed by the visor's own dials: what becomes of the other hops of a route, and of the route,
 * says nothing of it. Only a visor that could not be dialled is blamed, and never the source, whose caller is there.
 * A probe is one until its dial has ended, even if its request failed or its caller left before; one that ends
 * without a result gives its place to the next. A success closes, also one of a request that began before the
 * opening: it is newer than the failures.
 *
 * @module
 */
import type { PublicKey } from "../../crypto/mod.ts";
import type { World } from "../../runtime/mod.ts";
import type { AdmitRoute, DialResult, RouteVisors } from "./admit_route.ts";
import { RouteSetupError } from "./errors.ts";

/** Dials in a row that failed until a circuit opens. */
export const CIRCUIT_FAILURES = 5;
/** They must lie within this time of the first of them. */
export const CIRCUIT_WINDOW_MS = 5 * 60_000;
/** How long an open circuit refuses everything. */
export const CIRCUIT_OPEN_MS = 60_000;
/** From the first opening until a circuit is closed whatever its probes said. */
export const CIRCUIT_RESET_MS = 10 * 60_000;
/**
 * Visors that are remembered. When there are more, a circuit that is still closed goes: the one with the fewest
 * failures, of these the one that failed longest ago. Open ones stay until they close; while there are no others, no
 * further visor is remembered. Keys cost nothing, so whoever opens circuits for visors that never were can bring that
 * about for as long as they stay: routes over further dead visors then cost their time, and nothing breaks.
 */
export const CIRCUITS_MAX = 512;
/**
 * Those that came to be by one caller's routes. It has room for others when it has more by losing its own: a closed
 * one as above, else the open one that failed longest ago.
 */
export const CIRCUITS_OF_CALLER_MAX = 64;

/** Everything has a default. */
export interface CircuitSettings {
  /** {@link CIRCUIT_FAILURES} */
  readonly failures?: number;
  /** {@link CIRCUIT_WINDOW_MS} */
  readonly windowMs?: number;
  /** {@link CIRCUIT_OPEN_MS} */
  readonly openMs?: number;
  /** {@link CIRCUIT_RESET_MS} */
  readonly resetMs?: number;
}

/** As `/stats` names them. */
export type CircuitState = "closed" | "open" | "half_open";

interface Circuit {
  /** Who asked for the route by which it came to be. */
  readonly caller: PublicKey;
  /** In a row, while it is closed. */
  failures: number;
  /** Of the first of these failures. */
  firstFailureMs: number;
  /** Of the last opening; undefined: it is closed. */
  openedMs: number | undefined;
  /** Of the first opening since it was closed. */
  firstOpenedMs: number;
  /** The request that decides. */
  probe: symbol | undefined;
}

export class CircuitBreaker {
  readonly #clock: World["clock"];
  readonly #settings: Required<CircuitSettings>;
  readonly #circuits = new Map<PublicKey, Circuit>(); // failed longest ago first

  constructor({ clock }: Pick<World, "clock">, settings: CircuitSettings = {}) {
    this.#clock = clock;
    const {
      failures = CIRCUIT_FAILURES,
      windowMs = CIRCUIT_WINDOW_MS,
      openMs = CIRCUIT_OPEN_MS,
      resetMs = CIRCUIT_RESET_MS,
    } = settings;
    this.#settings = { failures, windowMs, openMs, resetMs };
  }

  /** Visors that are remembered. */
  get size(): number {
    return this.#circuits.size;
  }

  /**
   * Lets a route's request pass, as the probe of each of its visors whose circuit is half-open; each of them is told
   * the result of its own dial. Errors: `RouteSetupError` with reason `circuit_open`; no place was taken then.
   */
  readonly admit: AdmitRoute = ({ source, destination, relays }: RouteVisors) => {
    const probed: Circuit[] = [];
    for (const visor of [destination, ...relays]) {
      const circuit = this.#current(visor);
      if (circuit?.openedMs === undefined) continue;
      const part = visor === destination ? "destination" : "intermediate";
      if (!this.#isHalfOpen(circuit.openedMs)) {
        throw refused(part, visor, `circuit open: ${visor} unreachable`);
      }
      if (circuit.probe !== undefined) {
        throw refused(part, visor, `circuit half-open: probe in flight for ${visor}`);
      }
      probed.push(circuit);
    }
    const request = Symbol("request");
    for (const circuit of probed) circuit.probe = request;
    return (visor, result) => {
      if (visor !== source) this.#ended(visor, result, { request, caller: source });
    };
  };

  /** The state of a visor's circuit; undefined when nothing is remembered of it. */
  readonly circuitOf = (visor: PublicKey): CircuitState | undefined => {
    const circuit = this.#current(visor);
    if (circuit === undefined) return undefined;
    if (circuit.openedMs === undefined) return "closed";
    return this.#isHalfOpen(circuit.openedMs) ? "half_open" : "open";
  };

  #isHalfOpen(openedMs: number): boolean {
    return this.#clock.monotonicMs() - openedMs >= this.#settings.openMs;
  }

  /** What is remembered of a visor, as far as it still counts. */
  #current(visor: PublicKey): Circuit | undefined {
    const circuit = this.#circuits.get(visor);
    if (circuit === undefined) return undefined;
    const nowMs = this.#clock.monotonicMs();
    const isOver = circuit.openedMs === undefined
      ? nowMs - circuit.firstFailureMs > this.#settings.windowMs
      : nowMs - circuit.firstOpenedMs >= this.#settings.resetMs;
    if (!isOver) return circuit;
    this.#circuits.delete(visor);
    return undefined;
  }

  /** The dial of a visor has ended. Of failures an open circuit believes its probe's alone. */
  #ended(
    visor: PublicKey,
    result: DialResult,
    { request, caller }: { request: symbol; caller: PublicKey },
  ): void {
    const circuit = this.#current(visor);
    const isProbe = circuit?.probe === request;
    if (isProbe) circuit!.probe = undefined;
    const isOpen = circuit?.openedMs !== undefined;
    if (result === "abandoned") return;
    if (result === "reached") this.#circuits.delete(visor);
    else if (isOpen && !isProbe) return; // others began before it was open
    else if (isOpen) circuit!.openedMs = this.#clock.monotonicMs();
    else this.#failed(visor, circuit, caller);
  }

  #failed(visor: PublicKey, known: Circuit | undefined, caller: PublicKey): void {
    if (known === undefined && !this.#hasRoomFor(caller)) return;
    const nowMs = this.#clock.monotonicMs();
    const circuit = known ?? {
      caller,
      failures: 0,
      firstFailureMs: nowMs,
      openedMs: undefined,
      firstOpenedMs: nowMs,
      probe: undefined,
    };
    circuit.failures++;
    if (circuit.failures >= this.#settings.failures) circuit.openedMs = circuit.firstOpenedMs = nowMs;
    this.#circuits.delete(visor); // to the end
    this.#circuits.set(visor, circuit);
  }

  /** Makes room for one more circuit of a caller, if need be and if that may be. */
  #hasRoomFor(caller: PublicKey): boolean {
    if (this.#circuits.size < CIRCUITS_OF_CALLER_MAX) return true;
    for (const visor of [...this.#circuits.keys()]) this.#current(visor); // forgets what does not count any more
    const all = [...this.#circuits];
    const own = all.filter(([, circuit]) => circuit.caller === caller);
    const leaving = own.length >= CIRCUITS_OF_CALLER_MAX
      ? weakestClosed(own) ?? own[0]![0]
      : all.length >= CIRCUITS_MAX
      ? weakestClosed(all)
      : undefined;
    if (leaving !== undefined) this.#circuits.delete(leaving);
    return this.#circuits.size < CIRCUITS_MAX;
  }
}

/** The closed circuit with the fewest failures, of these the first. */
function weakestClosed(circuits: readonly (readonly [PublicKey, Circuit])[]): PublicKey | undefined {
  let weakest: readonly [PublicKey, Circuit] | undefined;
  for (const each of circuits) {
    if (each[1].openedMs !== undefined) continue;
    if (weakest === undefined || each[1].failures < weakest[1].failures) weakest = each;
  }
  return weakest?.[0];
}

function refused(part: "destination" | "intermediate", visor: PublicKey, why: string): RouteSetupError {
  return new RouteSetupError(`route setup: ${part} circuit breaker open: ${why}`, {
    reason: "circuit_open",
    visor,
  });
}
