/**
 * The transports that are there, by id and by peer, and whoever is told of them: listeners, the handlers of the
 * streams that peers open, and the transport discovery.
 *
 *     add ──▶ found, registered, told ──▶ closed: found no more, from that moment on; told
 *
 * @module
 */
import { type Conn, describeError, type Log } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import type { World } from "../runtime/mod.ts";
import { type RegisteredTransport, Registration, type TransportRegistrar } from "./_registration.ts";
import type { StreamKind } from "./_stream_mux.ts";
import type { RefusalCounters } from "./counters.ts";
import type { TransportId } from "./id.ts";
import { type PacketSink, Transport } from "./transport.ts";
import { byPreference, type TransportType } from "./types.ts";
import type { VirtualStream } from "./virtual_stream.ts";

export interface LiveTransportsOptions {
  readonly world: Pick<World, "clock" | "ledger">;
  readonly local: PublicKey;
  readonly onPackets: PacketSink;
  /** The transport discovery. Undefined: nothing is registered. */
  readonly registrar: TransportRegistrar | undefined;
  readonly refusals: RefusalCounters;
  readonly log: Log;
}

/** What a new transport runs over. */
export interface SettledLink {
  readonly label: string;
  readonly conn: Conn;
  readonly isInitiator: boolean;
}

export class LiveTransports {
  readonly #options: LiveTransportsOptions;
  readonly #registration: Registration | undefined;
  readonly #byId = new Map<TransportId, Transport>();
  readonly #byRemote = new Map<PublicKey, Set<Transport>>();
  readonly #ending = new Set<Transport>(); // closed, with something still held; far ends of self-transports, too
  readonly #streamHandlers = new Map<StreamKind, (stream: VirtualStream) => void>();
  readonly #openedListeners = new Set<(transport: Transport) => void>();
  readonly #closedListeners = new Set<(transport: Transport) => void>();

  constructor(options: LiveTransportsOptions) {
    this.#options = options;
    const { world: { clock }, registrar, log } = options;
    if (registrar === undefined) return;
    this.#registration = new Registration({ clock, registrar, transports: () => this.#toRegister(), log });
  }

  /** By id, in the order in which they came. What closes leaves it in the same moment. */
  get byId(): ReadonlyMap<TransportId, Transport> {
    return this.#byId;
  }

  /** Those to a visor, the preferred type first. */
  to(remote: PublicKey): Transport[] {
    return [...this.#byRemote.get(remote) ?? []].sort((a, b) => byPreference(a.type, b.type));
  }

  /** Makes the transport of a link that is settled. There is none of its id. */
  add(type: TransportType, remote: PublicKey, link: SettledLink): Transport {
    const transport = this.#make(type, remote, { ...link, onPackets: this.#options.onPackets });
    this.#byId.set(transport.id, transport);
    let siblings = this.#byRemote.get(remote);
    if (siblings === undefined) this.#byRemote.set(remote, siblings = new Set());
    siblings.add(transport);
    this.#keepUntilGone(transport);
    const { log } = this.#options;
    log.info("Transport is up", { id: transport.id, type, remote, dialled: link.isInitiator });
    if (!transport.isSelf) this.#registration?.onOpened(transport.id);
    this.#tell(this.#openedListeners, transport);
    return transport;
  }

  /** Makes the far end of a transport to ourselves: it has no settlement, and no entry of its own. */
  addFarEnd(type: TransportType, conn: Conn): void {
    const { local, onPackets } = this.#options;
    const far = this.#make(type, local, {
      label: "user",
      conn,
      isInitiator: false,
      onPackets: (packets) => onPackets(packets, this.#byId.get(far.id) ?? far),
    });
    this.#keepUntilGone(far);
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

  /** Closes all and joins them; the discovery is told. Never rejects. */
  async close(): Promise<void> {
    for (const transport of [...this.#byId.values(), ...this.#ending]) transport.close();
    const gone = [...this.#ending].map(({ closed }) => closed);
    await Promise.allSettled([...gone, this.#registration?.close()]);
  }

  #make(type: TransportType, remote: PublicKey, link: SettledLink & { onPackets: PacketSink }): Transport {
    const { world, local, refusals, log } = this.#options;
    return new Transport({
      ...link,
      world,
      local,
      remote,
      type,
      refusals,
      log,
      onStream: (kind, stream) => this.#streamOpened(kind, stream),
      onClosed: (transport, reason) => this.#closed(transport, reason),
    });
  }

  #keepUntilGone(transport: Transport): void {
    this.#ending.add(transport);
    transport.closed.then(() => this.#ending.delete(transport));
  }

  #closed(transport: Transport, reason: unknown): void {
    if (this.#byId.get(transport.id) !== transport) return; // the far end of a self-transport
    this.#byId.delete(transport.id);
    const siblings = this.#byRemote.get(transport.remote);
    siblings?.delete(transport);
    if (siblings?.size === 0) this.#byRemote.delete(transport.remote);
    const { id, type, remote } = transport;
    const cause = reason === undefined ? undefined : describeError(reason);
    this.#options.log.info("Transport is closed", { id, type, remote, cause });
    if (!transport.isSelf) this.#registration?.onClosed(id);
    this.#tell(this.#closedListeners, transport);
  }

  #streamOpened(kind: StreamKind, stream: VirtualStream): boolean {
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
        this.#options.log.error("A listener to transports failed", { cause: describeError(error) });
      }
    }
  }

  #toRegister(): RegisteredTransport[] {
    return [...this.#byId.values()].filter(({ isSelf }) => !isSelf).map(({ entry, latencyMs }) => {
      if (latencyMs === undefined) return entry;
      const [min, max, avg] = [latencyMs.min, latencyMs.max, latencyMs.avg].map((ms) =>
        Math.round(ms * 1_000)
      );
      return { ...entry, latency: { min: min!, max: max!, avg: avg! } };
    });
  }
}
