/** Requests of a dmsg discovery, what others may have written into its Redis, and what visors say to a resolver. @module */
import { Redis } from "ioredis";
import { Ledger, memoryPair, silentLog } from "../../../lib/base/mod.ts";
import { parsePublicKey } from "../../../lib/crypto/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { type SessionMessage, UdpSession } from "../../../lib/services/address_resolver/_udp_session.ts";
import { createDmsgDiscovery } from "../../../lib/services/dmsg_discovery/mod.ts";
import { openEntryStore, SqliteEntryStore } from "../../../lib/services/store/mod.ts";
import { ask as askService } from "../../services/service_support.ts";
import { redisMissing, TestRedis } from "../../support/redis.ts";
import recorded from "../../vectors/services/dmsg-discovery.json" with { type: "json" };
import signing from "../../vectors/dmsg/discovery-entry-signing.json" with { type: "json" };
import resolver from "../../vectors/transport/address_resolver.json" with { type: "json" };
import { jsonMutants, textMutants } from "../_mutants.ts";
import { alone, ended } from "../_rig.ts";
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

/** Everything that a visor says on its session with a resolver, which ends then. */
function sayToResolver(text: string): Promise<SessionMessage[]> {
  return alone((ledger) => {
    const clock = new VirtualClock({ ledger });
    const [near, far] = memoryPair();
    const options = { clock, key: KEY, address: "203.0.113.7:1", firstMs: 30_000, silenceMaxMs: 180_000 };
    const session = new UdpSession(near, options);
    const hear = async () => {
      const heard: SessionMessage[] = [];
      try {
        for (let next = await session.next(); next !== undefined; next = await session.next()) {
          heard.push(next);
        }
        return heard;
      } finally {
        session.close(new Error("The end"));
        far.close(new Error("The end"));
      }
    };
    const hearing = hear();
    far.write(new TextEncoder().encode(text)).then(() => far.closeWrite()).catch(() => {}); // refused midway
    return ended(clock, hearing);
  });
}
const [bind, heartbeat, , unbind] = resolver.sudph_session.flatMap(({ text }) => text ?? []);

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
    name: "services/resolver-session",
    inputs: textMutants([
      `${bind}${heartbeat}${bind}\n${heartbeat}${heartbeat}${unbind}`,
      `${heartbeat}${unbind}`,
    ]),
    feed: sayToResolver,
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
