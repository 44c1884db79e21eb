/**
 * A dmsg client on a network, with the discovery that it looks up in and publishes to: over dmsg through its
 * own sessions, over plain HTTP where that is not ready. One client per key and process (DC-1).
 *
 * @module
 */
import type { Log } from "../base/mod.ts";
import type { KeyPair } from "../crypto/mod.ts";
import {
  DmsgClient,
  type DmsgClientOptions,
  dmsgHttpClient,
  HttpDiscovery,
  renderDmsgAddress,
} from "../dmsg/mod.ts";
import type { HttpClient } from "../http/mod.ts";
import type { World } from "../runtime/mod.ts";
import { askOver, type ServiceWay } from "./ask_service.ts";
import { type DmsgNetwork, seededEntries } from "./dmsg_network.ts";
import { tcpHttpClient } from "./tcp_http.ts";

export interface NetworkClientOptions extends
  Pick<
    DmsgClientOptions,
    | "sessionsMin"
    | "serversType"
    | "publish"
    | "clientType"
    | "readIdleMs"
    | "sessionRetry"
    | "postQuantum"
    | "onChange"
  > {
  readonly world: Pick<World, "clock" | "random" | "ledger" | "network">;
  readonly local: KeyPair;
  readonly network: DmsgNetwork;
  readonly log: Log;
  readonly userAgent: string;
}

/** The client, HTTP over it, and the closing of both. */
export interface NetworkClient extends AsyncDisposable {
  readonly dmsg: DmsgClient;
  /** HTTP to `http://<key>[:<port>]/`. */
  readonly http: HttpClient;
  /** How far ahead of this machine's clock the discovery's was at its last answer; undefined before the first. */
  readonly discoveryAheadMs: number | undefined;
  close(): Promise<void>;
}

/** Starts a client on `network`. It connects in the background. */
export function joinNetwork(options: NetworkClientOptions): NetworkClient {
  const { world, local, network, log, userAgent, ...clientOptions } = options;
  const { discoveryHttp, discoveryDmsg } = network;
  const ways: ServiceWay[] = [];
  // Before the client: where no server is seeded, the first thing it does is to ask for some.
  let plain: HttpClient | undefined;
  if (discoveryHttp !== undefined) {
    plain = tcpHttpClient(world, userAgent, { tls: discoveryHttp.startsWith("https:") });
    ways.push({ name: "http", origin: discoveryHttp, client: plain, isReady: () => true });
  }
  let discoveryAheadMs: number | undefined;
  const ask = askOver("dmsg discovery", ways, world.clock, log, (aheadMs) => discoveryAheadMs = aheadMs);
  const dmsg = new DmsgClient({
    world,
    local,
    log: log.child("dmsg"),
    discovery: new HttpDiscovery(ask),
    seeded: seededEntries(network),
    ...clientOptions,
  });
  const http = dmsgHttpClient(dmsg, world, userAgent);
  if (discoveryDmsg !== undefined) { // needs the client, and comes first
    const origin = `http://${renderDmsgAddress(discoveryDmsg)}`;
    ways.unshift({ name: "dmsg", origin, client: http, isReady: () => dmsg.isConnected });
  }
  const close = async () => {
    await dmsg.close(); // first: it deletes the entry over these clients
    await http.close();
    await plain?.close();
  };
  return {
    dmsg,
    http,
    get discoveryAheadMs() {
      return discoveryAheadMs;
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
