/** What every EntryStore does. `makeStore` gives an empty one, twice open where it can be. */
import assert from "node:assert/strict";
import type { PublicKey } from "../../../lib/crypto/mod.ts";
import { type EntryStore, type StoredEntry, StoreError } from "../../../lib/services/store/mod.ts";

export interface StoreUnderTest extends AsyncDisposable {
  readonly store: EntryStore;
  /** Another handle on the same data; `store` itself where there can be no other. */
  readonly other: EntryStore;
  /** Lets time pass. */
  elapse(ms: number): Promise<void>;
}

/** The `index`th of many keys. Stores do not look at the point. */
export function key(index: number): PublicKey {
  return `02${index.toString(16).padStart(64, "0")}` as PublicKey;
}

/** What the API would store for these roles: facts and text agree. */
export function stored(
  owner: PublicKey,
  { sequence = 0, delegatedServers, isVisor = false, availableSessions }: {
    sequence?: number;
    delegatedServers?: PublicKey[];
    isVisor?: boolean;
    availableSessions?: number;
  },
): StoredEntry {
  const text = JSON.stringify({
    version: "0.0.1",
    sequence,
    timestamp: 1,
    static: owner,
    client: delegatedServers && { delegated_servers: delegatedServers },
    client_type: isVisor ? "visor" : undefined,
    server: availableSessions === undefined ? undefined : { address: "203.0.113.5:1", availableSessions },
  });
  return { key: owner, text, delegatedServers, isVisor, availableSessions };
}

const first = { ttlMs: 60_000, replaces: undefined };
const sorted = <T>(list: Iterable<T>) => [...list].sort();

type Case = (under: StoreUnderTest) => Promise<void>;

