/**
 * The router of a visor: packets that arrive on any transport go on to the next one, or into a route group.
 *
 *     transport --packets--> handlePackets --+-- intermediary, forward rule: run of packets --> next transport
 *                                            +-- consume rule: data --> route group --> app
 *
 * A batch is looked at once, packet by packet, without waiting. Packets in a row for one next transport are
 * changed in place and copied into the queue of that transport as one run. What is full (such a queue, a group) is
 * in the promise that the arriving transport waits for: that is the back-pressure.
 *
 * A rule belongs to the transport that its first packet came over: nobody else can use it. A transport that closes,
 * or takes nothing for too long, takes its rules with it, and those behind them are told.
 *
 * @module
 */
import { ConnClosedError, ConnResetError, describeError, type Log, Scope } from "../base/mod.ts";
import type { KeyPair, PublicKey } from "../crypto/mod.ts";
import { type HandshakenConn, kkAccept, kkConnect, PostQuantum } from "../noise/mod.ts";
import type { World } from "../runtime/mod.ts";
import {
  packetEndAt,
  packetRouteIdAt,
  PacketType,
  packetTypeAt,
  setPacketRouteId,
  type TransportId,
} from "../transport/mod.ts";
import { ForwardQueue } from "./_forward_queue.ts";
import { GroupWire, HANDSHAKE_WAIT_MS, type RouteTransport } from "./_group_wire.ts";
import { closePackets } from "./_packet_conn.ts";
import { ParkedPackets } from "./_parked.ts";
import { newCounters, type RouterCounters } from "./counters.ts";
import { descriptorKey, descriptorText, invertDescriptor } from "./descriptor.ts";
import {
  RouteBusyError,
  RouteClosedByPeerError,
  RouteRuleError,
  RouteTransportMissingError,
} from "./errors.ts";
import { groupStatus, RouteGroup, type RouteGroupStatus } from "./group.ts";
import { noListenerText, type RouteListener, RoutePorts } from "./listener.ts";
import type { EdgeRules, Rule } from "./rule.ts";
import { RoutingTable, type RuleEntry } from "./table.ts";

/** Edges that wait for their group; more than these are refused. */
export const ACCEPT_QUEUE_MAX = 1_024;
/** Edges of one source that wait or are in their handshakes: one neighbour does not keep the others out. */
export const ACCEPTS_OF_KEY_MAX = 128;
/** Groups of others that are in their handshakes at once; the rest waits in the queue. */
export const ACCEPTING_MAX = 256;

export interface RouterOptions {
  readonly world: Pick<World, "clock" | "ledger" | "random">;
  readonly local: KeyPair;
  /** The live transports of this visor. A `TransportManager` is one. */
  readonly transports: { find(id: TransportId): RouteTransport | undefined };
  readonly log: Log;
  /** One for all handshakes of the key. Default: one that offers the hybrid. */
  readonly postQuantum?: PostQuantum;
  readonly settings?: RouterSettings;
}

export interface RouterSettings {
  /** Waiting for the far end of a new route, in ms. Default 6,000. */
  readonly handshakeWaitMs?: number;
  readonly rulesMax?: number;
}

type Entry = RuleEntry<GroupWire>;

export class Router {
  readonly #world: Pick<World, "clock" | "ledger" | "random">;
  readonly #local: KeyPair;
  readonly #transports: RouterOptions["transports"];
  readonly #log: Log;
  readonly #postQuantum: PostQuantum;
  readonly #handshakeWaitMs: number;
  readonly #table: RoutingTable<GroupWire>;
  readonly #wires = new Map<string, GroupWire>(); // by descriptor: one group of a name
  readonly #groups = new Map<GroupWire, RouteGroup>(); // those that are ready
  readonly #queues = new Map<TransportId, ForwardQueue>();
  readonly #parked: ParkedPackets;
  readonly #ports = new RoutePorts();
  readonly #queue: EdgeRules[] = [];
  readonly #scope = new Scope();
  readonly #counters = newCounters();
  readonly #acceptsOf = new Map<PublicKey, number>(); // by source, waiting or in their handshakes
  #accepting = 0;

