/** What a discovery may answer that is not true. Whoever asks must neither break nor believe it. @module */
import { clientEntry, type Entry, renderEntry, serverEntry, signEntry } from "../dmsg/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import { keyPairFromSeed } from "../crypto/mod.ts";
import type { RawHandler, RawResponse } from "../http/mod.ts";
import type { Fleet } from "./fleet.ts";

export interface Lie {
  /** In words, for the timeline. */
  readonly name: string;
  readonly answer: (fleet: Fleet) => RawHandler;
}

/** Every kind of lie. */
export const LIES: readonly Lie[] = [
  {
    name: "the entry of another visor for every key, and everything is stored",
    answer: (fleet) => (request) => {
      const asked = keyOf(request.target);
      const other = fleet.visors.find(({ publicKey }) => publicKey !== asked)!;
      const entry = signEntry(
        clientEntry({ publicKey: other.publicKey, delegatedServers: [], timestamp: 1n }),
        other.keys.secretKey,
      );
      return request.method === "GET" ? json(renderEntry(entry)) : STORED;
    },
  },
  {
    name: "garbage with status 200",
    answer: (fleet) => () => ({
      status: 200,
      body: fleet.director.random.bytes(fleet.random.integer(0, 5_000)),
    }),
  },
  { name: "nothing is known, and nothing is taken", answer: () => () => ({ status: 404, body: "no" }) },
  { name: "an internal error to everything", answer: () => () => ({ status: 500, body: "{}" }) },
  {
    name: "forged entries: visors at a server that does not exist, and servers of a stranger",
    answer: (fleet) => {
      const stranger = keyPairFromSeed(new TextEncoder().encode("stranger"));
      const server = { address: "nowhere:1", availableSessions: 1_000 };
      const nowhere = serverEntry({ publicKey: stranger.publicKey, server, timestamp: 1n });
      const servers = fleet.servers.map(({ publicKey }) =>
        serverEntry({ publicKey, server: { ...server, address: "nowhere:2" }, timestamp: 1n })
      );
      return ({ target, method }) => {
        if (method !== "GET") return STORED;
        if (target.endsWith("_servers")) return json(`[${[nowhere, ...servers].map(renderEntry).join()}]`);
        return json(renderEntry(forged(keyOf(target), stranger.publicKey, nowhere)));
      };
    },
  },
];

function forged(asked: PublicKey | undefined, server: PublicKey, nowhere: Entry): Entry {
  if (asked === undefined || asked === server) return nowhere;
  return clientEntry({ publicKey: asked, delegatedServers: [server], timestamp: 2n ** 62n });
}

/** The key in `/dmsg-discovery/entry/<key>`; only those of a fleet ask, whose keys are well-formed. */
function keyOf(target: string): PublicKey | undefined {
  return /\/entry\/([0-9a-f]{66})$/.exec(target)?.[1] as PublicKey | undefined;
}

function json(body: string): RawResponse {
  return { status: 200, headers: [["Content-Type", "application/json"]], body };
}

const STORED: RawResponse = json('{"code":200,"message":"wrote a new entry"}');
