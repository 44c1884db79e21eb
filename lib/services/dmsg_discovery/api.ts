/**
 * The HTTP API of a dmsg discovery (protocol: dmsg.md 9.1), over plain HTTP and over dmsg alike.
 *
 * A plain switch instead of a router: the answers' exact bodies for unknown paths and methods are the
 * protocol's, and looking one entry up, which every dial of the network begins with, costs a few microseconds.
 *
 * @module
 */
import { describeError, LimitError, type Log } from "../../base/mod.ts";
import { type HttpHandler, type RawHandler, readAll, streamBody } from "../../http/mod.ts";
import type { World } from "../../runtime/mod.ts";
import { type EntryStore, StoreError } from "../store/mod.ts";
import {
  type Answer,
  bare,
  json,
  NOT_FOUND,
  type Question,
  TOO_LARGE,
  TOO_MANY,
  UNEXPECTED,
} from "./_answer.ts";
import { deregister } from "./_deregister.ts";
import { type DmsgStatus, renderHealth } from "./_health.ts";
import { allServers, availableServers, clientsByServer, clientsOf, entriesOf, entryOf } from "./_lists.ts";
import { Publisher } from "./_publish.ts";
import { RateLimit } from "./_rate_limit.ts";
import { type DmsgDiscoverySettings, ENTRY_BODY_BYTES_MAX, KEYS_BODY_BYTES_MAX } from "./settings.ts";

export interface DmsgDiscoveryOptions {
  /** Stays the caller's, who closes it. */
  readonly store: EntryStore;
  readonly world: Pick<World, "clock" | "random">;
  readonly log: Log;
  readonly settings?: DmsgDiscoverySettings;
  /** Asked for each `/health`; gives undefined while there is no dmsg side. */
  readonly dmsgStatus?: () => DmsgStatus | undefined;
}

/** The same answers in both forms that an HTTP server takes. */
export interface DmsgDiscovery {
  readonly fetch: HttpHandler;
  /** Skips the web's objects: for the server loop of `lib/http`. */
  readonly raw: RawHandler;
}

/** Answers requests. Holds nothing that needs a close. */
export function createDmsgDiscovery(
  { store, world, log, settings = {}, dmsgStatus }: DmsgDiscoveryOptions,
): DmsgDiscovery {
  const publisher = new Publisher({ store, clock: world.clock, log, settings });
  const whitelist = new Set<string>(settings.whitelistKeys);
  const rateLimit = new RateLimit(world.clock);
  const startedAtMs = world.clock.wallMs();

  /** The answer, or the methods that the path has, or undefined when there is no such path. */
  function route(question: Question): Promise<Answer> | Answer | Allowed | undefined {
    const { method, path } = question;
    if (path === "/health") {
      if (method !== "GET") return GET_ONLY;
      return json(renderHealth({ settings, startedAtMs, dmsg: dmsgStatus?.() }));
    }
    if (!path.startsWith(PREFIX)) return undefined;
    const rest = path.slice(PREFIX.length);
    const post = async () => publisher.post(await question.text(ENTRY_BODY_BYTES_MAX), sourceOf(question));
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
        return question.text(ENTRY_BODY_BYTES_MAX).then((body) => publisher.remove(body));
      case "entries/batch":
        if (method !== "POST") return POST_ONLY;
        return question.text(KEYS_BODY_BYTES_MAX).then((body) => entriesOf(store, body));
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

  async function answer(question: Question): Promise<Answer> {
    const caller = dmsgCaller(question.remote);
    if (caller !== undefined && !rateLimit.admits(caller)) return TOO_MANY;
    try {
      const routed = await route(question);
      if (routed === undefined) return NOT_FOUND;
      return "allowed" in routed ? bare(405, [["Allow", routed.allowed]]) : routed;
    } catch (error) {
      if (error instanceof LimitError) return TOO_LARGE;
      if (!(error instanceof StoreError)) throw error;
      log.error("Store failed", { error: describeError(error), path: question.path.slice(0, 128) });
      return UNEXPECTED;
    }
  }

  return {
    async fetch(request, { remote }) {
      const { status, headers, body } = await answer({
        method: request.method,
        path: pathOf(request.url),
        header: (name) => request.headers.get(name),
        text: async (bytesMax) =>
          request.body === null ? "" : decoder.decode(await readAll(streamBody(request.body), bytesMax)),
        remote,
      });
      return new Response(body === "" ? null : body, { status, headers: headers as [string, string][] });
    },
    raw(request) {
      return answer({
        method: request.method,
        path: pathOf(request.target),
        header: (name) => request.headers.get(name) ?? null,
        text: async (bytesMax) => decoder.decode(await readAll(request.body, bytesMax)),
        remote: request.remote,
      });
    },
  };
}

/** The methods of a path that was asked with another one. */
interface Allowed {
  readonly allowed: string;
}

/** The path of a target or URL as it was sent: nothing is decoded, because a key is plain text. */
function pathOf(target: string): string {
  const scheme = /^[a-z]+:\/\/[^/?#]*/i.exec(target)?.[0].length ?? 0;
  const end = target.slice(scheme).search(/[?#]/);
  return end < 0 ? target.slice(scheme) : target.slice(scheme, scheme + end);
}

/** The key of a caller over dmsg, proven by its stream; undefined for an address of the internet. */
function dmsgCaller(remote: string): string | undefined {
  return /^(0[23][0-9a-f]{64}):[0-9]+$/.exec(remote)?.[1];
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
const GET_ONLY: Allowed = { allowed: "GET" };
const POST_ONLY: Allowed = { allowed: "POST" };
const DELETE_ONLY: Allowed = { allowed: "DELETE" };
const GET_AND_POST: Allowed = { allowed: "GET, POST" };
/** A proxy's word about an address: room for IPv6 with a zone, not for a story. */
const SOURCE_CHARS_MAX = 64;
const decoder = new TextDecoder();
