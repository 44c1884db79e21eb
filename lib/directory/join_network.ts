/**
 * A dmsg client on a network, with the discovery that it looks up in and publishes to: over dmsg through its
 * own sessions, over plain HTTP where that is not ready. One client per key and process (DC-1).
 *
 * @module
 */
import type { Log } from "../base/mod.ts";
import type { KeyPair } from "../crypto/mod.ts";
import {
  type AskService,
  type DmsgAddress,
  DmsgClient,
  type DmsgClientOptions,
  dmsgHttpClient,
  HttpDiscovery,
  renderDmsgAddress,
} from "../dmsg/mod.ts";
import type { HttpClient } from "../http/mod.ts";
import type { World } from "../runtime/mod.ts";
import { askOver, type ServiceWay } from "./ask_service.ts";
import { type DmsgNetwork, seededEntries, type ServiceAddress } from "./dmsg_network.ts";
import { RequestSigners } from "./request_signer.ts";
import { ServiceClocks } from "./service_clocks.ts";
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
  /**
   * How far ahead of this machine's clock the discovery's was at its last answer; undefined before the first, and once
   * this machine's was set since.
   */
  readonly discoveryAheadMs: number | undefined;
  /** The same of each service that answered. */
  readonly clocks: Pick<ServiceClocks, "recent">;
  /** How a service of the deployment is asked, in this client's name: over dmsg, then over HTTP. */
  askService(name: string, address: ServiceAddress): AskService;
  close(): Promise<void>;
}

const DISCOVERY = "dmsg discovery";

/** Starts a client on `network`. It connects in the background. */
export function joinNetwork(options: NetworkClientOptions): NetworkClient {
  const { world, local, network, log, userAgent, ...clientOptions } = options;
  const { discoveryHttp, discoveryDmsg } = network;
  const ways: ServiceWay[] = [];
  const signers = new RequestSigners(local);
  const plain = new Map<boolean, HttpClient>(); // by whether it is TLS; made when something needs it
  const httpWay = (origin: string): ServiceWay => {
    const tls = origin.startsWith("https:");
    const client = plain.get(tls) ?? tcpHttpClient(world, userAgent, { tls });
    plain.set(tls, client);
    return { name: "http", origin, client, isReady: () => true, signer: signers.of(origin) };
  };
  // Before the client: where no server is seeded, the first thing it does is to ask for some.
  if (discoveryHttp !== undefined) ways.push(httpWay(discoveryHttp));
  const clocks = new ServiceClocks(world.clock);
  const ask = askOver(DISCOVERY, ways, world.clock, log, (aheadMs) => clocks.note(DISCOVERY, aheadMs));
  const dmsg = new DmsgClient({
    world,
    local,
    log: log.child("dmsg"),
    discovery: new HttpDiscovery(ask),
    seeded: seededEntries(network),
    ...clientOptions,
  });
  const http = dmsgHttpClient(dmsg, world, userAgent);
  const dmsgWay = (address: DmsgAddress): ServiceWay => {
    const origin = `http://${renderDmsgAddress(address)}`;
    const signer = signers.of(origin, { onlyWhenAsked: true }); // the stream proves the key
    return { name: "dmsg", origin, client: http, isReady: () => dmsg.isConnected, signer };
  };
  if (discoveryDmsg !== undefined) ways.unshift(dmsgWay(discoveryDmsg)); // needs the client, and comes first
  const close = async () => {
    await dmsg.close(); // first: it deletes the entry over these clients
    await http.close();
    await Promise.all([...plain.values()].map((client) => client.close()));
  };
  return {
    dmsg,
    http,
    get discoveryAheadMs() {
      return clocks.aheadMs(DISCOVERY);
    },
    clocks,
    askService(name, address) {
      const asked: ServiceWay[] = [];
      if (address.dmsg !== undefined) asked.push(dmsgWay(address.dmsg));
      if (address.http !== undefined) asked.push(httpWay(address.http.replace(/\/+$/, "")));
      return askOver(name, asked, world.clock, log, (aheadMs) => clocks.note(name, aheadMs));
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}
