/** What `/health` says (services.md 1.1): computed when it is asked, never remembered. @module */
import type { PublicKey } from "../../crypto/mod.ts";
import {
  CLOCK_DIFFERENCE_MAX_MS,
  type Store,
  StoreError,
  type StoreState,
  type UptimeStore,
} from "../store/mod.ts";
import { type Answer, json } from "./answers.ts";
import type { RefusalCounts } from "./refusals.ts";
import type { BuildInfo } from "./settings.ts";

/** The dmsg side of a service as it is now. */
export interface DmsgStatus {
  /** `<key>:<port>` that it is served on. */
  readonly address: string;
  /** Servers with a session now. */
  readonly servers: readonly PublicKey[];
}

export interface HealthFacts {
  readonly serviceName: string;
  readonly startedAtMs: number;
  readonly build?: BuildInfo;
  readonly dmsg?: DmsgStatus;
  /** The service's own key, where it tells it. */
  readonly publicKey?: PublicKey;
  /** `host:port` of its UDP side, and how that is. */
  readonly udpAddress?: string;
  readonly udp?: object;
  /** What the service refused so far; left out while that is nothing. */
  readonly refused?: RefusalCounts;
  /** What is wrong with the store: what needs it, or needs to write to it, fails, and the status of this is 503. */
  readonly store?: StoreState;
  /**
   * How far this machine's clock is ahead of that of the store by which uptimes are counted; left out while it is no
   * more than `CLOCK_DIFFERENCE_MAX_MS` either way.
   */
  readonly clockAheadMs?: number;
  /**
   * The list that the service reads of another one, and works with: how old it is. What was not read yet, or so long
   * ago that nothing in it need be so any more, makes the status 503.
   */
  readonly list?: { readonly state: "unread" | "read" | "too old"; readonly ageMs?: number | undefined };
}

/** {@link health} of a service that can do nothing without its store, which is asked; and so is that of its uptimes. */
export async function healthOver(
  store: Pick<Store, "check">,
  facts: Omit<HealthFacts, "store" | "clockAheadMs">,
  uptimes?: Pick<UptimeStore, "clockAheadMs">,
): Promise<Answer> {
  try {
    await store.check();
    return health({ ...facts, clockAheadMs: await uptimes?.clockAheadMs() });
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    return health({ ...facts, store: error.state });
  }
}

export function health(
  { serviceName, startedAtMs, build = UNSTAMPED, dmsg, publicKey, udpAddress, udp, ...facts }: HealthFacts,
): Answer {
  const { refused = {}, store, clockAheadMs = 0, list } = facts;
  const text = JSON.stringify({
    build_info: build,
    started_at: new Date(startedAtMs).toISOString(),
    dmsg_address: dmsg?.address,
    dmsg_servers: dmsg === undefined || dmsg.servers.length === 0 ? undefined : dmsg.servers,
    service_name: serviceName,
    public_key: publicKey,
    udp_address: udpAddress,
    udp,
    refused: Object.keys(refused).length === 0 ? undefined : refused,
    store,
    clock_ahead_ms: Math.abs(clockAheadMs) > CLOCK_DIFFERENCE_MAX_MS ? Math.round(clockAheadMs) : undefined,
    list: list?.state,
    list_age_ms: list?.ageMs === undefined ? undefined : Math.round(list.ageMs),
  });
  const isWell = store === undefined && (list === undefined || list.state === "read");
  return json(text, isWell ? 200 : 503);
}

const UNSTAMPED: BuildInfo = { version: "unknown", commit: "unknown", date: "unknown" };
