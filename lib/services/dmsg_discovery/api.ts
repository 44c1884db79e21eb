/**
 * The HTTP API of a dmsg discovery (protocol: dmsg.md 9.1), over plain HTTP and over dmsg alike.
 *
 * A plain switch instead of a router: the answers' exact bodies for unknown paths and methods are the
 * protocol's, and looking one entry up, which every dial of the network begins with, costs a few microseconds.
 *
 * @module
 */
import { LimitError, type Log } from "../../base/mod.ts";
import type { World } from "../../runtime/mod.ts";
import {
  allowing,
  type Answer,
  dmsgCaller,
  type DmsgStatus,
  healthOver,
  json,
  type Question,
  RateLimit,
  type RefusalCounts,
  type ServiceApi,
  StoreFailures,
} from "../hosting/mod.ts";
import { type EntryStore, StoreError } from "../store/mod.ts";
import { NOT_FOUND, textOf, TOO_LARGE, TOO_MANY, UNEXPECTED } from "./_answer.ts";
import { deregister } from "./_deregister.ts";
import { allServers, availableServers, clientsByServer, clientsOf, entriesOf, entryOf } from "./_lists.ts";
import { Publisher } from "./_publish.ts";
import {
  type DmsgDiscoverySettings,
  ENTRY_BODY_BYTES_MAX,
  KEYS_BODY_BYTES_MAX,
  REQUESTS_BURST,
  REQUESTS_PER_MINUTE,
} from "./settings.ts";

export interface DmsgDiscoveryOptions {
  /** Stays the caller's, who closes it. */
  readonly store: EntryStore;
  readonly world: Pick<World, "clock" | "random">;
  readonly log: Log;
  readonly settings?: DmsgDiscoverySettings;
  /** Asked for each `/health`; gives undefined while there is no dmsg side. */
  readonly dmsgStatus?: () => DmsgStatus | undefined;
  /** The same: what was refused so far. */
  readonly refused?: () => RefusalCounts;
}

/** Answers requests. Holds nothing that needs a close. */
export function createDmsgDiscovery(
  { store, world, log, settings = {}, dmsgStatus, refused }: DmsgDiscoveryOptions,
): ServiceApi {
  const publisher = new Publisher({ store, clock: world.clock, log, settings });
  const whitelist = new Set<string>(settings.whitelistKeys);
  const rateLimit = new RateLimit(world.clock, {
    perMinute: REQUESTS_PER_MINUTE,
    burst: REQUESTS_BURST,
  });
  const failures = new StoreFailures(log, world.clock);
  const startedAtMs = world.clock.wallMs();

  /** The answer, or undefined when there is no such path. */
  function route(question: Question): Promise<Answer> | Answer | undefined {
    const { method, path } = question;
    if (path === "/health") {
      if (method !== "GET") return GET_ONLY;
      const { build, publicKey } = settings;
      const facts = { startedAtMs, build, dmsg: dmsgStatus?.(), refused: refused?.(), publicKey };
      return healthOver(store, { serviceName: "dmsg-discovery", ...facts });
    }
    if (!path.startsWith(PREFIX)) return undefined;
    const rest = path.slice(PREFIX.length);
    const post = async () => publisher.post(await textOf(question, ENTRY_BODY_BYTES_MAX), sourceOf(question));
    if (rest.startsWith("entry/")) {
      const key = rest.slice("entry/".length);
      if (key.includes("/")) return undefined;
      if (method === "POST") return post(); // whatever key the path has
      if (key === "") return POST_ONLY;
      return method === "GET" ? entryOf(store, key) : GET_AND_POST;
    }
    const clientsOfServer = /^server\/([^/]+)\/clients$/.exec(rest)?.[1];
    if (clientsOfServer !== undefined) return method === "GET" ? clientsOf(store, clientsOfServer) : GET_ONLY;
    switch (rest) {
      case "entry":
        if (method !== "DELETE") return DELETE_ONLY;
        return textOf(question, ENTRY_BODY_BYTES_MAX).then((body) => publisher.remove(body));
      case "entries/batch":
        if (method !== "POST") return POST_ONLY;
        return textOf(question, KEYS_BODY_BYTES_MAX).then((body) => entriesOf(store, body));
      case "deregister":
        return method === "DELETE" ? deregister(question, { store, whitelist }) : DELETE_ONLY;
      case "entries":
        return method === "GET" ? store.clientKeys().then((keys) => json(JSON.stringify(keys))) : GET_ONLY;
      case "visorEntries":
        return method === "GET" ? store.visorKeys().then((keys) => json(JSON.stringify(keys))) : GET_ONLY;
      case "available_servers":
        return method === "GET" ? availableServers(store, world.random) : GET_ONLY;
      case "all_servers":
        return method === "GET" ? allServers(store) : GET_ONLY;
      case "servers/clients":
        return method === "GET" ? clientsByServer(store) : GET_ONLY;
      default:
        return undefined;
    }
  }

  return async (question) => {
    const caller = dmsgCaller(question.remote);
    if (caller !== undefined && rateLimit.waitMs(caller) > 0) return TOO_MANY;
    try {
      return await route(question) ?? NOT_FOUND;
    } catch (error) {
      if (error instanceof LimitError) return TOO_LARGE;
      if (!(error instanceof StoreError)) throw error;
      failures.tell(error, { path: question.path });
      return UNEXPECTED;
    }
  };
}

/** Who posted, for the log: a proven key, or the address, for which a proxy in front may speak (services.md 1.3). */
function sourceOf(question: Question): string {
  const { remote } = question;
  if (dmsgCaller(remote) !== undefined) return remote;
  const told = question.header("true-client-ip") ?? question.header("x-real-ip") ??
    question.header("x-forwarded-for")?.split(",")[0];
  return told?.trim().slice(0, SOURCE_CHARS_MAX) || remote;
}

const PREFIX = "/dmsg-discovery/";
const GET_ONLY = allowing("GET");
const POST_ONLY = allowing("POST");
const DELETE_ONLY = allowing("DELETE");
const GET_AND_POST = allowing("GET, POST");
/** A proxy's word about an address: room for IPv6 with a zone, not for a story. */
const SOURCE_CHARS_MAX = 64;
