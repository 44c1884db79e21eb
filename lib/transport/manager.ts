/**
 * Every transport of a visor: made on demand, accepted, kept, replaced, registered, and gone without a trace
 * (protocol: transport, sections 8.4, 9 and 10).
 *
 *     dial ──▶ carrier ──▶ settlement ──┐
 *                                       ├──▶ live, found by id ──▶ closed: found no more, from that moment on
 *     carrier ──▶ link ───▶ settlement ─┘
 *
 * There is one transport for a peer and type. Carriers and dials are here; links that peers open, the rule of which
 * of two connections stays, and the table of what is live are each in a file of their own.
 *
 * @module
 */
import { type Conn, ConnClosedError, describeError, type Log, Scope, silentLog } from "../base/mod.ts";
import type { KeyPair, PublicKey } from "../crypto/mod.ts";
import { sleep, withTimeout, type World } from "../runtime/mod.ts";
import { AcceptedLinks, UNASKED_OF_ADDRESS_MAX, UNASKED_TRANSPORTS_MAX } from "./_accepted_links.ts";
import { SharedDial } from "./_dial.ts";
import { LiveTransports } from "./_live_transports.ts";
import { keepPersistent, PERSISTENT_DIAL_MS, type PersistentTransport } from "./_persistent.ts";
import { Precedence } from "./_precedence.ts";
import type { TransportRegistrar } from "./_registration.ts";
import type { StreamKind } from "./_stream_mux.ts";
import type { TransportCarrier } from "./carrier.ts";
import { RefusalCounters } from "./counters.ts";
import {
  CarrierUnavailableError,
  TransportClosedError,
  TransportDialError,
  TransportNotFoundError,
} from "./errors.ts";
import { type TransportId, transportId } from "./id.ts";
import { DuplicateLinkError, settleAsInitiator } from "./settlement.ts";
import type { PacketSink, Transport } from "./transport.ts";
import { byPreference, type TransportType } from "./types.ts";
import type { VirtualStream } from "./virtual_stream.ts";

/** A link, from the look-up of the peer to its proof; the settlement has a bound of its own. */
export const DIAL_TIMEOUT_MS = 30_000;
/** After a carrier could not start. */
export const CARRIER_RETRY_MS = 10_000;

export interface TransportManagerOptions {
  readonly world: Pick<World, "clock" | "ledger">;
  readonly local: KeyPair;
  /** The manager owns them, starts them, and tries again where that fails. */
  readonly carriers: readonly TransportCarrier[];
  readonly onPackets: PacketSink;
  /** The transport discovery. Undefined: nothing is registered. */
  readonly registrar?: TransportRegistrar;
  readonly persistent?: readonly PersistentTransport[];
  /** True when a routing rule needs the transport: it is then not replaced by a connection of the peer. */
  readonly isUsed?: (id: TransportId) => boolean;
  /**
   * Live transports that peers opened, at most; those that were dialled here or are persistent do not count.
   * Default {@link UNASKED_TRANSPORTS_MAX}.
   */
  readonly unaskedMax?: number;
  /** Shared with the carriers. */
  readonly refusals?: RefusalCounters;
  readonly log?: Log;
}

export interface DialOptions {
  /** Who made it: `user`, `automatic` or `skycoin`. A transport that is there keeps its own. */
  readonly label?: string;
  /** Ends the wait, and the dial when nobody else waits for it; never a transport. */
  readonly signal?: AbortSignal;
}

export class TransportManager implements AsyncDisposable {
  readonly local: PublicKey;
  /** What peers did that was refused or ignored. */
  readonly refusals: RefusalCounters;
  readonly #options: TransportManagerOptions;
  readonly #log: Log;
  readonly #scope = new Scope();
  readonly #carriers: ReadonlyMap<string, TransportCarrier>;
  readonly #carrierFailures = new Map<TransportType, unknown>();
  readonly #live: LiveTransports;
  readonly #byId: ReadonlyMap<TransportId, Transport>; // of the live ones, at hand: asked for each run of packets
  readonly #precedence: Precedence;
  readonly #accepted: AcceptedLinks;
  readonly #dials = new Map<TransportId, SharedDial<Transport>>();
  readonly #persistent: ReadonlySet<TransportId>;
  #closing: Promise<void> | undefined;

