/**
 * The route groups of a router, by name: one group of a name, from the moment its rules are saved to the moment they
 * go (protocol: routing, sections 6.1, 6.2).
 *
 *     admit --> make: rules' owner, early packets --> bringUp: both handshakes --> RouteGroup
 *                  |                                     |
 *                  +-------------------------------------+--> gone: the rules go with it
 *
 * @module
 */
import { ConnClosedError, ConnResetError, describeError, type Log } from "../base/mod.ts";
import type { KeyPair } from "../crypto/mod.ts";
import { type HandshakenConn, kkAccept, kkConnect, type PostQuantum } from "../noise/mod.ts";
import type { World } from "../runtime/mod.ts";
import { packetTypeAt, type TransportId } from "../transport/mod.ts";
import { GroupWire, type RouteEntry, type RouteTransport } from "./_group_wire.ts";
import { ParkedPackets } from "./_parked.ts";
import type { RouterCounters } from "./counters.ts";
import { descriptorKey, descriptorText, type RouteDescriptor } from "./descriptor.ts";
import { RouteBusyError, RouteClosedByPeerError } from "./errors.ts";
import { groupStatus, RouteGroup, type RouteGroupStatus } from "./group.ts";
import type { RoutePorts } from "./listener.ts";
import type { EdgeRules } from "./rule.ts";
import type { RoutingTable } from "./table.ts";

export interface RouteGroupsOptions {
  readonly world: Pick<World, "clock" | "ledger" | "random">;
  readonly local: KeyPair;
  readonly transports: { find(id: TransportId): RouteTransport | undefined };
  readonly table: RoutingTable<GroupWire>;
  /** The ports that groups of ours use are taken and freed here. */
  readonly ports: RoutePorts;
  readonly counters: RouterCounters;
  readonly postQuantum: PostQuantum;
  /** Waiting for the far end of a new route, in ms. */
  readonly handshakeWaitMs: number;
  readonly log: Log;
}

export class RouteGroups {
  readonly #options: RouteGroupsOptions;
  readonly #wires = new Map<string, GroupWire>(); // by descriptor: one group of a name
  readonly #ready = new Map<GroupWire, RouteGroup>();
  readonly #parked: ParkedPackets;

  constructor(options: RouteGroupsOptions) {
    this.#options = options;
    this.#parked = new ParkedPackets(options.world.clock);
  }

  /** Packets that found no room while they waited for their group, or no group in time. */
  get parkedDropped(): number {
    return this.#parked.dropped;
  }

  /** Every group, those in their handshakes, too. */
  statuses(): RouteGroupStatus[] {
    const nowMs = this.#options.world.clock.monotonicMs();
    return Array.from(
      this.#wires.values(),
      (wire) => groupStatus(wire, nowMs, this.#ready.get(wire)?.postQuantum ?? false),
    );
  }

  /** Rules exist, but not their group: a packet waits a little for it. */
  park(descriptor: RouteDescriptor, packet: Uint8Array): void {
    this.#parked.park(descriptorKey(descriptor), packet);
  }

  /** Errors: `RouteBusyError` when a group of the same name is being set up. A ready one is replaced. */
  admit({ descriptor }: EdgeRules): void {
    const old = this.#wires.get(descriptorKey(descriptor));
    if (old === undefined) return;
    if (!old.isReady) {
      throw new RouteBusyError(
        `noise route group with desc ${descriptorText(descriptor)} already being initialized`,
      );
    }
    old.conn.close(new ConnResetError("Replaced by a new route with the same addresses"));
  }

  /** The group of an edge that was admitted, with what came for it before; the rules are its own from now on. */
  make(
    edge: EdgeRules,
    { forward, reverse, isInitiator }: {
      readonly forward: RouteEntry;
      readonly reverse: RouteEntry;
      readonly isInitiator: boolean;
    },
  ): GroupWire {
    const { world: { clock, ledger }, transports, ports, counters, log } = this.#options;
    const key = descriptorKey(edge.descriptor);
    const release = ledger.open("route-group");
    const wire: GroupWire = new GroupWire({
      clock,
      descriptor: edge.descriptor,
      isInitiator,
      forward,
      reverse,
      transport: (id) => transports.find(id),
      counters,
      onGone: () => {
        release();
        this.#gone(wire, key);
      },
      onStalled: (error) => {
        counters.groupsStalled++;
        log.warn("Route group ended: nobody reads it", {
          remote: edge.descriptor.source.publicKey,
          port: edge.descriptor.destination.port,
          cause: describeError(error),
        });
      },
    });
    forward.owner = reverse.owner = wire;
    this.#wires.set(key, wire);
    if (isInitiator) ports.use(wire.local.port);
    for (const packet of this.#parked.take(key)) {
      wire.receive(packetTypeAt(packet, 0), packet, 0, packet.length);
    }
    wire.conn.flush();
    return wire;
  }

  /**
   * Both handshakes. On failure the group is closed, with a word to the far end and to the relays on the way, and its
   * rules are gone. Errors: those of
   * `GroupWire.awaitPeer` and of the noise handshake, `RouteClosedByPeerError`, the signal's reason.
   */
  async bringUp(wire: GroupWire, signal: AbortSignal): Promise<RouteGroup> {
    const { world: { clock, random, ledger }, local, postQuantum, counters, handshakeWaitMs } = this.#options;
    try {
      await wire.awaitPeer({ waitMs: handshakeWaitMs, signal });
      if (!wire.isInitiator) wire.sendHandshake();
      const role = wire.isInitiator ? "initiator" : "responder";
      using extension = postQuantum.begin(role);
      const options = { local, remote: wire.remote.publicKey, clock, random, signal, extension };
      const handshake = wire.isInitiator ? kkConnect : kkAccept;
      const { conn, result }: HandshakenConn = await handshake(wire.conn, options);
      // A peer that closes right behind its handshake, since nobody listens for instance: that is for whoever reads.
      const isEnded = wire.isInitiator && wire.failure instanceof RouteClosedByPeerError;
      if (wire.isGone && !isEnded) throw wire.failure!;
      const group = new RouteGroup(wire, { conn, result, postQuantum: extension.isHybrid, clock, ledger });
      if (!wire.isGone) {
        wire.ready();
        this.#ready.set(wire, group);
      }
      counters.groupsOpened++;
      return group;
    } catch (error) {
      counters.groupsFailed++;
      wire.conn.close(error); // its packet ends the rules on the way, also when the source was never heard
      throw error;
    }
  }

  /**
   * Closes every group in order, and joins it. One whose peer does not answer has `waitMs`; undefined: the 2 s of a
   * single group.
   */
  async closeAll(waitMs: number | undefined): Promise<void> {
    const groups = [...this.#wires.values()].map((wire) => {
      wire.conn.close();
      return wire.conn.closed;
    });
    const timer = waitMs === undefined || groups.length === 0
      ? undefined
      : this.#options.world.clock.timer(waitMs, () => {
        for (const wire of [...this.#wires.values()]) {
          wire.conn.close(new ConnClosedError(undefined, "The visor stops, and the peer does not answer"));
        }
      });
    await Promise.all(groups);
    timer?.cancel();
  }

  /** Drops the packets that wait for groups. */
  dropParked(): void {
    this.#parked.close();
  }

  #gone(wire: GroupWire, key: string): void {
    const { ports, table } = this.#options;
    if (this.#wires.get(key) === wire) this.#wires.delete(key);
    this.#ready.delete(wire);
    if (wire.isInitiator) ports.free(wire.local.port);
    table.remove(wire.forward);
    table.remove(wire.reverse);
  }
}
