/**
 * The router of a visor: packets that arrive on any transport go on to the next one, or into a route group.
 *
 *     transport --packets--> handlePackets --+-- intermediary, forward rule: run of packets --> next transport
 *                                            +-- consume rule: data --> route group --> app
 *
 * A batch is looked at once, packet by packet, without waiting. What is full (the queue of a next transport, a
 * group) is in the promise that the arriving transport waits for: that is the back-pressure.
 *
 * A rule belongs to the transport that its first packet came over: nobody else can use it. Nobody can be there first
 * either: the ids cannot be foreseen.
 *
 * Beside the packets' path, the rules' and the life of the router are here. What ends with a transport, the groups,
 * and the edges that wait to become groups are each in a file of their own.
 *
 * @module
 */
import { ConnClosedError, ConnResetError, type Log, Scope } from "../base/mod.ts";
import type { KeyPair } from "../crypto/mod.ts";
import { PostQuantum } from "../noise/mod.ts";
import type { World } from "../runtime/mod.ts";
import {
  packetEndAt,
  packetRouteIdAt,
  PacketType,
  packetTypeAt,
  type TransportId,
} from "../transport/mod.ts";
import { AcceptQueue } from "./_accept_queue.ts";
import { type GroupWire, HANDSHAKE_WAIT_MS, type RouteEntry, type RouteTransport } from "./_group_wire.ts";
import { NextTransports } from "./_next_transports.ts";
import { PacketBatch, passes } from "./_packet_batch.ts";
import { RouteGroups } from "./_route_groups.ts";
import { CountedRouteIds, ScatteredRouteIds } from "./_route_ids.ts";
import { newCounters, type RouterCounters } from "./counters.ts";
import { descriptorKey, invertDescriptor } from "./descriptor.ts";
import { RouteRuleError, RouteTransportMissingError } from "./errors.ts";
import type { RouteGroup, RouteGroupStatus } from "./group.ts";
import { type RouteListener, RoutePorts } from "./listener.ts";
import type { EdgeRules, Rule } from "./rule.ts";
import { RoutingTable } from "./table.ts";

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
  /** Route ids from 1 up, as recordings have them. A neighbour foresees them. Default: nobody can. */
  readonly countsRouteIds?: boolean;
}

export class Router {
  readonly #world: Pick<World, "clock" | "ledger" | "random">;
  readonly #local: KeyPair;
  readonly #transports: RouterOptions["transports"];
  readonly #table: RoutingTable<GroupWire>;
  readonly #next: NextTransports;
  readonly #groups: RouteGroups;
  readonly #accepts: AcceptQueue;
  readonly #ports = new RoutePorts();
  readonly #scope = new Scope();
  readonly #counters = newCounters();