/** Every case by its claim. */
export const storeCompliance: Readonly<Record<string, Case>> = {
  "an empty store has nothing to say": async ({ store }) => {
    assert.equal(await store.get(key(1)), undefined);
    assert.equal(await store.remove(key(1)), false);
    assert.deepEqual(await store.batch([]), new Map());
    assert.deepEqual(await store.batch([key(1)]), new Map());
    for (
      const list of [store.clientKeys(), store.visorKeys(), store.allServers(), store.availableServers()]
    ) {
      assert.deepEqual(await list, []);
    }
    assert.deepEqual(await store.clientsOf(key(1)), []);
    assert.deepEqual(await store.clientsByServer(), new Map());
    assert.deepEqual(await store.counts(), { clients: 0, visors: 0, servers: 0 });
  },

  "a text comes back as it was put, whatever is in it": async ({ store, other }) => {
    const texts = [`{"a":"é\u2028\\"'; DROP TABLE entries; --"}`, "", "{}", `"${"x".repeat(64 * 1024)}"`];
    for (const [index, text] of texts.entries()) {
      const entry = { ...stored(key(index), { delegatedServers: [] }), text };
      assert.equal(await store.put(entry, first), true);
      assert.equal(await other.get(key(index)), text);
    }
  },

  "a put happens only if the text that it replaces is the one that is stored": async ({ store, other }) => {
    const [one, two, three] = [0, 1, 2].map((sequence) =>
      stored(key(1), { sequence, delegatedServers: [] })
    ) as [
      StoredEntry,
      StoredEntry,
      StoredEntry,
    ];
    assert.equal(await store.put(two, { ttlMs: 60_000, replaces: one.text }), false, "nothing is stored yet");
    assert.equal(await store.put(one, first), true);
    assert.equal(await store.put(two, first), false, "something is stored");
    assert.equal(
      await other.put(two, { ttlMs: 60_000, replaces: three.text }),
      false,
      "something else is stored",
    );
    assert.equal(await store.get(key(1)), one.text);
    assert.equal(await other.put(two, { ttlMs: 60_000, replaces: one.text }), true);
    assert.equal(await store.put(three, { ttlMs: 60_000, replaces: one.text }), false, "it was replaced");
    assert.equal(await store.get(key(1)), two.text);
  },

  "of 60 puts at once that replace the same text exactly one wins, ten times": async ({ store, other }) => {
    let replaces: string | undefined;
    for (let round = 0; round < 10; round++) {
      const puts = Array.from({ length: 60 }, (_, index) => {
        const entry = stored(key(1), { sequence: 1_000 * round + index, delegatedServers: [key(index)] });
        return (index % 2 === 0 ? store : other).put(entry, { ttlMs: 60_000, replaces })
          .then((won) => won ? [entry] : []);
      });
      const winners = (await Promise.all(puts)).flat();
      assert.equal(winners.length, 1);
      replaces = winners[0]!.text;
      assert.equal(await store.get(key(1)), replaces);
      assert.deepEqual(sorted((await store.clientsByServer()).keys()), winners[0]!.delegatedServers);
    }
  },

  "an entry is in no answer once its time is over": async ({ store, elapse }) => {
    const entry = stored(key(1), { delegatedServers: [key(7)], isVisor: true, availableSessions: 3 });
    assert.equal(await store.put(entry, { ttlMs: 10_000, replaces: undefined }), true);
    await store.put(stored(key(2), { delegatedServers: [key(7)] }), first);
    await elapse(9_000);
    assert.equal(await store.get(key(1)), entry.text);
    assert.deepEqual(await store.counts(), { clients: 2, visors: 1, servers: 1 });
    await elapse(1_000);
    assert.equal(await store.get(key(1)), undefined);
    assert.deepEqual([...(await store.batch([key(1), key(2)])).keys()], [key(2)]);
    assert.deepEqual(await store.clientKeys(), [key(2)]);
    assert.deepEqual(await store.visorKeys(), []);
    assert.deepEqual(await store.allServers(), []);
    assert.deepEqual(await store.availableServers(), []);
    assert.deepEqual(await store.clientsOf(key(7)), [key(2)]);
    assert.deepEqual(await store.clientsByServer(), new Map([[key(7), [key(2)]]]));
    assert.deepEqual(await store.counts(), { clients: 1, visors: 0, servers: 0 });
    assert.equal(await store.remove(key(1)), false);
    assert.equal(
      await store.put(entry, { ttlMs: 10_000, replaces: entry.text }),
      false,
      "there is none to replace",
    );
    assert.equal(await store.put(entry, first), true, "the key is free again");
  },

  "each put starts the time anew": async ({ store, elapse }) => {
    let replaces: string | undefined;
    for (let sequence = 0; sequence < 4; sequence++) {
      const entry = stored(key(1), { sequence, delegatedServers: [] });
      assert.equal(await store.put(entry, { ttlMs: 10_000, replaces }), true);
      replaces = entry.text;
      await elapse(8_000);
    }
    assert.equal(await store.get(key(1)), replaces);
    await elapse(2_000);
    assert.equal(await store.get(key(1)), undefined);
  },

  "shortenClients() ends clients that would live for longer, and nobody else": async (
    { store, other, elapse },
  ) => {
    const live = (ttlMs: number) => ({ ttlMs, replaces: undefined });
    await store.put(stored(key(1), { delegatedServers: [key(7)], isVisor: true }), live(100_000_000));
    await store.put(stored(key(2), { delegatedServers: [] }), live(100_000));
    await store.put(stored(key(3), { availableSessions: 1 }), live(100_000_000));
    await store.put(stored(key(4), { delegatedServers: [], availableSessions: 1 }), live(100_000_000));
    await other.shortenClients(200_000);
    await elapse(100_000);
    assert.deepEqual(sorted(await store.clientKeys()), [key(1), key(4)]);
    await elapse(100_000);
    assert.equal(await store.get(key(1)), undefined);
    assert.deepEqual(await store.visorKeys(), []);
    assert.deepEqual(await store.clientKeys(), [key(4)]);
    assert.equal((await store.allServers()).length, 2);
  },

  "many entries end together and leave room for others": async ({ store, elapse }) => {
    for (let index = 0; index < 100; index++) {
      await store.put(stored(key(index), { delegatedServers: [key(500)] }), {
        ttlMs: 1_000,
        replaces: undefined,
      });
    }
    await elapse(1_000);
    assert.equal(await store.put(stored(key(99), { delegatedServers: [] }), first), true);
    assert.deepEqual(await store.clientsOf(key(500)), [], "what it named in its former life is forgotten");
    assert.equal(await store.remove(key(99)), true);
    for (let index = 50; index < 150; index++) {
      assert.equal(await store.put(stored(key(index), { delegatedServers: [key(501)] }), first), true);
    }
    assert.equal((await store.clientKeys()).length, 100);
    assert.deepEqual(await store.clientsOf(key(500)), []);
    assert.equal((await store.clientsOf(key(501))).length, 100);
  },

  "an entry leaves the lists of the roles that it gave up": async ({ store }) => {
    const roles = [
      { delegatedServers: [key(8)], isVisor: true },
      { delegatedServers: [key(9)] },
      { availableSessions: 4 },
      { delegatedServers: [], availableSessions: 0 },
    ];
    const seen: unknown[] = [];
    let replaces: string | undefined;
    for (const [sequence, role] of roles.entries()) {
      const entry = stored(key(1), { sequence, ...role });
      assert.equal(await store.put(entry, { ttlMs: 60_000, replaces }), true);
      replaces = entry.text;
      const { clients, visors, servers } = await store.counts();
      assert.equal((await store.clientKeys()).length, clients);
      assert.equal((await store.visorKeys()).length, visors);
      assert.equal((await store.allServers()).length, servers);
      seen.push([clients, visors, servers, [...(await store.clientsByServer()).keys()]]);
    }
    assert.deepEqual(seen, [[1, 1, 0, [key(8)]], [1, 0, 0, [key(9)]], [0, 0, 1, []], [1, 0, 1, []]]);
  },

  "a removed entry is gone everywhere, and only it": async ({ store, other }) => {
    for (const owner of [key(1), key(2)]) {
      await store.put(
        stored(owner, { delegatedServers: [key(7)], isVisor: true, availableSessions: 1 }),
        first,
      );
    }
    assert.equal(await other.remove(key(1)), true);
    assert.equal(await store.remove(key(1)), false);
    assert.equal(await store.get(key(1)), undefined);
    assert.deepEqual(await store.clientsOf(key(7)), [key(2)]);
    assert.deepEqual(await store.clientKeys(), [key(2)]);
    assert.deepEqual(await store.counts(), { clients: 1, visors: 1, servers: 1 });
  },

  "available servers are those that take a session more, most free first": async ({ store }) => {
    const free = [5, 0, 2_048, -3, 1, 300];
    for (const [index, availableSessions] of free.entries()) {
      await store.put(stored(key(index), { availableSessions }), first);
    }
    const available = (await store.availableServers()).map((text) =>
      JSON.parse(text).server.availableSessions
    );
    assert.deepEqual(available, [2_048, 300, 5, 1]);
    assert.equal((await store.allServers()).length, free.length);
  },

  "clients are listed by each server that they name, once": async ({ store }) => {
    await store.put(stored(key(1), { delegatedServers: [key(7), key(8), key(7)] }), first);
    await store.put(stored(key(2), { delegatedServers: [key(8)] }), first);
    await store.put(stored(key(8), { availableSessions: 5 }), first);
    const clients = await store.clientsByServer();
    assert.deepEqual(sorted(clients.keys()), [key(7), key(8)]);
    assert.deepEqual(clients.get(key(7)), [key(1)]);
    assert.deepEqual(sorted(clients.get(key(8))!), [key(1), key(2)]);
    assert.deepEqual(await store.clientsOf(key(7)), [key(1)]);
    assert.deepEqual(sorted(await store.clientsOf(key(8))), [key(1), key(2)]);
    assert.deepEqual(await store.clientsOf(key(1)), []);
  },

  "2,500 entries are listed and read in one batch": async ({ store }) => {
    const keys = Array.from({ length: 2_500 }, (_, index) => key(index));
    await Promise.all(
      keys.map((owner) => store.put(stored(owner, { delegatedServers: [key(9_999)] }), first)),
    );
    assert.deepEqual(sorted(await store.clientKeys()), keys);
    const found = await store.batch([...keys, key(5_000)]);
    assert.equal(found.size, 2_500);
    assert.equal(found.get(key(1_234)), stored(key(1_234), { delegatedServers: [key(9_999)] }).text);
    assert.equal((await store.clientsOf(key(9_999))).length, 2_500);
  },

  "a closed store refuses with StoreError, and closes again in silence": async ({ store }) => {
    await store[Symbol.asyncDispose]();
    await store[Symbol.asyncDispose]();
    await assert.rejects(store.get(key(1)), StoreError);
    await assert.rejects(store.put(stored(key(1), { delegatedServers: [] }), first), StoreError);
    await assert.rejects(store.clientKeys(), StoreError);
  },
};
