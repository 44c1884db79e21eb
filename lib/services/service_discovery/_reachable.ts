/**
 * Whether setup nodes can reach a public visor: its dmsg port 136 takes a stream (services.md 6). A visor that nobody
 * can make a route to is of no use in the list. What was found is remembered: a visor registers each 90 s.
 *
 * @module
 */
import { describeError, type Log } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import { AWAIT_SETUP_PORT } from "../../dmsg/mod.ts";
import { type Clock, withTimeout } from "../../runtime/mod.ts";
import type { ReachOverDmsg } from "../hosting/mod.ts";
import {
  REACH_CHECKS_MAX,
  REACH_TIMEOUT_MS,
  REACHABLE_MS,
  REACHED_KEPT_MAX,
  UNREACHABLE_MS,
} from "./settings.ts";

interface Found {
  readonly isReachable: boolean;
  readonly untilMs: number;
}

export class Reachability {
  readonly #reach: ReachOverDmsg;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #found = new Map<PublicKey, Found>();
  readonly #asked = new Map<PublicKey, Promise<boolean>>();

  constructor(reach: ReachOverDmsg, { clock, log }: { readonly clock: Clock; readonly log: Log }) {
    this.#reach = reach;
    this.#clock = clock;
    this.#log = log;
  }

  /** True also where this service cannot look: the fault is not the visor's. */
  isReachable(key: PublicKey): Promise<boolean> {
    const found = this.#found.get(key);
    if (found !== undefined && found.untilMs > this.#clock.monotonicMs()) {
      return Promise.resolve(found.isReachable);
    }
    const under = this.#asked.get(key);
    if (under !== undefined) return under;
    if (this.#asked.size >= REACH_CHECKS_MAX) return Promise.resolve(false); // it tries again in a few seconds
    const asked = this.#ask(key).finally(() => this.#asked.delete(key));
    this.#asked.set(key, asked);
    return asked;
  }

  async #ask(key: PublicKey): Promise<boolean> {
    const limit = { what: "Reaching a public visor over dmsg", afterMs: REACH_TIMEOUT_MS };
    let canLook = true;
    let isReachable = true;
    try {
      await withTimeout(this.#clock, limit, async (signal) => {
        const reaching = this.#reach({ publicKey: key, port: AWAIT_SETUP_PORT }, signal);
        canLook = reaching !== undefined;
        await reaching;
      });
    } catch (error) {
      isReachable = false;
      this.#log.debug("A public visor is not reached", { key, cause: describeError(error) });
    }
    if (!canLook) return true;
    const untilMs = this.#clock.monotonicMs() + (isReachable ? REACHABLE_MS : UNREACHABLE_MS);
    this.#found.delete(key); // and to the end
    this.#found.set(key, { isReachable, untilMs });
    if (this.#found.size > REACHED_KEPT_MAX) this.#found.delete(this.#found.keys().next().value!);
    return isReachable;
  }
}
