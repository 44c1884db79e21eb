/** What the matrix asks of a program about transports and routes, whoever made it. @module */

/** Every service of a network, running. */
export interface Deployment {
  /** Names them all, in the format of both programs. */
  readonly file: string;
  readonly services: DeploymentServices;
  end(): Promise<void>;
}

/** As a deployment file has them. */
export interface DeploymentServices {
  readonly dmsg_discovery: string;
  readonly dmsg_servers: readonly {
    readonly static: string;
    readonly server: { readonly address: string };
  }[];
  readonly transport_discovery: string;
  readonly address_resolver: string;
  readonly route_finder: string;
  readonly route_setup_nodes: readonly string[];
}

export interface RouteVisorOptions {
  /** Of every route that its apps dial; its program may know no other way to say so. */
  readonly minHops: number;
}

/** One transport of a visor, as it lists it. */
export interface ListedTransport {
  readonly id: string;
  readonly type: string;
  readonly remote: string;
}

/** A round trip over a route. */
export interface RoutePing {
  readonly ms: number;
  /** The keys on the way there, the destination's last; undefined where the program does not say. */
  readonly way: readonly string[] | undefined;
}

/** A visor that runs, with skysocks on its port 3. */
export interface RouteVisor {
  readonly publicKey: string;
  /** Gives its id. */
  addTransport(key: string, type: "stcpr" | "sudph" | "dmsg"): Promise<string>;
  removeTransport(id: string): Promise<void>;
  transports(): Promise<ListedTransport[]>;
  ping(key: string, minHops: number): Promise<RoutePing>;
  /** A SOCKS proxy through that visor's skysocks; its `host:port` once it is connected. */
  startProxy(key: string, minHops: number): Promise<string>;
  stopProxy(): Promise<void>;
  /** How many rules it has that pass packets on; undefined where the program does not say. */
  relayRules(): Promise<number | undefined>;
  end(): Promise<void>;
  /** Ends it as a power cut does: it tells nobody. */
  kill(): Promise<void>;
}

/** A program that can be every part of such a network. */
export interface RouteBuild {
  startDeployment(): Promise<Deployment>;
  startRouteVisor(deployment: Deployment, options: RouteVisorOptions): Promise<RouteVisor>;
}
