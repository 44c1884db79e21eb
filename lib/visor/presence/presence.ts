/** All of a visor's presence in its network, as far as the network has the services for it. @module */
import type { Log } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import type {
  ServiceDiscoveryClient,
  TransportDiscoveryClient,
  UptimeTrackerClient,
} from "../../directory/mod.ts";
import type { World } from "../../runtime/mod.ts";
import { isLoopbackAddress, isPublicAddress } from "../../transport/mod.ts";
import type { PresenceConfig } from "../config/mod.ts";
import { Autoconnect, AUTOCONNECT_TYPES, type AutoconnectOptions, PUBLIC_VISORS_MAX } from "./autoconnect.ts";
import { Heartbeats } from "./heartbeats.ts";
import { type Offer, ServiceRegistration } from "./service_registration.ts";

export interface PresenceOptions {
  readonly world: Pick<World, "clock" | "random">;
  readonly publicKey: PublicKey;
  readonly version: string;
  readonly settings: PresenceConfig;
  /** Each undefined: the network has none. */
  readonly services: {
    readonly serviceDiscovery: ServiceDiscoveryClient | undefined;
    readonly uptimeTracker: UptimeTrackerClient | undefined;
    readonly transportDiscovery: TransportDiscoveryClient | undefined;
  };
  readonly transports: AutoconnectOptions["transports"];
  /** What is offered now: one of a type. */
  readonly offers: () => readonly Offer[];
  /** IP addresses of this machine that others may be told. */
  readonly addresses: () => readonly string[];
  readonly log: Log;
}

/** What a visor does to be known, as it is now. */
export interface PresenceState {
  readonly services: {
    readonly type: string;
    readonly port?: number;
    /** How long ago it was registered last. */
    readonly registeredAgoMs?: number;
    readonly failure?: string;
  }[];
  /** Undefined: nobody is told. */
  readonly heartbeat?: { readonly service: string; readonly lastAgoMs?: number; readonly failure?: string };
  /** Undefined: it is not done. */
  readonly autoconnect?: { readonly connected: number; readonly wanted: number };
}

export class Presence {
  readonly #options: PresenceOptions;
  readonly #registration: ServiceRegistration | undefined;
  readonly #heartbeats: Heartbeats | undefined;
  readonly #autoconnect: Autoconnect | undefined;

  constructor(options: PresenceOptions) {
    this.#options = options;
    const { world: { clock }, publicKey, version, settings, services, transports, offers, addresses } =
      options;
    const log = options.log.child("presence");
    const { serviceDiscovery, transportDiscovery } = services;
    if (serviceDiscovery !== undefined) {
      this.#registration = new ServiceRegistration({
        clock,
        publicKey,
        registry: serviceDiscovery,
        offers,
        addresses,
        publicAddress: () => addresses().find(isPublicAddress) ?? addresses().find(isLoopbackAddress),
        version,
        displayNodeIp: settings.displayNodeIp,
        isPublic: settings.isPublic,
        intervalMs: settings.serviceIntervalMs,
        publicTimeoutMs: settings.publicTimeoutMs,
        log,
      });
    }
    this.#heartbeats = heartbeatsOf(options, log);
    if (serviceDiscovery !== undefined && settings.autoconnects) {
      const others = transportDiscovery &&
        ((count: number, signal: AbortSignal) =>
          othersOf(transportDiscovery, { count, publicKey, random: options.world.random, signal }));
      this.#autoconnect = new Autoconnect({
        clock,
        publicKey,
        directory: serviceDiscovery,
        others,
        transports,
        log,
      });
    }
  }

  /** What is offered may be other than before. */
  changed(): void {
    this.#registration?.changed();
  }

  state(): PresenceState {
    const nowMs = this.#options.world.clock.monotonicMs();
    const ago = (ms: number | undefined) => ms === undefined ? undefined : Math.round(nowMs - ms);
    const heartbeat = this.#heartbeats?.state();
    return {
      services: (this.#registration?.states() ?? []).map(({ type, port, registeredMs, failure }) => ({
        type,
        port,
        registeredAgoMs: ago(registeredMs),
        failure,
      })),
      heartbeat: heartbeat && {
        service: heartbeat.service,
        lastAgoMs: ago(heartbeat.lastMs),
        failure: heartbeat.failure,
      },
      autoconnect: this.#autoconnect && {
        connected: this.#autoconnect.connected,
        wanted: PUBLIC_VISORS_MAX,
      },
    };
  }

  /** Ends it; what was registered is removed, within a bound. Never rejects. */
  async close(): Promise<void> {
    await Promise.all([this.#registration?.close(), this.#heartbeats?.close(), this.#autoconnect?.close()]);
  }
}

/** At the uptime tracker; where there is none, the transport discovery counts. */
function heartbeatsOf(
  { world: { clock }, version, services: { uptimeTracker, transportDiscovery } }: PresenceOptions,
  log: Log,
): Heartbeats | undefined {
  if (uptimeTracker !== undefined) {
    const beat = (signal: AbortSignal) => uptimeTracker.heartbeat(version, signal);
    return new Heartbeats({ clock, service: "uptime tracker", beat, log });
  }
  if (transportDiscovery === undefined) return undefined;
  const beat = (signal: AbortSignal) => transportDiscovery.heartbeat(signal);
  return new Heartbeats({ clock, service: "transport discovery", beat, log });
}

/** Visors that have transports of the wanted types, drawn at random. */
async function othersOf(
  discovery: TransportDiscoveryClient,
  { count, publicKey, random, signal }: {
    readonly count: number;
    readonly publicKey: PublicKey;
    readonly random: PresenceOptions["world"]["random"];
    readonly signal: AbortSignal;
  },
): Promise<PublicKey[]> {
  const keys = [...await discovery.perKeyStats(signal)]
    .filter(([key, counts]) =>
      key !== publicKey && AUTOCONNECT_TYPES.some((type) => (counts.get(type) ?? 0) > 0)
    )
    .map(([key]) => key);
  const drawn = new DataView(random.bytes(4 * count).buffer);
  for (let at = 0; at < Math.min(count, keys.length); at++) {
    const from = at + drawn.getUint32(4 * at) % (keys.length - at);
    [keys[at], keys[from]] = [keys[from]!, keys[at]!];
  }
  return keys.slice(0, count);
}
