/** A dmsg server of a fleet: what `skyctl dmsg server run` starts. @module */
import { SERVER_SESSIONS_MAX, type SessionStatus } from "../dmsg/mod.ts";
import type { World } from "../runtime/mod.ts";
import { runDmsgServer, type RunningDmsgServer } from "../services/dmsg_server/mod.ts";
import { FleetNode, type FleetNodeOptions } from "./_fleet_node.ts";
import { DISCOVERY_URL, SERVER_PORT, SIM_VERSION } from "./_places.ts";

export class ServerNode extends FleetNode {
  readonly #publicAddress: string;
  #running: RunningDmsgServer | undefined;

  constructor({ publicAddress, ...options }: FleetNodeOptions & { readonly publicAddress: string }) {
    super(options);
    this.#publicAddress = publicAddress;
  }

  /** The sessions that it has now; none when it does not run. */
  sessions(): SessionStatus[] {
    return this.isUp ? this.#running?.server.sessions() ?? [] : [];
  }

  /** Whether it knows that the discovery has its entry. */
  get isRegistered(): boolean {
    return this.isUp && this.#running?.server.status().entry?.published === true;
  }

  protected override async boot(world: World): Promise<void> {
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
          discoveryDmsg: undefined,
          servers: [],
          advertisedAddress: undefined,
        }],
        registration: "http",
        peering: {},
        listen: { hostname: "0.0.0.0", port: SERVER_PORT },
        publicAddress: this.#publicAddress,
        health: undefined,
        logLevel: "info",
        updateIntervalMs: 60_000,
        sessionsMax: SERVER_SESSIONS_MAX,
        authPassphrase: undefined,
      },
    });
  }

  protected override async shutdown(): Promise<void> {
    await this.#running?.close();
    this.#running = undefined;
  }
}
