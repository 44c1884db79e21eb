/**
 * A fleet of whole visors in one simulation: dmsg below, the services that make routes, and visors with
 * transports, routes and apps.
 *
 *     dmsg discovery, dmsg servers  <-- sessions --  visors, services
 *     visor --transport-- visor --transport-- visor  routes: by route finder and setup node
 *
 * @module
 */
import { HTTP_PORT } from "../../dmsg/mod.ts";
import type { DmsgNetwork, ServiceAddress } from "../../directory/mod.ts";
import type { NatKind } from "../../runtime/simulated/mod.ts";
import type { Transport, TransportType } from "../../transport/mod.ts";
import { Fleet, type FleetOptions } from "../fleet.ts";
import type { TrafficEnd } from "../traffic.ts";
import {
  ResolverNode,
  RouteFinderNode,
  SERVICE_PORTS,
  SetupNodeNode,
  TransportDiscoveryNode,
} from "./service_nodes.ts";
import { StunNode } from "./stun_node.ts";
import { WholeVisor } from "./visor_node.ts";

export interface RoutedFleetOptions extends Omit<FleetOptions, "visors" | "visorSessions" | "gated"> {
  /** Whole visors. */
  readonly visors: number;
}

/** A new transport is registered after 5 s of quiet, and the route finder reads the list each 5 s. */
export const KNOWN_AFTER_MS = 12_000;
/** Every visor is on dmsg within this of its start, while nothing is wrong. */
const READY_WITHIN_MS = 30_000;

export class RoutedFleet extends Fleet {
  readonly whole: readonly WholeVisor[];
  readonly transportDiscovery: TransportDiscoveryNode;
  readonly resolver: ResolverNode;
  readonly routeFinder: RouteFinderNode;
  readonly setupNode: SetupNodeNode;
  readonly #stunServers: StunNode[] = [];
  #natForgotMs = -Infinity;

  constructor({ visors, ...options }: RoutedFleetOptions) {
    super({ ...options, visors: 0 });
    const { network } = this;
    const about = (name: string) => ({ ...this.about(name), network });
    this.transportDiscovery = new TransportDiscoveryNode(about("transport-discovery"));
    this.resolver = new ResolverNode(about("address-resolver"));
    this.routeFinder = new RouteFinderNode(about("route-finder"));
    this.setupNode = new SetupNodeNode(about("setup-node"));
    const services = [this.transportDiscovery, this.resolver, this.routeFinder, this.setupNode];
    const address = (name: keyof typeof SERVICE_PORTS): ServiceAddress => ({
      http: `http://${name}:${SERVICE_PORTS[name]}`,
      dmsg: { publicKey: services.find((each) => each.name === name)!.publicKey, port: HTTP_PORT },
    });
    const routed: DmsgNetwork = {
      ...network,
      transportDiscovery: address("transport-discovery"),
      addressResolver: address("address-resolver"),
      routeFinder: address("route-finder"),
      setupNodes: [this.setupNode.publicKey],
    };
    this.whole = Array.from({ length: visors }, (_, index) => {
      const name = `visor-${index + 1}`;
      const machine = { address: `198.51.100.${index + 1}` };
      return new WholeVisor({ ...this.about(name), machine, network: routed, traffic: this.traffic });
    });
    this.guests.push(...services, ...this.whole);
    for (const node of services) void node.world;
  }

  /** Whole visors that run. */
  get wholeUp(): WholeVisor[] {
    return this.whole.filter(({ isUp }) => isUp);
  }

  override get ends(): readonly TrafficEnd[] {
    return this.wholeUp;
  }

  /** STUN servers, which the configurations of `askers` name from now on; they start with the fleet. */
  addStunServers(count: number, askers: readonly WholeVisor[]): readonly StunNode[] {
    for (let index = 1; index <= count; index++) {
      const node = new StunNode({ ...this.about(`stun-${index}`), isMasked: index % 2 === 0 });
      void node.world; // is switched on
      this.#stunServers.push(node);
      this.guests.push(node);
    }
    const stun_servers = this.#stunServers.map(({ address }) => address);
    for (const visor of askers) visor.config = { ...visor.config, stun_servers };
    return this.#stunServers;
  }

