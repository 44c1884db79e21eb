/**
 * What a visor offers to everybody, kept known at the service discovery (protocol: services, section 6; visor,
 * sections 1.3 and 10): a public visor as `visor` at its stcpr port, its proxy as `skysocks` at the app's.
 *
 *     offered ──▶ registered, again every 90 s (the service forgets after 5 min)
 *        └─ refused, or the service is away ──▶ again after 5, 10, 20 ... s
 *     offered no more ──▶ removed          the visor ends ──▶ all is removed, within a bound
 *
 * @module
 */
import { describeError, type Log } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import { type RegisteredService, type ServiceRecord, ServiceRefusedError } from "../../directory/mod.ts";
import { type Clock, withTimeout } from "../../runtime/mod.ts";
import { Rounds } from "./_rounds.ts";

/** Of one round: the first waits for dmsg, each of its few calls goes over dmsg and then over HTTP. */
export const SERVICES_TIMEOUT_MS = 120_000;
/** From the start: apps and listeners come by and by, and ask for it themselves. */
export const SERVICES_FIRST_MS = 1_000;
/** At the end: whoever stops a visor waits for it, and entries expire by themselves. */
export const SERVICES_FLUSH_MS = 500;

/** Something that this visor offers, and what keeps it from being known, where that is known here already. */
export interface Offer {
  readonly type: string;
  /** Undefined: it does not listen (yet), and `problem` says why. */
  readonly port: number | undefined;
  readonly problem?: string;
}

/** The part of a service discovery's client that this needs. */
export interface ServiceRegistry {
  register(
    record: ServiceRecord,
    options: { readonly publicAddress?: string; readonly signal?: AbortSignal },
  ): Promise<unknown>;
  remove(service: RegisteredService, signal?: AbortSignal): Promise<void>;
}

export interface ServiceRegistrationOptions {
  readonly clock: Clock;
  readonly publicKey: PublicKey;
  readonly registry: ServiceRegistry;
  /** What is offered now: one of a type. */
  readonly offers: () => readonly Offer[];
  /** IP addresses of this machine that others may be told. */
  readonly addresses: () => readonly string[];
  /** Where this visor is as others see it, for a service that is asked over dmsg. Undefined: not known. */
  readonly publicAddress: () => string | undefined;
  readonly version: string;
  /** The addresses are shown to everybody. */
  readonly displayNodeIp: boolean;
  /** False: it is made sure once that no earlier run is known as public. */
  readonly isPublic: boolean;
  /** Between two registrations of one offer. */
  readonly intervalMs: number;
  /** A public visor that is refused for so long is none. */
  readonly publicTimeoutMs: number;
  readonly log: Log;
}

/** One offer, and what the service discovery has of it. */
export interface OfferState extends Offer {
  /** Of the last registration; undefined: it is not known there, as far as this visor knows. */
  readonly registeredMs?: number;
  /** Why the last try came to nothing. */
  readonly failure?: string;
}

interface Kept {
  offer: Offer;
  /** On the monotonic clock. */
  registeredMs?: number;
  failure?: string;
  /** Since when it is refused without a registration between; undefined: it is not. */
  refusedSinceMs?: number;
  /** It was refused for too long. */
  isGivenUp?: boolean;
}

export class ServiceRegistration {
  readonly #options: ServiceRegistrationOptions;
  readonly #rounds: Rounds;
  readonly #kept = new Map<string, Kept>();
  #hasLeftPublic: boolean;

