/** Requests of a dmsg discovery, and what others may have written into its Redis. @module */
import { Redis } from "ioredis";
import { Ledger, silentLog } from "../../../lib/base/mod.ts";
import { parsePublicKey } from "../../../lib/crypto/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { createDmsgDiscovery } from "../../../lib/services/dmsg_discovery/mod.ts";
import { openEntryStore, SqliteEntryStore } from "../../../lib/services/store/mod.ts";
import { ask as askService } from "../../services/service_support.ts";
import { redisMissing, TestRedis } from "../../support/redis.ts";
import recorded from "../../vectors/services/dmsg-discovery.json" with { type: "json" };
import signing from "../../vectors/dmsg/discovery-entry-signing.json" with { type: "json" };
import { jsonMutants, textMutants } from "../_mutants.ts";
import { alone } from "../_rig.ts";
import type { FuzzTarget } from "../_target.ts";

const bodies = recorded.exchanges.flatMap(({ request }) => request.body ? [request.body] : []);
const paths = [...new Set(recorded.exchanges.map(({ request }) => request.path))];
const WALL_MS = 1_795_245_239_471;

/** One request to a discovery of its own; it answers, whatever comes, and says nothing of a failure of its own. */
function ask(method: string, path: string, body: string | null): Promise<unknown> {
  return alone(async (ledger) => {
    const clock = new VirtualClock({ ledger, wallMs: WALL_MS });
    await using store = new SqliteEntryStore({ clock, ledger });
    const discovery = createDmsgDiscovery({
      store,
      world: { clock, random: { bytes: (length) => new Uint8Array(length) } },
      log: { ...silentLog, error: (message, fields) => failures.push(`${message} ${fields?.cause}`) },
      settings: { allowLoopbackAddresses: true },
    });
    const answer = await askService(discovery, { method, path, body: body ?? "" });
    if (failures.length > 0) throw new Error(failures.splice(0).join("; "));
    if (answer.status < 200 || answer.status > 503) throw new Error(`Status ${answer.status}`);
    return answer.body;
  });
}
const failures: string[] = [];

const KEY = parsePublicKey(signing.vectors[0]!.pk);
let redis: TestRedis | undefined;
let client: Redis | undefined;
let store: Awaited<ReturnType<typeof openEntryStore>> | undefined;

/** Puts a text where an entry should be, and asks every question of the store. */
async function readForeign(text: string): Promise<unknown> {
  if (store === undefined) {
    redis = await TestRedis.start();
    client = new Redis(redis.url);
    store = await openEntryStore(redis.url, { clock: new VirtualClock(), ledger: new Ledger() });
    for (const set of ["clients", "visorClients", "servers"]) await client.sadd(set, KEY, "no key");
  }
  await client!.set(KEY, text);
  const questions = [
    store.get(KEY),
    store.batch([KEY]),
    store.clientKeys(),
    store.visorKeys(),
    store.allServers(),
    store.availableServers(),
    store.clientsOf(KEY),
    store.clientsByServer(),
    store.counts(),
  ] as const;
  const [got, batch, , , all, available] = await Promise.all(questions);
  if (got !== text.toWellFormed()) throw new Error("A stored text comes back as another");
  // Lists are handed out as JSON: nothing in them may be less.
  return [...batch.values(), ...all, ...available].map((entry) => JSON.parse(entry));
}

export const serviceTargets: readonly FuzzTarget[] = [
  {
    name: "services/discovery-posts",
    inputs: jsonMutants(bodies),
    feed: (body: string) => ask("POST", "/dmsg-discovery/entry/", body),
    refuses: false,
  },
  {
    name: "services/discovery-deletions",
    inputs: jsonMutants(bodies),
    feed: (body: string) => ask("DELETE", "/dmsg-discovery/entry", body),
    refuses: false,
  },
  {
    name: "services/discovery-paths",
    inputs: textMutants(paths),
    feed: (path: string) => ask("GET", path, null),
    refuses: false,
  },
  {
    name: "services/redis-texts",
    inputs: jsonMutants(signing.vectors.map(({ wire }) => wire)),
    feed: readForeign,
    refuses: false,
    missing: redisMissing,
    async end() {
      await store?.[Symbol.asyncDispose]();
      client?.disconnect();
      await redis?.[Symbol.asyncDispose]();
      store = client = redis = undefined;
    },
  },
];
