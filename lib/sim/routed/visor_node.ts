/** A whole visor of a fleet: what `skyctl visor run` starts, with its files, transports, routes and apps. @module */
import { type Conn, describeError } from "../../base/mod.ts";
import { renderDeploymentFile } from "../../directory/mod.ts";
import type { DmsgNetwork } from "../../directory/mod.ts";
import type { RouteGroup } from "../../routing/mod.ts";
import type { DialRouteOptions } from "../../routing/setup/mod.ts";
import type { World } from "../../runtime/mod.ts";
import { type RunningVisor, runVisor } from "../../visor/mod.ts";
import { FleetNode, type FleetNodeOptions } from "../_fleet_node.ts";
import { BULK_PORT, SIM_VERSION } from "../_places.ts";
import { serveAll } from "../_visor_node.ts";
import type { Traffic, TrafficEnd } from "../traffic.ts";

export interface WholeVisorOptions extends FleetNodeOptions {
  readonly network: DmsgNetwork;
  readonly traffic: Traffic;
}

const HOME = "/home";

export class WholeVisor extends FleetNode implements TrafficEnd {
  readonly #options: WholeVisorOptions;
  #running: RunningVisor | undefined;
  #serving: Promise<void> = Promise.resolve();
  /** What its configuration says besides its keys, from the next start on. */
  config: Readonly<Record<string, unknown>> = {};
  /** How its checked streams go. */
  route: DialRouteOptions = {};

  constructor(options: WholeVisorOptions) {
    super(options);
    this.#options = options;
  }

  get running(): RunningVisor {
    if (this.#running === undefined) throw new TypeError(`${this.name} was never started`);
    return this.#running;
  }

  /** Transports, routes and apps of the running program. */
  get node(): RunningVisor["visor"]["node"] {
    return this.running.visor.node;
  }

  openBulk({ publicKey }: TrafficEnd): Promise<Conn> {
    return this.node.dialer.dial({ publicKey, port: BULK_PORT }, this.route);
  }

  /** Resolves when others can reach it over dmsg. */
  async ready(signal: AbortSignal): Promise<void> {
    await this.running.whenReady(signal);
  }

  protected override async boot(world: World): Promise<void> {
    const { publicKey, secretKey } = this.keys;
    const { network, traffic } = this.#options;
    await write(world, "/deployment.json", renderDeploymentFile(network));
    const config = { pk: publicKey, sk: secretKey.reveal(), ...this.config };
    await write(world, "/visor.json", JSON.stringify(config));
    const running = this.#running = await runVisor({
      world,
      version: SIM_VERSION,
      home: HOME,
      local: false,
      deploymentFile: "/deployment.json",
      configFile: "/visor.json",
      pid: 1,
      onStep: () => {},
      onRecord: (record) => this.timeline.addRecord(this.name, record),
    });
    void running.ended.then((failure) => {
      if (failure !== undefined) this.timeline.add(this.name, `a part of it died: ${describeError(failure)}`);
    });
    const listener = this.node.router.listen(BULK_PORT);
    this.#serving = serveAll<RouteGroup>(listener, (group) => traffic.answer(group, this));
  }

  protected override async shutdown(): Promise<void> {
    await this.running.close();
    await this.#serving;
  }
}

function write({ files }: World, path: string, text: string): Promise<void> {
  return files.write(path, new TextEncoder().encode(text));
}
