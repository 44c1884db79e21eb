/**
 * Every transport of a visor: made on demand, accepted, kept, replaced, registered, and gone without a trace
 * (protocol: transport, sections 8.4, 9 and 10).
 *
 *     dial ──▶ carrier ──▶ settlement ──┐
 *                                       ├──▶ live, found by id ──▶ closed: found no more, from that moment on
 *     carrier ──▶ onLink ─▶ settlement ─┘
 *
 * There is one transport for a peer and type. A newer connection takes the place of the older one; when both ends
 * dial at the same time, that of the smaller key stays.
 *
 * @module
 */
import { type Conn, ConnClosedError, describeError, type Log, Scope, silentLog } from "../base/mod.ts";
import type { KeyPair, PublicKey } from "../crypto/mod.ts";
import { sleep, withTimeout, type World } from "../runtime/mod.ts";
import { SharedDial } from "./_dial.ts";
import { Settlements } from "./_settlements.ts";
import { keepPersistent, PERSISTENT_DIAL_MS, type PersistentTransport } from "./_persistent.ts";
import { type RegisteredTransport, Registration, type TransportRegistrar } from "./_registration.ts";
import type { StreamKind } from "./_stream_mux.ts";
import type { TransportCarrier } from "./carrier.ts";
import { RefusalCounters, type RefusalReason } from "./counters.ts";
import {
  CarrierUnavailableError,
  TransportClosedError,
  TransportDialError,
  TransportNotFoundError,
  TransportsFullError,
} from "./errors.ts";
import { type TransportId, transportId } from "./id.ts";
import { DuplicateLinkError, settleAsInitiator, settleAsResponder } from "./settlement.ts";
import { type PacketSink, Transport } from "./transport.ts";
import { byPreference, type TransportType } from "./types.ts";
import type { VirtualStream } from "./virtual_stream.ts";

/** A link, from the look-up of the peer to its proof; the settlement has a bound of its own. */
export const DIAL_TIMEOUT_MS = 30_000;
/**
 * Live transports that nobody here asked for: keys cost nothing. Public visors of the original take 1,000 and are
 * told so by their configuration (`public_visor.max_transports`).
 */
