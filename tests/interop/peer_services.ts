/** Skywire's own program as a whole deployment, and as a visor with a configuration of our `conf gen`. @module */
import { freePort, type Lab } from "./lab.ts";
import type { OurBuild } from "./ours.ts";
import { generateConfig } from "./our_services.ts";
import type { PeerBuild } from "./peer.ts";
import { startWholePeerDeployment } from "./peer_deployment.ts";
import { runPeerVisor, writePeerApps } from "./peer_visor.ts";
import type { RouteVisor } from "./route_build.ts";
import type { ServiceBuild, ServiceVisorOptions, WholeDeployment } from "./service_build.ts";

export class PeerServices implements ServiceBuild {
  readonly #lab: Lab;
  readonly #peer: PeerBuild;
  readonly #ours: OurBuild;
  #apps: Promise<string> | undefined;

  constructor(lab: Lab, peer: PeerBuild, ours: OurBuild) {
    this.#lab = lab;
    this.#peer = peer;
    this.#ours = ours;
  }

  async startDeployment(): Promise<WholeDeployment> {
    return await startWholePeerDeployment(this.#lab, this.#peer);
  }

  /** What `conf gen` made is changed where the file of a second visor on one machine has to be. */
  async startVisor({ services }: WholeDeployment, options: ServiceVisorOptions = {}): Promise<RouteVisor> {
    this.#apps ??= writePeerApps(this.#lab, this.#peer);
    const apps = await this.#apps;
    const folder = this.#lab.path("visor");
    await Deno.mkdir(`${folder}/transport_logs`, { recursive: true });
    const file = this.#lab.path("generated.json");
    const made = await generateConfig(this.#ours, file, ["--url", services.conf, "--http"], options);
    return await runPeerVisor(this.#lab, this.#peer, {
      ...made,
      cli_addr: `127.0.0.1:${freePort()}`,
      local_path: folder,
      dmsghttp_server_path: folder,
      transport: {
        ...made.transport,
        log_store: { ...made.transport.log_store, location: `${folder}/transport_logs` },
      },
      launcher: {
        ...made.launcher,
        bin_path: apps,
        server_addr: `127.0.0.1:${freePort()}`,
      },
    });
  }
}
