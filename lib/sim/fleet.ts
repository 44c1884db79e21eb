/**
 * A fleet in one simulation: a dmsg discovery, dmsg servers and visors, all of them the code that runs on
 * sockets, and the traffic between them.
 *
 * @module
 */
import { keyPairFromSeed } from "../crypto/mod.ts";
import type { DmsgNetwork } from "../directory/mod.ts";
import { HTTP_PORT, serverEntry } from "../dmsg/mod.ts";
import { sleep, type World } from "../runtime/mod.ts";
import type { SeededRandom, Simulation } from "../runtime/simulated/mod.ts";
import { DiscoveryNode } from "./_discovery_node.ts";
import type { FleetNode, FleetNodeOptions } from "./_fleet_node.ts";
import { GateNode } from "./_gate_node.ts";
import { DISCOVERY_HOST, DISCOVERY_URL, SERVER_PORT } from "./_places.ts";
import { ServerNode } from "./_server_node.ts";
import { VisorNode } from "./_visor_node.ts";
import type { Timeline } from "./timeline.ts";
import { BackgroundTraffic, Traffic, type TrafficEnd } from "./traffic.ts";

/** Sessions that each visor of a fleet keeps, as the generated configuration says. */
export const VISOR_SESSIONS = 2;
/** Streams under way at once while a scenario runs. */
const TRAFFIC_WORKERS = 3;

export interface FleetOptions {
  readonly simulation: Simulation;
  readonly timeline: Timeline;
  readonly servers: number;
  readonly visors: number;
  /** Sessions that each visor keeps. */
  readonly visorSessions?: number;
  /** False: visors ask the discovery over plain HTTP only. */
  readonly discoveryOverDmsg?: boolean;
  /** A gate stands in front of each server, at the address that the server says. */
  readonly gated?: boolean;
}

export class Fleet {
  readonly simulation: Simulation;
  readonly timeline: Timeline;
  /** For the choices of the scenario. */
  readonly random: SeededRandom;
  readonly network: DmsgNetwork;
  readonly discovery: DiscoveryNode;
  readonly servers: readonly ServerNode[];
  /** In front of the servers, in their order; none unless the fleet is gated. */
  readonly gates: readonly GateNode[];
  readonly traffic: Traffic;
  readonly #visors: VisorNode[];
  readonly #visorSessions: number;
  readonly #director: World;
  readonly #background: BackgroundTraffic[] = [];
  readonly #cut = new Set<unknown>();
  #isHushed = false;
  /** Other programs with sessions at the servers. They start with the fleet; whoever adds them stops them. */
  readonly guests: FleetNode[] = [];
  /** Servers that the discovery rightly does not list at the end: a scenario says so. */
  readonly unlisted = new Set<ServerNode>();

