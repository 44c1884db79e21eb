/** A service of an assembly as it runs. @module */
import { ConnClosedError } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import { renderSocketAddress, type SocketAddress } from "../../runtime/mod.ts";
import type { RunningDmsgServer } from "../dmsg_server/mod.ts";
import type { KeptCounts, RefusalCounts, RequestCount, RunningService } from "../hosting/mod.ts";
import { isEverywhere, type PlannedService } from "./plan.ts";
import { serviceTypeOf } from "./service_types.ts";

/** What runs. */
export interface StartedService {
  readonly plan: PlannedService;
  readonly publicKey: PublicKey | undefined;
  /** Where it is bound: HTTP, or the sessions of a dmsg server. */
  readonly bound: SocketAddress | undefined;
  readonly udpAddress: SocketAddress | undefined;
  /** Where `/health` of a dmsg server is. */
  readonly health: SocketAddress | undefined;
  /** `http://...`, for a dmsg server `host:port`: how others reach it; undefined: over dmsg alone. */
  readonly address: string | undefined;
  /** `dmsg://<key>:<port>`; undefined: it is not there. */
  readonly dmsg: string | undefined;
  /** Settles with the failure of its first plane that ends by itself; never after a close. Never rejects. */
  readonly failed: Promise<unknown>;
  /** Whether others can reach it on every way that it has. */
  isReady(): boolean;
  /** Sessions with dmsg servers; of a dmsg server, with clients. */
  dmsgSessions(): number;
  refused(): RefusalCounts;
  requests(): readonly RequestCount[];
  /** Errors: `StoreError`. */
  kept(): Promise<KeptCounts>;
  /** How old the list is that it reads of another service; undefined where it reads none. */
  list?(): { readonly ageMs?: number | undefined } | undefined;
  /** May be repeated. */
  close(): Promise<void>;
}

/** A service with the common planes. */
export function startedService(
  plan: PlannedService,
  running: RunningService & Pick<StartedService, "list"> & {
    readonly udpAddress?: SocketAddress | undefined;
  },
  publicKey: PublicKey | undefined,
): StartedService {
  const { title, dmsgPort } = serviceTypeOf(plan.type);
  const isOnDmsg = running.dmsgStatus() !== undefined;
  let isClosing = false;
  return {
    plan,
    publicKey,
    bound: running.address,
    udpAddress: running.udpAddress,
    health: undefined,
    address: running.address && (plan.publicAddress ?? `http://${publicly(plan, running.address)}`),
    dmsg: isOnDmsg ? `dmsg://${publicKey}:${dmsgPort}` : undefined,
    failed: running.closed.then(() => {
      if (isClosing) return new Promise(() => {});
      const plane = running.lostPlane();
      const what = plane === undefined ? `The ${title}` : `The ${plane} side of the ${title}`;
      return new ConnClosedError(undefined, `${what} (${plan.name}) ended by itself`);
    }),
    isReady: () => !isOnDmsg || (running.dmsgStatus()?.servers.length ?? 0) > 0,
    dmsgSessions: () => running.dmsgStatus()?.servers.length ?? 0,
    refused: () => running.refused(),
    requests: () => running.requests(),
    kept: () => running.kept(),
    list: () => running.list?.(),
    close: () => {
      isClosing = true;
      return running.close();
    },
  };
}

/** A dmsg server. */
export function startedServer(
  plan: PlannedService,
  running: RunningDmsgServer,
  publicKey: PublicKey,
): StartedService {
  let isClosing = false;
  const ended = running.ended.then((cause) => {
    if (isClosing) return new Promise(() => {});
    return new ConnClosedError(cause, `The dmsg server (${plan.name}) ended by itself`);
  });
  return {
    plan,
    publicKey,
    bound: running.address,
    udpAddress: undefined,
    health: running.health,
    address: plan.publicAddress ?? publicly(plan, running.address),
    dmsg: undefined,
    failed: ended,
    isReady: () => {
      const { ready, entry } = running.server.status();
      return ready && entry?.published === true;
    },
    dmsgSessions: () => running.server.status().sessions,
    refused: () => ({}),
    requests: () => [],
    kept: () => Promise.resolve({}),
    close: () => {
      isClosing = true;
      return running.close();
    },
  };
}

/** `host:port` of what is bound there, as others reach it. */
export function publicly({ publicHost }: PlannedService, bound: SocketAddress): string {
  if (publicHost === undefined || !isEverywhere(bound.hostname)) return renderSocketAddress(reachable(bound));
  return renderSocketAddress({ hostname: publicHost, port: bound.port });
}

/** Where others will find it by HTTP, as far as that is known before it listens. */
export function httpOf(plan: PlannedService): string | undefined {
  const { address, publicAddress, mode } = plan;
  const isKnown = mode !== "dmsg" && address !== undefined && address.port !== 0;
  return publicAddress ?? (isKnown ? `http://${publicly(plan, address)}` : undefined);
}

/** A bound address as this machine reaches it. */
export function reachable({ hostname, port }: SocketAddress): SocketAddress {
  if (!isEverywhere(hostname)) return { hostname, port };
  return { hostname: hostname === "::" ? "::1" : "127.0.0.1", port };
}