  constructor(options: RouterOptions) {
    const { world, local, transports, postQuantum, settings = {} } = options;
    this.#world = world;
    this.#local = local;
    this.#transports = transports;
    const table = this.#table = new RoutingTable({
      world,
      rulesMax: settings.rulesMax,
      ids: settings.countsRouteIds ? new CountedRouteIds() : new ScatteredRouteIds(world.random),
      onGone: (entry) => this.#ruleGone(entry),
    });
    const log = options.log.child("router");
    const [scope, ports, counters] = [this.#scope, this.#ports, this.#counters];
    this.#next = new NextTransports({ clock: world.clock, transports, table, counters, log });
    const groups = this.#groups = new RouteGroups({
      world,
      local,
      transports,
      table,
      ports,
      counters,
      postQuantum: postQuantum ?? new PostQuantum({ random: world.random, log: options.log }),
      handshakeWaitMs: settings.handshakeWaitMs ?? HANDSHAKE_WAIT_MS,
      log,
    });
    this.#accepts = new AcceptQueue({ clock: world.clock, scope, table, groups, ports, log });
  }

  // --- packets -----------------------------------------------------------------------------------

  /** A `PacketSink`: whole packets with route ids other than 0, and what they came over. Never rejects. */
  readonly handlePackets = (
    packets: Uint8Array,
    from: { readonly id: TransportId },
  ): void | Promise<void> => {
    const nowMs = this.#world.clock.monotonicMs();
    const batch = new PacketBatch(packets, this.#next, this.#counters);
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
        else this.#groups.park(entry.rule.descriptor, packets.subarray(at, end));
      } else if (passes(type)) {
        batch.pass(entry, at, end);
        if (type === PacketType.close) this.#next.passedClose(entry);
      } else this.#counters.unknownType++;
      at = end;
    }
    return batch.done();
  };

  /** Whether a packet that came over `from` may use the rule: the first one says where all come from. */
  #isOwn(entry: RouteEntry, from: TransportId): boolean {
    if (entry.from === from) return true;
    if (entry.from !== undefined || entry.rule.kind === "forward") return false; // none comes for what leaves here
    if (this.#table.learn(entry, from)) return true;
    this.#counters.rulesRefused++;
    return false;
  }

  // --- rules -------------------------------------------------------------------------------------

  /** Errors: `RouteTableFullError`, with Skywire's text `no available routeIDs`. */
  reserveIds(count: number): number[] {
    return this.#table.reserve(count);
  }

  /**
   * Saves the rules of a relay, all or none. Errors: `RouteRuleError` for a rule of another kind or an id that
   * was not reserved, `RouteTransportMissingError` for one that leads nowhere, `RouteTableFullError`.
   */
  addIntermediaryRules(rules: readonly Rule[]): void {
    this.#refusing(() => {
      for (const rule of rules) {
        if (rule.kind !== "intermediary") {
          throw new RouteRuleError(`A relay is given intermediary rules, not ${rule.kind}`);
        }
        if (this.#transports.find(rule.nextTransportId) === undefined) {
          throw new RouteTransportMissingError(rule.nextTransportId);
        }
      }
      const saved = this.#table.saveAll(rules);
      for (const entry of saved) entry.installedWith = saved;
    });
  }

  /**
   * Saves the rules of a destination and queues its group; returns before anything of it happened. Errors:
   * `RouteRuleError`, `RouteTransportMissingError`, `RouteBusyError`, `RouteTableFullError`; nothing is saved then.
   */
  addEdgeRules(edge: EdgeRules): void {
    this.#refusing(() => {
      this.#checkEdge(edge);
      this.#accepts.checkRoom(edge.descriptor.source.publicKey);
      this.#table.checkShare(edge.descriptor.source.publicKey);
      this.#table.saveAll([edge.forward, edge.reverse]);
    });
    this.#accepts.push(edge);
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
  #ruleGone(entry: RouteEntry): void {
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
    this.#groups.admit(edge);
    const [forward, reverse] = this.#table.saveAll([edge.forward, edge.reverse], { isOwn: true }) as [
      RouteEntry,
      RouteEntry,
    ];
    const wire = this.#groups.make(edge, { forward, reverse, isInitiator: true });
    const abort = new AbortController();
    const [onAbort, onEnd] = [
      () => abort.abort(signal!.reason),
      () => abort.abort(this.#scope.signal.reason),
    ];
    signal?.addEventListener("abort", onAbort, { once: true });
    this.#scope.signal.addEventListener("abort", onEnd, { once: true });
    try {
      return await this.#groups.bringUp(wire, abort.signal);
    } finally {
      signal?.removeEventListener("abort", onAbort);
      this.#scope.signal.removeEventListener("abort", onEnd);
    }
  }

  /** Every group, those in their handshakes, too. */
  groups(): RouteGroupStatus[] {
    return this.#groups.statuses();
  }

  /**
   * A transport is gone, and every route over it with it, even if it comes back: what was under way is lost. Groups
   * end, rules go, and the ends that lie behind other transports are told.
   */
  transportClosed({ id }: { readonly id: TransportId }): void {
    this.#next.closed(id);
  }

  /** What was forwarded, and what could not be used, since the start. */
  counters(): Readonly<RouterCounters> {
    return { ...this.#counters, parkedDropped: this.#groups.parkedDropped };
  }

  /**
   * Closes every group, in order, for at most `waitMs` (default: the 2 s of a single group), and every listener;
   * the rules go.
   */
  async close({ waitMs }: { readonly waitMs?: number } = {}): Promise<void> {
    this.#accepts.clear();
    this.#scope.end();
    for (const listener of this.#ports.listeners()) listener.close();
    await this.#groups.closeAll(waitMs);
    this.#next.close();
    this.#groups.dropParked();
    await this.#scope[Symbol.asyncDispose]();
    this.#table.clear();
  }
}