  constructor({ world, local, transports, log, postQuantum, settings = {} }: RouterOptions) {
    this.#world = world;
    this.#local = local;
    this.#transports = transports;
    this.#log = log.child("router");
    this.#postQuantum = postQuantum ?? new PostQuantum({ random: world.random, log });
    this.#handshakeWaitMs = settings.handshakeWaitMs ?? HANDSHAKE_WAIT_MS;
    this.#parked = new ParkedPackets(world.clock);
    this.#table = new RoutingTable({
      world,
      rulesMax: settings.rulesMax,
      onGone: (entry) => this.#ruleGone(entry),
    });
  }

  // --- packets -----------------------------------------------------------------------------------

  /** A `PacketSink`: whole packets with route ids other than 0, and what they came over. Never rejects. */
  readonly handlePackets = (
    packets: Uint8Array,
    from: { readonly id: TransportId },
  ): void | Promise<void> => {
    const nowMs = this.#world.clock.monotonicMs();
    const batch = new Batch(packets, (id) => this.#queueTo(id), this.#counters);
    for (let at = 0; at < packets.length;) {
      const end = packetEndAt(packets, at);
      const type = packetTypeAt(packets, at);
      const entry = this.#table.lookUp(packetRouteIdAt(packets, at), nowMs);
      if (entry === undefined) this.#counters.unknownRoute++;
      else if (!this.#isOwn(entry, from.id)) this.#counters.wrongTransport++;
      else if (entry.rule.kind === "consume") {
        this.#counters.packetsConsumed++;
        const wire = entry.owner;
        if (wire !== undefined) batch.consume(wire, type, at, end);
        else this.#park(entry, packets.subarray(at, end));
      } else if (passes(type)) {
        batch.pass(entry, at, end);
        if (type === PacketType.close) this.#table.remove(entry);
      } else this.#counters.unknownType++;
      at = end;
    }
    return batch.done();
  };

  /** Whether a packet that came over `from` may use the rule: the first one says where all come from. */
  #isOwn(entry: Entry, from: TransportId): boolean {
    if (entry.from === from) return true;
    if (entry.from !== undefined || entry.rule.kind === "forward") return false; // none comes for what leaves here
    this.#table.learn(entry, from);
    return true;
  }

  /** Rules exist, but not their group: packets wait a little for it. */
  #park(entry: Entry, packet: Uint8Array): void {
    if (entry.rule.kind !== "consume") return;
    this.#parked.park(descriptorKey(entry.rule.descriptor), packet);
  }

  // --- rules -------------------------------------------------------------------------------------

  /** Errors: `RouteTableFullError`, with Skywire's text `no available routeIDs`. */
  reserveIds(count: number): number[] {
    return this.#table.reserve(count);
  }

  /**
   * Saves the rules of a relay, all or none. Errors: `RouteRuleError` for a rule of another kind or an id that
   * was not reserved, `RouteTableFullError`.
   */
  addIntermediaryRules(rules: readonly Rule[]): void {
    this.#refusing(() => {
      for (const { kind } of rules) {
        if (kind !== "intermediary") {
          throw new RouteRuleError(`A relay is given intermediary rules, not ${kind}`);
        }
      }
      this.#saveAll(rules);
    });
  }

  /**
   * Saves the rules of a destination and queues its group; returns before anything of it happened. Errors:
   * `RouteRuleError`, `RouteTransportMissingError`, `RouteBusyError`, `RouteTableFullError`; nothing is saved then.
   */
  addEdgeRules(edge: EdgeRules): void {
    const source = edge.descriptor.source.publicKey;
    this.#refusing(() => {
      this.#checkEdge(edge);
      if (this.#queue.length >= ACCEPT_QUEUE_MAX) {
        throw new RouteBusyError("The accept queue of routes is full");
      }
      if ((this.#acceptsOf.get(source) ?? 0) >= ACCEPTS_OF_KEY_MAX) {
        throw new RouteBusyError(`${ACCEPTS_OF_KEY_MAX} routes of ${source} wait to be accepted`);
      }
      this.#saveAll([edge.forward, edge.reverse]);
    });
    this.#queue.push(edge);
    this.#acceptsOf.set(source, (this.#acceptsOf.get(source) ?? 0) + 1);
    this.#acceptNext();
  }

  /** Ids without a rule are skipped. A group whose rule goes is closed. */
  deleteRules(routeIds: Iterable<number>): void {
    this.#table.delete(routeIds);
  }

  rules(): Rule[] {
    return this.#table.rules();
  }

  /** Every rule with its time unused in ms, for `route ls`. */
  ruleStates(): { readonly rule: Rule; readonly idleMs: number }[] {
    return this.#table.states();
  }

  /** Whether a rule needs that transport, in either direction. */
  usesTransport(id: TransportId): boolean {
    return this.#table.uses(id);
  }

  #refusing(check: () => void): void {
    this.#assertOpen();
    try {
      check();
    } catch (error) {
      this.#counters.rulesRefused++;
      throw error;
    }
  }

  #saveAll(rules: readonly Rule[]): Entry[] {
    const saved: Entry[] = [];
    try {
      for (const rule of rules) saved.push(this.#table.save(rule));
    } catch (error) {
      for (const entry of saved) this.#table.remove(entry);
      throw error;
    }
    return saved;
  }

  #checkEdge({ descriptor, forward, reverse }: EdgeRules): void {
    const local = this.#local.publicKey;
    if (descriptor.destination.publicKey !== local) {
      throw new RouteRuleError(`The route ends at ${descriptor.destination.publicKey}, not here`);
    }
    const [name, back] = [descriptorKey(descriptor), descriptorKey(invertDescriptor(descriptor))];
    if (descriptorKey(reverse.descriptor) !== name) {
      throw new RouteRuleError("The consume rule is of another route than its edge");
    }
    if (descriptorKey(forward.descriptor) !== back) {
      throw new RouteRuleError("The forward rule is of another route than its edge");
    }
    if (forward.routeId === reverse.routeId) {
      throw new RouteRuleError("Both rules of an edge have one route id");
    }
    if (this.#transports.find(forward.nextTransportId) === undefined) {
      throw new RouteTransportMissingError(forward.nextTransportId);
    }
  }

  #assertOpen(): void {
    if (this.#scope.signal.aborted) throw new ConnClosedError(undefined, "The router is closed");
  }

  /** The table let go of an entry: its group cannot go on. */
  #ruleGone(entry: Entry): void {
    const wire = entry.owner;
    entry.owner = undefined;
    if (wire === undefined || wire.isGone) return;
    wire.conn.close(new ConnResetError("Route's rules are gone"));
  }

  // --- groups ------------------------------------------------------------------------------------

  /** Takes groups for a port. Errors: `RoutePortTakenError`. */
  listen(port: number): RouteListener {
    return this.#ports.listen(port);
  }

  /** A port for a dial, from 49152 up. Errors: `RoutePortTakenError`. */
  ephemeralPort(): number {
    return this.#ports.ephemeral();
  }

  /**
   * As initiator: saves the rules that the set-up gave, and brings the group up. On failure nothing is left.
   * Errors: as {@link addEdgeRules}, `RouteHandshakeTimeoutError`, `RouteClosedByPeerError`,
   * `RouteUnencryptedError`, those of the noise handshake, the signal's reason.
   */
  async open(edge: EdgeRules, { signal }: { signal?: AbortSignal } = {}): Promise<RouteGroup> {
    this.#assertOpen();
    signal?.throwIfAborted();
    this.#checkEdge(edge);
    this.#admit(edge);
    const [forward, reverse] = this.#saveAll([edge.forward, edge.reverse]) as [Entry, Entry];
    const wire = this.#register(edge, forward, reverse, true);
    const abort = new AbortController();
    const [onAbort, onEnd] = [
      () => abort.abort(signal!.reason),
      () => abort.abort(this.#scope.signal.reason),
    ];
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#scope.signal.addEventListener("abort", onEnd, { once: true });
    try {
      return await this.#start(wire, abort.signal);
    } finally {
      signal?.removeEventListener("abort", onAbort);
      this.#scope.signal.removeEventListener("abort", onEnd);
    }
  }

  /** Every group, those in their handshakes, too. */
  groups(): RouteGroupStatus[] {
    const nowMs = this.#world.clock.monotonicMs();
    return Array.from(
      this.#wires.values(),
      (wire) => groupStatus(wire, nowMs, this.#groups.get(wire)?.postQuantum ?? false),
    );
  }

  /**
   * A transport is gone, and every route over it with it, even if it comes back: what was under way is lost. Groups
   * end, rules go, and the ends that lie behind other transports are told.
   */
  transportClosed({ id }: { readonly id: TransportId }): void {
    this.#queues.get(id)?.close();
    this.#queues.delete(id);
    for (const entry of this.#table.leavingOver(id)) {
      const wire = entry.owner;
      if (wire === undefined) this.#dropBroken(entry);
      else wire.fail(new ConnResetError(`Transport ${id} of the route was closed`));
    }
    this.#endComing(id, `Transport ${id} of the route was closed`);
  }

  /** Who is behind the transport does not read: as if it were gone, but that end may still come to hear of it. */
  #transportStalled(id: TransportId): void {
    const queue = this.#queues.get(id);
    if (queue === undefined) return;
    this.#counters.transportsStalled++;
    this.#log.warn("Routes ended: their next transport takes nothing", { transport: id });
    queue.discard();
    const text = `Transport ${id} of the route takes nothing`;
    for (const entry of this.#table.leavingOver(id)) {
      const { rule, owner: wire } = entry;
      if (wire !== undefined) wire.abort(new ConnResetError(text));
      else {
        this.#dropBroken(entry);
        if (rule.kind === "intermediary") queue.push(closePackets(rule.nextRouteId, BROKEN_TEXT), 2, []);
      }
    }
    this.#endComing(id, text);
  }

  /** Ends the routes whose packets came over that transport; those behind are told. */
  #endComing(id: TransportId, text: string): void {
    for (const entry of this.#table.comingOver(id)) {
      const { rule, owner: wire } = entry;
      if (wire !== undefined) wire.abort(new ConnResetError(text)); // its way there may be another one
      else {
        this.#dropBroken(entry);
        if (rule.kind !== "intermediary") continue;
        this.#queueTo(rule.nextTransportId)?.push(closePackets(rule.nextRouteId, BROKEN_TEXT), 2, []);
      }
    }
  }

  #dropBroken(entry: Entry): void {
    if (entry.rule.kind === "intermediary") this.#counters.rulesBroken++;
    this.#table.remove(entry);
  }

  /** What waits for a transport; undefined when it is not there. */
  #queueTo(id: TransportId): ForwardQueue | undefined {
    if (this.#transports.find(id) === undefined) return undefined;
    let queue = this.#queues.get(id);
    if (queue === undefined) {
      queue = new ForwardQueue({
        clock: this.#world.clock,
        id,
        find: (id) => this.#transports.find(id),
        counters: this.#counters,
        onStalled: () => this.#transportStalled(id),
      });
      this.#queues.set(id, queue);
    }
    return queue;
  }

  /** What was forwarded, and what could not be used, since the start. */
  counters(): Readonly<RouterCounters> {
    return { ...this.#counters, parkedDropped: this.#parked.dropped };
  }

  /**
   * Closes every group, in order, for at most `waitMs` (default: the 2 s of a single group), and every listener;
   * the rules go.
   */
  async close({ waitMs }: { readonly waitMs?: number } = {}): Promise<void> {
    this.#queue.length = 0;
    this.#scope.end();
    for (const listener of this.#ports.listeners()) listener.close();
    const groups = [...this.#wires.values()].map((wire) => {
      wire.conn.close();
      return wire.conn.closed;
    });
    const timer = waitMs === undefined || groups.length === 0
      ? undefined
      : this.#world.clock.timer(waitMs, () => {
        for (const wire of [...this.#wires.values()]) {
          wire.conn.close(new ConnClosedError(undefined, "The visor stops, and the peer does not answer"));
        }
      });
    await Promise.all(groups);
    timer?.cancel();
    for (const queue of this.#queues.values()) queue.close();
    this.#queues.clear();
    this.#parked.close();
    await this.#scope[Symbol.asyncDispose]();
    this.#table.clear();
  }

  /** Errors: `RouteBusyError` when a group of the same name is being set up. A ready one is replaced. */
  #admit({ descriptor }: EdgeRules): void {
    const old = this.#wires.get(descriptorKey(descriptor));
    if (old === undefined) return;
    if (!old.isReady) {
      throw new RouteBusyError(
        `noise route group with desc ${descriptorText(descriptor)} already being initialized`,
      );
    }
    old.conn.close(new ConnResetError("Replaced by a new route with the same addresses"));
  }

  #register(edge: EdgeRules, forward: Entry, reverse: Entry, isInitiator: boolean): GroupWire {
    const key = descriptorKey(edge.descriptor);
    const release = this.#world.ledger.open("route-group");
    const wire: GroupWire = new GroupWire({
      clock: this.#world.clock,
      descriptor: edge.descriptor,
      isInitiator,
      forward,
      reverse,
      transport: (id) => this.#transports.find(id),
      counters: this.#counters,
      onGone: () => {
        release();
        this.#unregister(wire, key);
      },
      onStalled: (error) => {
        this.#counters.groupsStalled++;
        this.#log.warn("Route group ended: nobody reads it", {
          remote: edge.descriptor.source.publicKey,
          port: edge.descriptor.destination.port,
          cause: describeError(error),
        });
      },
    });
    forward.owner = reverse.owner = wire;
    this.#wires.set(key, wire);
    if (isInitiator) this.#ports.use(wire.local.port);
    for (const packet of this.#parked.take(key)) {
      wire.receive(packetTypeAt(packet, 0), packet, 0, packet.length);
    }
    wire.conn.flush();
    return wire;
  }

  #unregister(wire: GroupWire, key: string): void {
    if (this.#wires.get(key) === wire) this.#wires.delete(key);
    this.#groups.delete(wire);
    if (wire.isInitiator) this.#ports.free(wire.local.port);
    this.#table.remove(wire.forward);
    this.#table.remove(wire.reverse);
  }

  /** Both handshakes. On failure the group is closed and its rules are gone. */
  async #start(wire: GroupWire, signal: AbortSignal): Promise<RouteGroup> {
    const { clock, random, ledger } = this.#world;
    try {
      await wire.awaitPeer({ waitMs: this.#handshakeWaitMs, signal });
      if (!wire.isInitiator) wire.sendHandshake();
      const role = wire.isInitiator ? "initiator" : "responder";
      using extension = this.#postQuantum.begin(role);
      const options = { local: this.#local, remote: wire.remote.publicKey, clock, random, signal, extension };
      const handshake = wire.isInitiator ? kkConnect : kkAccept;
      const { conn, result }: HandshakenConn = await handshake(wire.conn, options);
      // A peer that closes right behind its handshake, since nobody listens for instance: that is for whoever reads.
      const isEnded = wire.isInitiator && wire.failure instanceof RouteClosedByPeerError;
      if (wire.isGone && !isEnded) throw wire.failure!;
      const group = new RouteGroup(wire, { conn, result, postQuantum: extension.isHybrid, clock, ledger });
      if (!wire.isGone) {
        wire.ready();
        this.#groups.set(wire, group);
      }
      this.#counters.groupsOpened++;
      return group;
    } catch (error) {
      this.#counters.groupsFailed++;
      if (wire.isInitiator || wire.peerHandshake !== undefined) wire.conn.close(error);
      else wire.conn.discard(error); // nobody was there
      throw error;
    }
  }

  // --- accepting ---------------------------------------------------------------------------------

  #acceptNext(): void {
    while (this.#accepting < ACCEPTING_MAX && this.#queue.length > 0) {
      const edge = this.#queue.shift()!;
      this.#accepting++;
      this.#scope.spawn("route group", async (signal) => {
        try {
          await this.#accept(edge, signal);
        } catch (error) { // one group that fails is its own trouble
          this.#log.debug("Route group was not accepted", {
            remote: edge.descriptor.source.publicKey,
            cause: describeError(error),
          });
        } finally {
          this.#accepting--;
          this.#accepted(edge.descriptor.source.publicKey);
          this.#acceptNext();
        }
      });
    }
  }

  #accepted(source: PublicKey): void {
    const left = this.#acceptsOf.get(source)! - 1;
    if (left === 0) this.#acceptsOf.delete(source);
    else this.#acceptsOf.set(source, left);
  }

  async #accept(edge: EdgeRules, signal: AbortSignal): Promise<void> {
    const nowMs = this.#world.clock.monotonicMs();
    const forward = this.#table.lookUp(edge.forward.routeId, nowMs);
    const reverse = this.#table.lookUp(edge.reverse.routeId, nowMs);
    if (forward?.rule !== edge.forward || reverse?.rule !== edge.reverse) {
      for (const entry of [forward, reverse]) {
        if (entry?.rule === edge.forward || entry?.rule === edge.reverse) this.#table.remove(entry);
      }
      throw new RouteRuleError("The rules went before their group was made");
    }
    try {
      this.#admit(edge);
    } catch (error) {
      this.#table.delete([edge.forward.routeId, edge.reverse.routeId]);
      throw error;
    }
    const group = await this.#start(this.#register(edge, forward, reverse, false), signal);
    const { port } = edge.descriptor.destination;
    const listener = this.#ports.listener(port);
    if (listener === undefined) group.closeWithText(noListenerText(port));
    else if (!listener.deliver(group)) group.closeWithText(`accept queue of port ${port} is full`);
  }
}

