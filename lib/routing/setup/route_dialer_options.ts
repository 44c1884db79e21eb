/** What a `RouteDialer` needs of others, and what a dial takes. @module */
import type { Conn, Log } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import type { DmsgClient } from "../../dmsg/mod.ts";
import type { World } from "../../runtime/mod.ts";
import type { PacketType, TransportId, TransportType } from "../../transport/mod.ts";
import type { EdgeRules } from "../rule.ts";
import type { MakeTransport } from "./automatic_transports.ts";
import type { HopLabel, TransportDirectory } from "./hops.ts";

/** One transport of a found path. */
export interface FoundHop {
  readonly transportId: string;
  readonly from: PublicKey;
  readonly to: PublicKey;
}

/** Finds paths: for each pair its paths, best first. A `RouteFinderClient` does. */
export type FindRoutes = (
  pairs: readonly (readonly [PublicKey, PublicKey])[],
  limits: { readonly minHops: number; readonly maxHops: number; readonly count?: number },
  signal?: AbortSignal,
) => Promise<readonly (readonly (readonly FoundHop[])[])[]>;

/** A transport as the dialler needs it. */
export interface DialledTransport {
  readonly id: TransportId;
  readonly type: string;
  readonly remote: PublicKey;
  readonly isLive: boolean;
  openStream(kind: typeof PacketType.appDirect): Conn;
}

/** A `TransportManager` is one. */
export interface DialerTransports {
  transports(): readonly unknown[];
  find(id: TransportId): DialledTransport | undefined;
  /** Live ones, the preferred first. */
  to(remote: PublicKey): readonly DialledTransport[];
  dial(
    remote: PublicKey,
    type: TransportType,
    options: { readonly label: string; readonly signal?: AbortSignal },
  ): Promise<DialledTransport>;
}

/** What of a `Router` is needed; `G` is its route group. */
export interface DialerRouter<G extends Conn> {
  reserveIds(count: number): number[];
  ephemeralPort(): number;
  open(edge: EdgeRules, options: { readonly signal?: AbortSignal }): Promise<G>;
}

export interface RouteDialerOptions<G extends Conn> {
  readonly world: Pick<World, "clock">;
  readonly local: PublicKey;
  readonly router: DialerRouter<G>;
  readonly transports: DialerTransports;
  readonly dmsg: Pick<DmsgClient, "dial">;
  readonly findRoutes: FindRoutes;
  readonly setupNodes: () => readonly PublicKey[];
  /** Transports of other visors, for hops that are given. */
  readonly directory?: TransportDirectory;
  /** Makes a transport to the destination where there is none. */
  readonly autoTransports?: MakeTransport;
  /** Default 1; 0 means 1. */
  readonly minHops?: number;
  readonly log: Log;
}

export interface DialRouteOptions {
  /** Fewest transports of the route. */
  readonly minHops?: number;
  /** Most transports of the route. */
  readonly maxHops?: number;
  /** The way there, instead of one that is found. */
  readonly forward?: readonly HopLabel[];
  /** The way back. Default: the way there, mirrored. */
  readonly reverse?: readonly HopLabel[];
  /** Over a transport with the visor itself, or not at all. */
  readonly direct?: boolean;
  readonly signal?: AbortSignal;
}
