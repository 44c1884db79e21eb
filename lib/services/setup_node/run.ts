/**
 * A setup node that runs: its own dmsg client, callers on port 36, `/stats` and `/health` on port 80.
 *
 * @module
 */
import type { Log, Scope } from "../../base/mod.ts";
import type { KeyPair, PublicKey } from "../../crypto/mod.ts";
import { type DmsgNetwork, joinNetwork, type NetworkClient } from "../../directory/mod.ts";
import { AWAIT_SETUP_PORT, SETUP_NODE_PORT } from "../../dmsg/mod.ts";
import type { PostQuantumSettings } from "../../noise/mod.ts";
import {
  CircuitBreaker,
  type CircuitSettings,
  type PooledConnection,
  SetupNode,
  type SetupStatsReport,
} from "../../routing/setup/mod.ts";
import type { SocketAddress, World } from "../../runtime/mod.ts";
import {
  allowing,
  type BuildInfo,
  type DmsgStatus,
  health,
  json,
  NOT_FOUND,
  type RefusalCounts,
  type RunningService,
  runService,
  serveOverDmsg,
  type ServiceApi,
} from "../hosting/mod.ts";
import { setupNodeNetwork } from "./network.ts";

export interface SetupNodeSettings {
  /** Where `/stats` and `/health` are served on TCP, too. Default: nowhere. */
  readonly address?: SocketAddress;
  readonly build?: BuildInfo;
  /** Requests that are worked on at once, at most 16 of them of one caller; further ones wait. Default 512. */
  readonly requestsMax?: number;
  /** The breaker of visors that cannot be dialled; false: there is none. Default: on. */
  readonly circuits?: CircuitSettings | false;
}

export interface RunSetupNodeOptions {
  readonly world: Pick<World, "clock" | "random" | "ledger" | "network" | "diagnostics">;
  readonly keys: KeyPair;
  readonly network: DmsgNetwork;
  readonly log: Log;
  readonly userAgent: string;
  readonly settings?: SetupNodeSettings;
  /** The post-quantum hybrid: offered or required. */
  readonly postQuantum?: PostQuantumSettings;
}

/** Its `address` is where `/stats` is bound on TCP; undefined: over dmsg only. */
export interface RunningSetupNode extends RunningService {
  readonly publicKey: PublicKey;
  readonly dmsg: NetworkClient["dmsg"];
  stats(): SetupStatsReport;
  /** Connections to visors that are kept for later requests. */
  pooled(): PooledConnection[];
}

/** Starts a setup node; sessions come by and by. Errors: those of `Network.listen`. Nothing is left then. */
export async function runSetupNode(options: RunSetupNodeOptions): Promise<RunningSetupNode> {
  const { world, keys, log, settings = {} } = options;
  const { address, build, requestsMax, circuits } = settings;
  const breaker = circuits === false ? undefined : new CircuitBreaker(world, circuits);
  const client = joinNetwork({
    world,
    local: keys,
    network: setupNodeNetwork(options.network),
    log,
    userAgent: options.userAgent,
    sessionsMin: 0, // with every server: no visor is reached by a detour
    postQuantum: options.postQuantum,
  });
  const { dmsg } = client;
  const node = new SetupNode({
    world,
    log: log.child("setup"),
    version: build ?? { version: "unknown", commit: "unknown", date: "unknown" },
    relayPeers: () => dmsg.sessions().map(({ remote }) => remote),
    admit: breaker?.admit,
    circuitOf: breaker?.circuitOf,
    requestsMax,
    dial: (publicKey, { signal, bypassCaches }) =>
      dmsg.dial({ publicKey, port: AWAIT_SETUP_PORT }, { signal, bypassCaches }),
  });
  const startedAtMs = world.clock.wallMs();
  const service: RunningService = await runService({
    world,
    log,
    name: "setup node",
    mode: address === undefined ? "dmsg" : "dual",
    address: address ?? { hostname: "127.0.0.1", port: 0 },
    api: (dmsgStatus, refused) => statsApi(node, { startedAtMs, build, dmsgStatus, refused }),
    dmsg: (handler) =>
      serveOverDmsg({
        client: dmsg,
        world,
        handler,
        log,
        surveyWhitelist: options.network.surveyWhitelist,
        alongside: (scope) => serveCallers(dmsg, node, scope),
      }),
    holds: {
      async [Symbol.asyncDispose]() {
        await node[Symbol.asyncDispose](); // before its connections: rules that are being deleted need them
        await client.close();
      },
    },
  });
  return Object.assign(service, {
    publicKey: keys.publicKey,
    dmsg,
    stats: () => node.stats(),
    pooled: () => node.pooled(),
  });
}

/** Hands every stream on dmsg port 36 to the node, whoever opened it. */
function serveCallers(dmsg: NetworkClient["dmsg"], node: SetupNode, scope: Scope): void {
  const listener = dmsg.listen(SETUP_NODE_PORT);
  scope.spawn("callers of the setup node", async (signal) => {
    if (signal.aborted) listener.close();
    signal.addEventListener("abort", () => listener.close(), { once: true });
    for (let stream = await listener.accept(); stream !== null; stream = await listener.accept()) {
      void node.serve(stream, stream.remote.publicKey); // never rejects; the node waits for it
    }
  });
}

interface ApiFacts {
  readonly startedAtMs: number;
  readonly build: BuildInfo | undefined;
  readonly dmsgStatus: () => DmsgStatus | undefined;
  readonly refused: () => RefusalCounts;
}

function statsApi(node: SetupNode, { startedAtMs, build, dmsgStatus, refused }: ApiFacts): ServiceApi {
  return ({ method, path }) => {
    if (path !== "/stats" && path !== "/health") return Promise.resolve(NOT_FOUND);
    if (method !== "GET" && method !== "HEAD") return Promise.resolve(allowing("GET, HEAD"));
    const answer = path === "/stats"
      ? json(JSON.stringify(node.stats()))
      : health({ serviceName: "setup-node", startedAtMs, build, dmsg: dmsgStatus(), refused: refused() });
    return Promise.resolve(answer);
  };
}