  constructor(options: TransportManagerOptions) {
    const { world, local, carriers, registrar, onPackets, isUsed, persistent = [], log = silentLog } =
      options;
    this.#options = options;
    this.local = local.publicKey;
    this.refusals = options.refusals ?? new RefusalCounters();
    this.#log = log.child("transport");
    this.#persistent = new Set(
      persistent.map(({ remote, type }) => transportId(this.local, remote, type)),
    );
    this.#carriers = new Map(carriers.map((carrier) => [carrier.type, carrier]));
    const { refusals } = this;
    const live = this.#live = new LiveTransports({
      world,
      local: this.local,
      onPackets,
      registrar,
      refusals,
      log: this.#log,
    });
    this.#byId = live.byId;
    const precedence = this.#precedence = new Precedence({ local: this.local, live: live.byId, isUsed });
    this.#accepted = new AcceptedLinks({
      clock: world.clock,
      local,
      scope: this.#scope,
      live,
      precedence,
      isWanted: (id) => this.#persistent.has(id) || this.#dials.has(id),
      unaskedMax: options.unaskedMax ?? UNASKED_TRANSPORTS_MAX,
      unaskedOfAddressMax: UNASKED_OF_ADDRESS_MAX,
      refusals,
      log: this.#log,
    });
    for (const carrier of carriers) {
      this.#scope.spawn(`start ${carrier.type}`, (signal) => this.#start(carrier, signal));
    }
    if (persistent.length > 0) {
      this.#scope.spawn("persistent transports", (signal) => this.#keepPersistent(persistent, signal));
    }
  }

  /** Types that can be dialled, in order of preference. */
  get types(): TransportType[] {
    return [...this.#carriers.values()].map(({ type }) => type).sort(byPreference);
  }

  /** Why types do not accept, where that is so. */
  get carrierFailures(): ReadonlyMap<TransportType, unknown> {
    return this.#carrierFailures;
  }

  /** Every live transport, in the order in which they came. */
  transports(): Transport[] {
    return [...this.#byId.values()];
  }

  /** The live transport of that id. */
  find(id: TransportId): Transport | undefined {
    return this.#byId.get(id); // what closes leaves the table in the same moment
  }

  /** Live transports to a visor, the preferred type first. */
  to(remote: PublicKey): Transport[] {
    return this.#live.to(remote);
  }

  /**
   * The transport to `remote` of that type: the one that is there, or a new one. Errors: `TransportDialError`
   * with the cause, `CarrierUnavailableError`, the signal's reason.
   */
  async dial(
    remote: PublicKey,
    type: TransportType,
    { label = "user", signal }: DialOptions = {},
  ): Promise<Transport> {
    signal?.throwIfAborted();
    if (this.#closing !== undefined) throw new CarrierUnavailableError(type, "the visor is closing");
    const id = transportId(this.local, remote, type);
    const existing = this.find(id);
    if (existing !== undefined) return this.#asked(existing);
    const carrier = this.#carriers.get(type);
    if (carrier === undefined) {
      throw new CarrierUnavailableError(type, "this visor does not serve it", {
        hint: `use one of ${this.types.join(", ")}`,
      });
    }
    let dial = this.#dials.get(id);
    if (dial === undefined) {
      dial = new SharedDial(async (ended) => {
        try {
          return await this.#make(carrier, remote, { label, signal: ended });
        } finally {
          this.#dials.delete(id);
        }
      });
      this.#dials.set(id, dial);
    }
    return await dial.join(signal);
  }

  /** Closes a transport and joins it. Errors: `TransportNotFoundError`. */
  async remove(id: TransportId): Promise<void> {
    const transport = this.find(id);
    if (transport === undefined) throw new TransportNotFoundError(id);
    transport.close(new TransportClosedError(id, new ConnClosedError(undefined, "It was removed")));
    await transport.closed;
  }

  /** Takes every stream of that kind that a peer opens; one handler for each kind (`TypeError`). Gives the undo. */
  onStream(kind: StreamKind, handler: (stream: VirtualStream) => void): () => void {
    return this.#live.onStream(kind, handler);
  }

  /** Told of each new transport. Gives the undo. */
  onOpened(listener: (transport: Transport) => void): () => void {
    return this.#live.onOpened(listener);
  }

  /** Told of each transport that ended, when it is not found any more. Gives the undo. */
  onClosed(listener: (transport: Transport) => void): () => void {
    return this.#live.onClosed(listener);
  }

  /** Ends everything and joins it; the discovery is told, within half a second. Never rejects. */
  close(): Promise<void> {
    return this.#closing ??= this.#close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #close(): Promise<void> {
    const reason = new ConnClosedError(undefined, "The visor is closing");
    this.#scope.end(reason);
    for (const dial of this.#dials.values()) dial.abort(reason);
    const carriers = [...this.#carriers.values()].map((carrier) => carrier.close());
    const live = this.#live.close();
    const dials = [...this.#dials.values()].map(({ done }) => done);
    await Promise.allSettled([...carriers, ...dials, live]);
    await this.#scope[Symbol.asyncDispose]();
  }

  // Making

  async #start(carrier: TransportCarrier, signal: AbortSignal): Promise<void> {
    const { type } = carrier;
    while (!signal.aborted) {
      try {
        await carrier.start((conn, remote, from) => this.#accepted.take(type, conn, remote, from));
        this.#carrierFailures.delete(type);
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#carrierFailures.set(type, error);
        this.#log.warn("Cannot accept transports", { type, cause: describeError(error) });
      }
      await sleep(this.#options.world.clock, CARRIER_RETRY_MS, signal);
    }
  }

  async #make(
    carrier: TransportCarrier,
    remote: PublicKey,
    { label, signal }: { readonly label: string; readonly signal: AbortSignal },
  ): Promise<Transport> {
    const { world: { clock }, local } = this.#options;
    const { type } = carrier;
    const id = transportId(this.local, remote, type);
    let conn: Conn;
    try {
      const limit = { what: `Dialling ${remote} over ${type}`, afterMs: DIAL_TIMEOUT_MS, signal };
      conn = await withTimeout(clock, limit, (ended) => carrier.dial(remote, { signal: ended }));
      // As for accepted links, asked before both ends agree: once they do, the peer has left the older one.
      if (this.find(id) !== undefined && this.#precedence.isInUse(id)) {
        const reason = new DuplicateLinkError();
        conn.close(reason);
        throw reason;
      }
      if (remote !== this.local) {
        conn = await settleAsInitiator(conn, { clock, local, remote, type, label, signal });
      }
    } catch (cause) {
      signal.throwIfAborted();
      const crossed = this.find(id);
      if (crossed !== undefined) return this.#asked(crossed); // the peer's own dial was there first
      throw new TransportDialError(remote, type, cause);
    }
    const closing = this.#scope.signal;
    if (closing.aborted) {
      conn.close(closing.reason);
      throw closing.reason;
    }
    const crossed = this.find(id);
    if (crossed === undefined) return this.#live.add(type, remote, { label, conn, isInitiator: true });
    if (this.#precedence.isOurDialPreferred(remote)) crossed.replaceConn(conn, { isInitiator: true });
    else conn.close(new ConnClosedError(undefined, "The peer's own connection was there first"));
    return this.#asked(crossed);
  }

  /** Somebody here wants it, whoever opened it. */
  #asked(transport: Transport): Transport {
    this.#accepted.asked(transport.id);
    return transport;
  }

  #keepPersistent(wanted: readonly PersistentTransport[], signal: AbortSignal): Promise<void> {
    const { clock } = this.#options.world;
    return keepPersistent({
      clock,
      wanted,
      signal,
      isLive: ({ remote, type }) => this.find(transportId(this.local, remote, type)) !== undefined,
      dial: async ({ remote, type }) => {
        const limit = { what: `Dialling ${remote} over ${type}`, afterMs: PERSISTENT_DIAL_MS, signal };
        try {
          await withTimeout(
            clock,
            limit,
            (ended) => this.dial(remote, type, { label: "user", signal: ended }),
          );
        } catch (error) {
          if (signal.aborted) return;
          this.#log.debug("A persistent transport is missing", { remote, type, cause: describeError(error) });
        }
      },
    });
  }
}
