/** Skywire's own program as a network for transports and routes: its services, and its visors with their apps. @module */
import { freePort, type Lab } from "./lab.ts";
import { type PeerBuild, visorConfig } from "./peer.ts";
import { startPeerDeployment } from "./peer_deployment.ts";
import { runPeerVisor, writePeerApps } from "./peer_visor.ts";
import type { Deployment, RouteBuild, RouteVisor, RouteVisorOptions } from "./route_build.ts";

export class PeerRoutes implements RouteBuild {
  readonly #lab: Lab;
  readonly #peer: PeerBuild;
  #apps: Promise<string> | undefined;

  constructor(lab: Lab, peer: PeerBuild) {
    this.#lab = lab;
    this.#peer = peer;
  }

  async startDeployment(): Promise<Deployment> {
    return await startPeerDeployment(this.#lab, this.#peer);
  }

  async startRouteVisor({ services }: Deployment, { minHops }: RouteVisorOptions): Promise<RouteVisor> {
    const peer = this.#peer;
    this.#apps ??= writePeerApps(this.#lab, peer);
    const apps = await this.#apps;
    const { publicKey, secretKey } = await peer.keys();
    const folder = this.#lab.path("visor");
    await Deno.mkdir(`${folder}/tplogs`, { recursive: true });
    const control = `127.0.0.1:${freePort()}`;
    const base = visorConfig({
      publicKey,
      secretKey,
      folder,
      site: folder,
      control,
      discovery: services.dmsg_discovery,
      services: peer.emptyServices,
    });
    const config = {
      ...base,
      "skywire-tcp": { pk_table: null, listening_address: `127.0.0.1:${freePort()}` },
      transport: {
        ...base.transport,
        discovery: services.transport_discovery,
        address_resolver: services.address_resolver,
        stcpr_port: freePort(),
        sudph_port: freePort(),
      },
      routing: {
        ...base.routing,
        route_setup_nodes: services.route_setup_nodes,
        route_finder: services.route_finder,
        min_hops: minHops,
      },
      launcher: {
        ...base.launcher,
        server_addr: `127.0.0.1:${freePort()}`, // its apps find it there: a port of 0 they do not
        bin_path: apps,
        apps: [
          { name: "skysocks", binary: "skysocks", auto_start: true, port: 3 },
          { name: "skysocks-client", binary: "skysocks-client", args: [], auto_start: false, port: 13 },
        ],
      },
    };
    return await runPeerVisor(this.#lab, peer, config);
  }
}