export const UNASKED_TRANSPORTS_MAX = 1_024;
/** Both ends may dial at once: for so long, a connection of the peer that dialled second is not taken for a newer one. */
export const CROSSING_MS = 5_000;
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
  readonly #registration: Registration | undefined;
  readonly #live = new Map<TransportId, Transport>();
  readonly #byRemote = new Map<PublicKey, Set<Transport>>();
  readonly #ending = new Set<Transport>(); // closed, with something still held; far ends of self-transports, too
  readonly #dials = new Map<TransportId, SharedDial<Transport>>();
  readonly #streamHandlers = new Map<StreamKind, (stream: VirtualStream) => void>();
  readonly #openedListeners = new Set<(transport: Transport) => void>();
  readonly #closedListeners = new Set<(transport: Transport) => void>();
  readonly #settlements = new Settlements();
  readonly #persistent: ReadonlySet<TransportId>;
  readonly #unasked = new Set<TransportId>(); // live, and nobody here asked for them
  #closing: Promise<void> | undefined;

  constructor(options: TransportManagerOptions) {
    const { local, carriers, registrar, world, persistent = [], log = silentLog } = options;
    this.#options = options;
    this.local = local.publicKey;
    this.refusals = options.refusals ?? new RefusalCounters();
    this.#log = log.child("transport");
    this.#persistent = new Set(
      persistent.map(({ remote, type }) => transportId(this.local, remote, type)),
    );
    this.#carriers = new Map(carriers.map((carrier) => [carrier.type, carrier]));
    for (const carrier of carriers) {
      this.#scope.spawn(`start ${carrier.type}`, (signal) => this.#start(carrier, signal));
    }
    if (registrar !== undefined) {
      const transports = () => this.#toRegister();
      this.#registration = new Registration({ clock: world.clock, registrar, transports, log: this.#log });
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
    return [...this.#live.values()];
  }

  /** The live transport of that id. */
  find(id: TransportId): Transport | undefined {
    return this.#live.get(id); // what closes leaves the table in the same moment
  }

  /** Live transports to a visor, the preferred type first. */
  to(remote: PublicKey): Transport[] {
    return [...this.#byRemote.get(remote) ?? []].sort((a, b) => byPreference(a.type, b.type));
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
    if (carrier === undefined) throw new CarrierUnavailableError(type, "this visor does not serve it");
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
    if (this.#streamHandlers.has(kind)) throw new TypeError(`Streams of kind ${kind} are taken already`);
    this.#streamHandlers.set(kind, handler);
    return () => {
      if (this.#streamHandlers.get(kind) === handler) this.#streamHandlers.delete(kind);
    };
  }

  /** Told of each new transport. Gives the undo. */
  onOpened(listener: (transport: Transport) => void): () => void {
    this.#openedListeners.add(listener);
    return () => this.#openedListeners.delete(listener);
  }

  /** Told of each transport that ended, when it is not found any more. Gives the undo. */
  onClosed(listener: (transport: Transport) => void): () => void {
    this.#closedListeners.add(listener);
    return () => this.#closedListeners.delete(listener);
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
    for (const transport of [...this.#live.values(), ...this.#ending]) transport.close();
    const gone = [...this.#ending].map(({ closed }) => closed);
    const dials = [...this.#dials.values()].map(({ done }) => done);
    await Promise.allSettled([...carriers, ...dials, ...gone, this.#registration?.close()]);
    await this.#scope[Symbol.asyncDispose]();
  }

  // Making

  async #start(carrier: TransportCarrier, signal: AbortSignal): Promise<void> {
    const { type } = carrier;
    while (!signal.aborted) {
      try {
        await carrier.start((conn, remote) => this.#onLink(type, conn, remote));
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
      if (this.find(id) !== undefined && this.#isInUse(id)) {
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
    if (crossed === undefined) return this.#add(type, remote, { label, conn, isInitiator: true });
    if (this.#isOurDialPreferred(remote)) crossed.replaceConn(conn, { isInitiator: true });
    else conn.close(new ConnClosedError(undefined, "The peer's own connection was there first"));
    return this.#asked(crossed);
  }

  /** Somebody here wants it, whoever opened it. */
  #asked(transport: Transport): Transport {
    this.#unasked.delete(transport.id);
    return transport;
  }

  /** When both dial at once, the connection of the smaller key stays: both ends see it alike. */
  #isOurDialPreferred(remote: PublicKey): boolean {
    return this.local < remote;
  }

  // Accepting

  #onLink(type: TransportType, conn: Conn, remote: PublicKey): void {
    if (this.#scope.signal.aborted) return conn.close(this.#scope.signal.reason);
    if (remote === this.local) return this.#acceptSelf(type, conn);
    const settling = { conn, remote };
    if (this.#settlements.enter(settling) !== undefined) this.refusals.add("busy");
    this.#scope.spawn("settle a transport", async (signal) => {
      try {
        await this.#accept(type, conn, { remote, signal });
      } catch (error) {
        conn.close(error);
        if (!this.#settlements.leave(settling)) return; // counted when it had to make room
        this.refusals.add(refusalOf(error));
        this.#log.info("Refused a transport", { type, remote, cause: describeError(error) });
      } finally {
        this.#settlements.leave(settling);
      }
    });
  }

  async #accept(
    type: TransportType,
    conn: Conn,
    { remote, signal }: { readonly remote: PublicKey; readonly signal: AbortSignal },
  ): Promise<void> {
    const { world: { clock }, local } = this.#options;
    const id = transportId(this.local, remote, type);
    if (!this.#mayReplace(id)) throw new DuplicateLinkError();
    this.#checkRoom(id);
    const isWelcome = () => this.#mayReplace(id);
    const settled = await settleAsResponder(conn, { clock, local, remote, type, signal, isWelcome });
    if (signal.aborted) return settled.conn.close(signal.reason);
    const existing = this.find(id);
    if (existing !== undefined) return existing.replaceConn(settled.conn, { isInitiator: false });
    this.#checkRoom(id); // others have settled meanwhile
    if (!this.#isWanted(id)) this.#unasked.add(id);
    this.#add(type, remote, { label: settled.label, conn: settled.conn, isInitiator: false });
  }

  /** Throws `TransportsFullError` where a transport that a peer opens would be one too many. */
  #checkRoom(id: TransportId): void {
    const { unaskedMax = UNASKED_TRANSPORTS_MAX } = this.#options;
    if (this.#unasked.size < unaskedMax || this.#isWanted(id) || this.find(id) !== undefined) return;
    throw new TransportsFullError(unaskedMax);
  }

  /** Configured, or being dialled just now. */
  #isWanted(id: TransportId): boolean {
    return this.#persistent.has(id) || this.#dials.has(id);
  }

  /** False when a connection of the peer must not take the place of the one that is there. */
  #mayReplace(id: TransportId): boolean {
    const existing = this.find(id);
    if (existing === undefined) return true;
    const isCrossing = existing.isInitiator && existing.connAgeMs < CROSSING_MS &&
      this.#isOurDialPreferred(existing.remote);
    return !isCrossing && !this.#isInUse(id);
  }

  /** Whether a routing rule needs the transport. */
  #isInUse(id: TransportId): boolean {
    return this.#options.isUsed?.(id) ?? false;
  }

  /** The far end of a transport to ourselves: it has no settlement, and no entry of its own. */
  #acceptSelf(type: TransportType, conn: Conn): void {
    const far = this.#transport(type, this.local, {
      label: "user",
      conn,
      isInitiator: false,
      onPackets: (packets) => this.#options.onPackets(packets, this.find(far.id) ?? far),
    });
    this.#keepUntilGone(far);
  }

  // Life

  #add(
    type: TransportType,
    remote: PublicKey,
    link: { readonly label: string; readonly conn: Conn; readonly isInitiator: boolean },
  ): Transport {
    const transport = this.#transport(type, remote, { ...link, onPackets: this.#options.onPackets });
    this.#live.set(transport.id, transport);
    let siblings = this.#byRemote.get(remote);
    if (siblings === undefined) this.#byRemote.set(remote, siblings = new Set());
    siblings.add(transport);
    this.#keepUntilGone(transport);
    this.#log.info("Transport is up", { id: transport.id, type, remote, dialled: link.isInitiator });
    if (!transport.isSelf) this.#registration?.onOpened(transport.id);
    this.#tell(this.#openedListeners, transport);
    return transport;
  }

  #transport(
    type: TransportType,
    remote: PublicKey,
    link: { label: string; conn: Conn; isInitiator: boolean; onPackets: PacketSink },
  ): Transport {
    return new Transport({
      ...link,
      world: this.#options.world,
      local: this.local,
      remote,
      type,
      refusals: this.refusals,
      log: this.#log,
      onStream: (kind, stream) => this.#onStream(kind, stream),
      onClosed: (transport, reason) => this.#onClosed(transport, reason),
    });
  }

  #keepUntilGone(transport: Transport): void {
    this.#ending.add(transport);
    transport.closed.then(() => this.#ending.delete(transport));
  }

  #onClosed(transport: Transport, reason: unknown): void {
    if (this.#live.get(transport.id) !== transport) return; // the far end of a self-transport
    this.#live.delete(transport.id);
    this.#unasked.delete(transport.id);
    const siblings = this.#byRemote.get(transport.remote);
    siblings?.delete(transport);
    if (siblings?.size === 0) this.#byRemote.delete(transport.remote);
    const { id, type, remote } = transport;
    const cause = reason === undefined ? undefined : describeError(reason);
    this.#log.info("Transport is closed", { id, type, remote, cause });
    if (!transport.isSelf) this.#registration?.onClosed(id);
    this.#tell(this.#closedListeners, transport);
  }

  #onStream(kind: StreamKind, stream: VirtualStream): boolean {
    const handler = this.#streamHandlers.get(kind);
    handler?.(stream);
    return handler !== undefined;
  }

  /** A listener that throws must not keep the others, or the transport, from what they do next. */
  #tell(listeners: ReadonlySet<(transport: Transport) => void>, transport: Transport): void {
    for (const listener of [...listeners]) {
      try {
        listener(transport);
      } catch (error) {
        this.#log.error("A listener to transports failed", { cause: describeError(error) });
      }
    }
  }

  #toRegister(): RegisteredTransport[] {
    return this.transports().filter(({ isSelf }) => !isSelf).map(({ entry, latencyMs }) => {
      if (latencyMs === undefined) return entry;
      const [min, max, avg] = [latencyMs.min, latencyMs.max, latencyMs.avg].map((ms) =>
        Math.round(ms * 1_000)
      );
      return { ...entry, latency: { min: min!, max: max!, avg: avg! } };
    });
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

/** Under which reason a link that did not become a transport is counted. */
function refusalOf(error: unknown): RefusalReason {
  if (error instanceof DuplicateLinkError) return "duplicate";
  return error instanceof TransportsFullError ? "full" : "settlement";
}
