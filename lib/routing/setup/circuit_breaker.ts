/**
 * The breaker of a setup node (RT-6; services, section 10.2; operations, section 4): a visor that nobody can dial
 * costs each route over it ten seconds, so after some failures routes over it are refused at once.
 *
 *     closed --5 failures in 5 min--> open --60 s--> half-open --its one probe was set up------> closed
 *                                       ^                `------ its one probe was not dialled --> open
 *                                       `- 10 min after the first opening: closed
 *
 * One circuit per visor. Only a visor that could not be dialled is blamed, and never the source, whose caller is
 * there. A failure of anything else says nothing of the visor: a probe that ends so gives its place to the next.
 *
 * @module
 */
import type { PublicKey } from "../../crypto/mod.ts";
import type { World } from "../../runtime/mod.ts";
import { RouteSetupError } from "./errors.ts";
import type { RouteResult, RouteVisors } from "./setup_node.ts";

/** Dials in a row that failed until a circuit opens. */
export const CIRCUIT_FAILURES = 5;
/** They must lie within this time of the first of them. */
export const CIRCUIT_WINDOW_MS = 5 * 60_000;
/** How long an open circuit refuses everything. */
export const CIRCUIT_OPEN_MS = 60_000;
/** From the first opening until a circuit is closed whatever its probes said. */
export const CIRCUIT_RESET_MS = 10 * 60_000;
/** Visors that are remembered; the one that failed longest ago goes first, those that are closed before the others. */
export const CIRCUITS_MAX = 512;

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
   * Lets a route's request pass, as the probe of each of its visors whose circuit is half-open; what is given back
   * takes its result. Errors: `RouteSetupError` with reason `circuit_open`; no place was taken then.
   */
  readonly admit = ({ destination, relays }: RouteVisors): (result: RouteResult) => void => {
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
    return ({ failure, unreachable }) => {
      for (const circuit of probed) if (circuit.probe === request) circuit.probe = undefined;
      if (failure === undefined) this.#reached([destination, ...relays], probed);
      else if (unreachable === destination || relays.some((relay) => relay === unreachable)) {
        this.#failed(unreachable!, probed);
      }
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

  /** Every visor of a route was dialled. An open circuit believes that of nobody but its probe. */
  #reached(visors: readonly PublicKey[], probed: readonly Circuit[]): void {
    for (const visor of visors) {
      const circuit = this.#current(visor);
      if (circuit === undefined) continue;
      if (circuit.openedMs === undefined || probed.includes(circuit)) this.#circuits.delete(visor);
    }
  }

  #failed(visor: PublicKey, probed: readonly Circuit[]): void {
    const nowMs = this.#clock.monotonicMs();
    const circuit = this.#current(visor) ?? {
      failures: 0,
      firstFailureMs: nowMs,
      openedMs: undefined,
      firstOpenedMs: nowMs,
      probe: undefined,
    };
    if (circuit.openedMs !== undefined) {
      if (probed.includes(circuit)) circuit.openedMs = nowMs; // others began before it was open
      return;
    }
    circuit.failures++;
    if (circuit.failures >= this.#settings.failures) circuit.openedMs = circuit.firstOpenedMs = nowMs;
    this.#circuits.delete(visor); // to the end
    this.#circuits.set(visor, circuit);
    if (this.#circuits.size > CIRCUITS_MAX) this.#forgetOne(visor);
  }

  /** Routes to visors that never were cost an inventor nothing: they push out each other, not what is open. */
  #forgetOne(except: PublicKey): void {
    for (const [visor, { openedMs }] of this.#circuits) {
      if (openedMs === undefined && visor !== except) return void this.#circuits.delete(visor);
    }
    this.#circuits.delete(this.#circuits.keys().next().value!);
  }
}

function refused(part: "destination" | "intermediate", visor: PublicKey, why: string): RouteSetupError {
  return new RouteSetupError(`route setup: ${part} circuit breaker open: ${why}`, {
    reason: "circuit_open",
    visor,
  });
}
