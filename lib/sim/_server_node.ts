/** A dmsg server of a fleet: what `skyctl dmsg server run` starts. @module */
import type { DmsgNetwork } from "../directory/mod.ts";
import { SERVER_SESSIONS_MAX, type SessionStatus } from "../dmsg/mod.ts";
import type { World } from "../runtime/mod.ts";
import { runDmsgServer, type RunningDmsgServer } from "../services/dmsg_server/mod.ts";
import { FleetNode, type FleetNodeOptions } from "./_fleet_node.ts";
import { DISCOVERY_URL, SERVER_PORT, SIM_VERSION } from "./_places.ts";

export interface ServerNodeOptions extends FleetNodeOptions {
  /** What clients dial. */
  readonly publicAddress: string;
  /** The deployment: it registers over dmsg with the discovery's key, or over HTTP when that has none. */
  readonly network: DmsgNetwork;
}

export class ServerNode extends FleetNode {
  readonly #publicAddress: string;
  readonly #network: DmsgNetwork;
  #running: RunningDmsgServer | undefined;

  constructor({ publicAddress, network, ...options }: ServerNodeOptions) {
    super(options);
    this.#publicAddress = publicAddress;
    this.#network = network;
  }

  /** The sessions that it has now; none when it does not run. */
  sessions(): SessionStatus[] {
    return this.isUp ? this.#running?.server.sessions() ?? [] : [];
  }

  /** Those that it has as a client of other servers and of itself. */
  transitSessions(): SessionStatus[] {
    return this.isUp ? this.#running?.transitSessions() ?? [] : [];
  }

  /** Whether it knows that the discovery has its entry. */
  get isRegistered(): boolean {
    return this.isUp && this.#running?.server.status().entry?.published === true;
  }

  protected override async boot(world: World): Promise<void> {
    const { servers, discoveryDmsg } = this.#network;
    this.#running = await runDmsgServer({
      world,
      log: this.log,
      keys: this.keys,
      version: SIM_VERSION,
      config: {
        secretKey: this.keys.secretKey,
        deployments: [{
          name: "simulated",
          discovery: DISCOVERY_URL,
          discoveryDmsg,
          servers,
          advertisedAddress: undefined,
        }],
        registration: discoveryDmsg === undefined ? "http" : "dmsg",
        peering: {},
        listen: { hostname: "0.0.0.0", port: SERVER_PORT },
        publicAddress: this.#publicAddress,
        health: undefined,
        logLevel: "info",
        updateIntervalMs: 60_000,
        sessionsMax: SERVER_SESSIONS_MAX,
        surveyWhitelist: [],
        authPassphrase: undefined,
      },
    });
  }

  protected override async shutdown(): Promise<void> {
    await this.#running?.close();
    this.#running = undefined;
  }
}