  constructor(
    { simulation, timeline, servers, visors, visorSessions = VISOR_SESSIONS, ...options }: FleetOptions,
  ) {
    const { discoveryOverDmsg = true, gated = false } = options;
    this.#visorSessions = visorSessions;
    this.simulation = simulation;
    this.timeline = timeline;
    this.random = simulation.random.fork("choices");
    this.traffic = new Traffic(simulation.random.fork("traffic"));
    this.#director = simulation.node("director");
    const serverNames = namesOf("server", servers);
    const advertised = gated ? namesOf("gate", servers) : serverNames;
    this.network = {
      name: "simulated",
      file: undefined,
      servers: serverNames.map((name, index) => ({
        publicKey: this.#keys(name).publicKey,
        address: `${advertised[index]}:${SERVER_PORT}`,
      })),
      discoveryHttp: DISCOVERY_URL,
      discoveryDmsg: discoveryOverDmsg
        ? { publicKey: this.#keys(DISCOVERY_HOST).publicKey, port: HTTP_PORT }
        : undefined,
    };
    this.discovery = new DiscoveryNode({
      ...this.about(DISCOVERY_HOST),
      servers: this.network.servers.map(({ publicKey, address }) =>
        serverEntry({ publicKey, server: { address, availableSessions: 1 }, timestamp: 0n })
      ),
    });
    this.servers = serverNames.map((name, index) =>
      new ServerNode({
        ...this.about(name),
        publicAddress: this.network.servers[index]!.address,
        network: this.network,
      })
    );
    this.gates = gated
      ? serverNames.map((server, index) => new GateNode({ ...this.about(advertised[index]!), server }))
      : [];
    this.#visors = namesOf("visor", visors).map((name) => this.#visor(name, name));
    // Machines are switched on in a fixed order: what a scenario starts first changes no address.
    for (const node of this.nodes) void node.world;
  }

  get visors(): readonly VisorNode[] {
    return this.#visors;
  }
  get nodes(): readonly FleetNode[] {
    return [...this.gates, this.discovery, ...this.servers, ...this.guests, ...this.#visors];
  }
  /** Those that run. */
  get up(): VisorNode[] {
    return this.#visors.filter((visor) => visor.isUp);
  }
  /** Who has random streams: those that run. */
  get ends(): readonly TrafficEnd[] {
    return this.up;
  }
  /** Who watches: a machine that no fault touches. */
  get director(): World {
    return this.#director;
  }

  sleep(ms: number): Promise<void> {
    return sleep(this.#director.clock, ms);
  }

  /** One more visor, on a machine of its own, with the keys of `keysOf`. It is not started. */
  addVisor(name: string, keysOf: string = name): VisorNode {
    const visor = this.#visor(name, keysOf);
    this.#visors.push(visor);
    return visor;
  }

  /** Starts what is down, in a random order, each up to `withinMs` after the one before. */
  async startAll({ withinMs = 2_000, except = [] }: StartAllOptions = {}): Promise<void> {
    for (const node of this.shuffled(this.nodes)) {
      if (node.isUp || except.includes(node)) continue;
      await node.start();
      await this.sleep(this.random.integer(0, withinMs));
    }
  }

  /** Starts everything, and waits until every visor is in the discovery: where a scenario of faults begins. */
  async settle(): Promise<void> {
    await this.startAll({ withinMs: 50 });
    await Promise.all(this.up.map((visor) => visor.client.whenPublished()));
    await this.sleep(2_000);
    this.say("the fleet is complete");
  }

  /** Begins random streams between whatever visors run, or those `among` them. */
  startTraffic(workers = TRAFFIC_WORKERS, among?: readonly FleetNode[]): void {
    const some = (ends: readonly TrafficEnd[]) =>
      among === undefined ? ends : ends.filter((end) => among.some(({ name }) => name === end.name));
    this.#background.push(
      new BackgroundTraffic({
        traffic: this.traffic,
        random: this.random.fork(`workers/${this.#background.length}`),
        clock: this.#director.clock,
        workers,
        visors: () => some(this.ends),
        diallers: () => some(this.#isHushed ? this.talkers() : this.ends),
      }),
    );
  }

  /** A fault of the network hits this node: after it, others must reach it before it dials anybody itself. */
  noteCut(node: FleetNode): void {
    this.#cut.add(node);
  }

  /** From now on the visors that were cut off begin no stream: their own dials would help them. */
  hush(): void {
    this.#isHushed = true;
  }

  /** The visors that run and were not cut off; the first of all when there is no other. */
  talkers(): readonly TrafficEnd[] {
    const talking = this.ends.filter((visor) => !this.#cut.has(visor));
    return talking.length > 0 ? talking : this.ends.slice(0, 1);
  }

  /** Ends the random streams, each in its own time. */
  async stopTraffic(): Promise<void> {
    await Promise.all(this.#background.splice(0).map((background) => background.stop()));
  }

  pick<T>(from: readonly T[]): T {
    return from[this.random.integer(0, from.length - 1)]!;
  }

  shuffled<T>(list: readonly T[]): T[] {
    return list.map((value) => ({ value, rank: this.random.fraction() }))
      .sort((a, b) => a.rank - b.rank)
      .map(({ value }) => value);
  }

  /** A line of the timeline that no node says of itself: a fault, a phase. */
  say(event: string, node = "scenario"): void {
    this.timeline.add(node, event);
  }

  #visor(name: string, keysOf: string): VisorNode {
    return new VisorNode({
      ...this.about(name, keysOf),
      network: this.network,
      traffic: this.traffic,
      sessionsMin: this.#visorSessions,
    });
  }

  /** What a member of this name is made of; its keys are those of `keysOf`. */
  about(name: string, keysOf = name): FleetNodeOptions {
    return { simulation: this.simulation, timeline: this.timeline, name, keys: this.#keys(keysOf) };
  }

  #keys(name: string) {
    const keys = keyPairFromSeed(new TextEncoder().encode(`${this.simulation.seed}/${name}`));
    this.timeline.name(keys.publicKey, name);
    return keys;
  }
}

export interface StartAllOptions {
  readonly withinMs?: number;
  readonly except?: readonly FleetNode[];
}

function namesOf(kind: string, count: number): string[] {
  return Array.from({ length: count }, (_, index) => `${kind}-${index + 1}`);
}