/** What the ends of a relayed route are told. Without a text they would take it for an orderly end. */
const BROKEN_TEXT = "a transport of the route failed";

/** What happens with one batch of packets: runs that go on, groups that got something. */
class Batch {
  readonly #packets: Uint8Array;
  readonly #queueTo: (id: TransportId) => ForwardQueue | undefined;
  readonly #counters: RouterCounters;
  #start = 0;
  #end = -1; // of the run; -1: none
  #count = 0;
  #entries: Entry[] = []; // of the run
  #last: Entry | undefined;
  #wire: GroupWire | undefined; // to be flushed
  #waits: Promise<void> | Promise<void>[] | undefined;

  constructor(
    packets: Uint8Array,
    queueTo: (id: TransportId) => ForwardQueue | undefined,
    counters: RouterCounters,
  ) {
    this.#packets = packets;
    this.#queueTo = queueTo;
    this.#counters = counters;
  }

  /** The packet goes on by `entry`. */
  pass(entry: Entry, at: number, end: number): void {
    const { rule } = entry;
    if (rule.kind === "consume") return;
    setPacketRouteId(this.#packets, at, rule.nextRouteId);
    const run = this.#last?.rule;
    const isSameRun = this.#end === at && run !== undefined && run.kind !== "consume" &&
      run.nextTransportId === rule.nextTransportId;
    if (!isSameRun) {
      this.#finishRun();
      this.#start = at;
    }
    if (entry !== this.#last) this.#entries.push(entry);
    this.#last = entry;
    this.#end = end;
    this.#count++;
  }

  consume(wire: GroupWire, type: number, at: number, end: number): void {
    if (wire !== this.#wire) {
      this.#finishWire();
      this.#wire = wire;
    }
    wire.receive(type, this.#packets, at, end);
  }

  /** Settles when the packets are not needed any more. */
  done(): void | Promise<void> {
    this.#finishRun();
    this.#finishWire();
    const waits = this.#waits;
    if (Array.isArray(waits)) return Promise.all(waits).then(() => {});
    return waits;
  }

  #finishRun(): void {
    const last = this.#last;
    if (last === undefined || last.rule.kind === "consume") return;
    const queue = this.#queueTo(last.rule.nextTransportId);
    if (queue === undefined) this.#counters.transportMissing += this.#count;
    else {
      queue.push(this.#packets.subarray(this.#start, this.#end), this.#count, this.#entries);
      const room = queue.room();
      if (room !== undefined) this.#wait(room);
    }
    this.#last = undefined;
    this.#entries = [];
    this.#end = -1;
    this.#count = 0;
  }

  #finishWire(): void {
    const wire = this.#wire;
    if (wire === undefined) return;
    this.#wire = undefined;
    wire.conn.flush();
    if (wire.conn.isFull) this.#wait(wire.conn.room());
  }

  #wait(promise: Promise<void>): void {
    if (this.#waits === undefined || this.#waits === promise) this.#waits = promise;
    else if (Array.isArray(this.#waits)) this.#waits.push(promise);
    else this.#waits = [this.#waits, promise];
  }
}

/** True for packets that a relay passes on. */
function passes(type: number): boolean {
  switch (type) {
    case PacketType.data:
    case PacketType.close:
    case PacketType.keepAlive:
    case PacketType.handshake:
    case PacketType.ping:
    case PacketType.pong:
    case PacketType.error:
    case PacketType.sack:
    case PacketType.datagram:
    case PacketType.repair:
    case PacketType.legState:
    case PacketType.direction:
    case PacketType.legRehome:
      return true;
    default:
      return false;
  }
}