  constructor(options: ServiceRegistrationOptions) {
    this.#options = options;
    this.#hasLeftPublic = options.isPublic;
    this.#rounds = new Rounds({
      clock: options.clock,
      log: options.log,
      name: "Register services",
      firstMs: SERVICES_FIRST_MS,
      intervalMs: options.intervalMs,
      timeoutMs: SERVICES_TIMEOUT_MS,
      work: (signal) => this.#register(signal),
    });
  }

  /** What is offered may be other than before. */
  changed(): void {
    this.#rounds.hurry();
  }

  /** What is offered now, and what is known of it. */
  states(): OfferState[] {
    return this.#options.offers().map((offer) => {
      const { registeredMs, failure } = this.#kept.get(offer.type) ?? {};
      return { ...offer, registeredMs, failure: failure ?? offer.problem };
    });
  }

  /** Ends it and removes what is registered, within {@link SERVICES_FLUSH_MS}. Never rejects. */
  async close(): Promise<void> {
    await this.#rounds.close();
    const { clock, log } = this.#options;
    const known = [...this.#kept.values()]; // as far as anybody knows: of a try that failed only the answer may be lost
    if (known.length === 0) return;
    try {
      const limit = { what: "Removing services", afterMs: SERVICES_FLUSH_MS };
      await withTimeout(
        clock,
        limit,
        async (signal) => void await Promise.all(known.map(({ offer }) => this.#remove(offer, signal))),
      );
    } catch (error) {
      log.info("Cannot remove services: their entries expire", { cause: describeError(error) });
    }
  }

  /** One round. Rejects with the first failure, once everything was tried. */
  async #register(signal: AbortSignal): Promise<void> {
    const { offers } = this.#options;
    const failures: unknown[] = [];
    const attempt = async (work: () => Promise<void>) => {
      try {
        await work();
      } catch (error) {
        signal.throwIfAborted();
        failures.push(error);
      }
    };
    if (!this.#hasLeftPublic) await attempt(() => this.#leavePublic(signal));
    const offered = new Map(offers().map((offer) => [offer.type, offer]));
    for (const [type, kept] of [...this.#kept]) {
      if (offered.get(type)?.port !== undefined) continue;
      await attempt(async () => {
        await this.#remove(kept.offer, signal);
        this.#kept.delete(type);
      });
    }
    for (const offer of offered.values()) {
      if (offer.port === undefined) failures.push(new Error(offer.problem));
      else await attempt(() => this.#keep(offer, signal));
    }
    if (failures.length > 0) throw failures[0];
  }

  async #keep(offer: Offer, signal: AbortSignal): Promise<void> {
    const { clock, registry, intervalMs } = this.#options;
    const kept = this.#kept.get(offer.type) ?? { offer };
    this.#kept.set(offer.type, kept);
    const nowMs = clock.monotonicMs();
    const isSame = kept.offer.port === offer.port;
    if (isSame && kept.isGivenUp === true) return;
    // Of the others' sake there may be a round before this one is due.
    if (
      isSame && kept.failure === undefined && nowMs - (kept.registeredMs ?? -Infinity) < intervalMs - EARLY_MS
    ) {
      return;
    }
    kept.offer = offer;
    try {
      await registry.register(this.#recordOf(offer), {
        publicAddress: this.#options.publicAddress(),
        signal,
      });
    } catch (error) {
      kept.failure = describeError(error);
      signal.throwIfAborted();
      this.#noteRefusal(kept, error, nowMs);
      if (kept.isGivenUp === true) return;
      throw error;
    }
    kept.registeredMs = clock.monotonicMs();
    kept.failure = kept.refusedSinceMs = undefined;
  }

  /** A service that is away says nothing about the visor; one that refuses it for long does. */
  #noteRefusal(kept: Kept, error: unknown, nowMs: number): void {
    const { publicTimeoutMs, log } = this.#options;
    if (kept.offer.type !== PUBLIC_TYPE || !(error instanceof ServiceRefusedError)) {
      kept.refusedSinceMs = undefined;
      return;
    }
    kept.registeredMs = undefined;
    kept.refusedSinceMs ??= nowMs;
    if (nowMs - kept.refusedSinceMs < publicTimeoutMs) return;
    kept.isGivenUp = true;
    log.error("This visor is not known as public: it was refused for too long", {
      why: kept.failure,
      hint: "is its stcpr port open to everybody? skyctl visor doctor",
    });
  }

  #recordOf({ type, port }: Offer): ServiceRecord {
    const { publicKey, addresses, version, displayNodeIp } = this.#options;
    const localIps = type === PUBLIC_TYPE || displayNodeIp ? addresses() : undefined;
    return { publicKey, port: port!, type, version, displayNodeIp, localIps };
  }

  async #remove({ type, port }: Offer, signal: AbortSignal): Promise<void> {
    const { registry, publicKey } = this.#options;
    await registry.remove({ publicKey, port: port!, type }, signal);
  }

  /** An earlier run may have been public: said once, with port 0 as visors of 2024 do. */
  async #leavePublic(signal: AbortSignal): Promise<void> {
    await this.#remove({ type: PUBLIC_TYPE, port: 0 }, signal);
    this.#hasLeftPublic = true;
  }
}

/** What a public visor is registered as. */
export const PUBLIC_TYPE = "visor";
/** A round that comes a little early is the one that was meant. */
const EARLY_MS = 1_000;