  get stunServers(): readonly StunNode[] {
    return this.#stunServers;
  }

  /** Puts a visor that was never started behind a NAT box of its own. */
  putBehind(visor: WholeVisor, kind: NatKind): void {
    this.simulation.nat(boxOf(visor), { kind });
    visor.place({ behind: boxOf(visor) });
    this.say(`is behind a NAT box: ${kind}`, visor.name);
  }

  /** When a NAT box last forgot everything: whoever is outside of it is not told. */
  get natForgotMs(): number {
    return this.#natForgotMs;
  }

  /** The NAT box of a visor forgets everything. */
  restartNat(visor: WholeVisor): void {
    this.simulation.restartNat(boxOf(visor));
    this.#natForgotMs = this.simulation.nowMs;
    this.say("has a NAT box that forgets everything", visor.name);
  }

  /** Starts everything, and waits until every visor is on dmsg and the setup node has its sessions. */
  override async settle(): Promise<void> {
    await this.startAll({ withinMs: 50 });
    await Promise.all(this.wholeUp.map((visor) => visor.ready(new AbortController().signal)));
    await this.until(
      "the setup node has a session with every server",
      () => this.setupNode.sessions === this.servers.length,
      READY_WITHIN_MS,
    );
    await this.untilBound();
    this.say("the fleet is complete");
  }

  /** Waits until the address resolver has every visor that runs, for each type that it can be dialled by. */
  async untilBound(): Promise<void> {
    await this.retried(
      "every visor is bound at the address resolver",
      () => this.#mustBeBound(),
      READY_WITHIN_MS,
    );
  }

  /** Asks the resolver, as a visor does that looks for a transport to make. */
  async #mustBeBound(): Promise<void> {
    const { stcpr, sudph } = await this.pick(this.wholeUp).node.services.addressResolver!.transports();
    for (const { name, publicKey, isBehindNat, node } of this.wholeUp) {
      const isHeard = isBehindNat || stcpr.includes(publicKey); // nobody could connect to it
      const takesSudph = node.sudph!.nat !== "symmetric"; // no hole would lead to it
      if (!isHeard || (takesSudph && !sudph.includes(publicKey))) {
        throw new TypeError(`${name} is not bound`);
      }
    }
  }

  /** A transport, made by the first of two visors. */
  async link(from: WholeVisor, to: WholeVisor, type: TransportType = "stcpr"): Promise<Transport> {
    const transport = await from.node.transports.dial(to.publicKey, type, { label: "user" });
    this.say(`has a ${type} transport to ${to.name}`, from.name);
    return transport;
  }

  /** Transports along a row of visors; resolves when the route finder knows them. */
  async chain(visors: readonly WholeVisor[], type: TransportType = "stcpr"): Promise<void> {
    for (let at = 1; at < visors.length; at++) await this.link(visors[at - 1]!, visors[at]!, type);
    await this.sleep(KNOWN_AFTER_MS);
  }

  /** Waits until `holds`, and looks each `everyMs`. Rejects with `what` when it does not in time. */
  async until(
    what: string,
    holds: () => boolean | Promise<boolean>,
    withinMs: number,
    everyMs = 100,
  ): Promise<number> {
    const startedMs = this.simulation.nowMs;
    while (!(await holds())) {
      if (this.simulation.nowMs - startedMs > withinMs) {
        throw new TypeError(`not within ${withinMs / 1000} s: ${what}`);
      }
      await this.sleep(everyMs);
    }
    return this.simulation.nowMs - startedMs;
  }

  /** Tries again and again, as an application would; the time that it took. Rejects with the last failure. */
  async retried(what: string, work: () => Promise<void>, withinMs: number): Promise<number> {
    const startedMs = this.simulation.nowMs;
    for (;;) {
      try {
        await work();
        return this.simulation.nowMs - startedMs;
      } catch (cause) {
        if (this.simulation.nowMs - startedMs > withinMs) {
          throw new TypeError(`not within ${withinMs / 1000} s: ${what}`, { cause });
        }
        await this.sleep(1_000);
      }
    }
  }
}

function boxOf({ name }: WholeVisor): string {
  return `nat of ${name}`;
}
