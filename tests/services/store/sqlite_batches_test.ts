/** Writes to a SQLite file that are committed together: who is told what, and when. */
import assert from "node:assert/strict";
import { DatabaseSync, StatementSync } from "node:sqlite";
import { Ledger } from "../../../lib/base/mod.ts";
import type { PublicKey } from "../../../lib/crypto/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import {
  type Binding,
  openBindingStore,
  openEntryStore,
  openServiceStore,
  openTransportStore,
  openUptimeStore,
  SqliteBindingStore,
  SqliteTransportStore,
  StoreError,
} from "../../../lib/services/store/mod.ts";
import { pair } from "../service_support.ts";
import { measuredBy } from "./transport_store_compliance.ts";

const keys = Array.from({ length: 40 }, (_, at) => pair(`key ${at}`).publicKey);
const binding: Binding = { remoteAddress: "203.0.113.7", port: 7777, addresses: ["203.0.113.7"] };
const ttl = { ttlMs: 100_000 };

async function onFile(
  test: (on: { path: string; clock: VirtualClock; ledger: Ledger }) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const ledger = new Ledger();
  try {
    await test({
      path: `${folder}/store.db`,
      clock: new VirtualClock({ wallMs: 1_795_245_178_000 }),
      ledger,
    });
    assert.deepEqual(ledger.live(), {});
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Keys that are in the file for everybody. */
function keysIn(path: string): string[] {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    return database.prepare("SELECT key FROM bindings").all().map(({ key }) => key as string);
  } finally {
    database.close();
  }
}

/** Runs `work` while these statements fail, whoever runs them; gives how many commits there were. */
async function watching(
  { failing }: { failing?: string },
  work: () => Promise<void>,
): Promise<number> {
  const { run } = StatementSync.prototype;
  let count = 0;
  StatementSync.prototype.run = function (this: StatementSync, ...given: Parameters<typeof run>) {
    if (this.sourceSQL === failing) throw new Error("disk I/O error");
    if (this.sourceSQL === "COMMIT") count++;
    return run.apply(this, given);
  } as typeof run;
  try {
    await work();
  } finally {
    StatementSync.prototype.run = run;
  }
  return count;
}

Deno.test("writes of one moment are one commit, and nobody is told before it", () =>
  onFile(async ({ path, ...world }) => {
    await using store = new SqliteBindingStore({ path, ...world });
    const seen: number[] = [];
    const commits = await watching({}, async () => {
      await Promise.all(keys.map(async (key) => {
        await store.put("stcpr", key, binding, ttl);
        seen.push(keysIn(path).length);
      }));
    });
    assert.equal(commits, 1);
    assert.deepEqual(seen, keys.map(() => keys.length));
  }));

Deno.test("requests that wait for each other's steps share their commits", () =>
  onFile(async ({ path, ...world }) => {
    await using store = new SqliteBindingStore({ path, ...world });
    const request = async (key: PublicKey) => {
      for (let nonce = 0; nonce < 5; nonce++) {
        assert.equal(await store.nonces.next(key), nonce);
        assert.equal(await store.nonces.take(key, nonce), true);
        await store.put("stcpr", key, binding, ttl);
      }
    };
    const commits = await watching({}, async () => void await Promise.all(keys.map(request)));
    assert.ok(commits <= 2 * 5 * 2, `${commits} commits of ${keys.length * 10} writes`);
  }));

Deno.test("of two requests with one number that come in one moment one is good", () =>
  onFile(async ({ path, ...world }) => {
    await using store = new SqliteBindingStore({ path, ...world });
    await using other = new SqliteBindingStore({ path, ...world });
    for (const nonce of [0, 1, 2]) {
      const taken = await Promise.all(
        [store, store, other, store, other].map(({ nonces }) => nonces.take(keys[0]!, nonce)),
      );
      assert.equal(taken.filter((isTaken) => isTaken).length, 1);
    }
  }));

Deno.test("stores that share a file do not wait for each other's commits, whatever path leads to it", () =>
  onFile(async ({ path, ...world }) => {
    await Deno.symlink(path, `${path}.link`);
    await using transports = await openTransportStore(path, world);
    await using uptimes = await openUptimeStore(`${path}.link`, world, { of: "visor_uptime" });
    const beat = { key: keys[0]!, intervalMs: 1 };
    const results = await Promise.all([
      transports.put(measuredBy(pair("alice"), 2), ttl),
      uptimes.beat(beat),
      transports.nonces.take(keys[0]!, 0),
      uptimes.beat({ ...beat, key: keys[1]! }),
    ]);
    assert.deepEqual([results[0]?.length, ...results.slice(1)], [2, "counted", true, "counted"]);
    assert.equal((await uptimes.visors()).length, 2);
    assert.equal((await transports.all()).length, 2);
  }));

Deno.test("a store of any kind opens, in a new file and an old one, while another one writes to it", () =>
  onFile(async ({ path, ...world }) => {
    const opens = [openEntryStore, openTransportStore, openBindingStore, openServiceStore, openUptimeStore];
    for (const isOld of [false, true]) {
      await using stack = new AsyncDisposableStack();
      const first = stack.use(new SqliteBindingStore({ path, ...world }));
      const writing: Promise<void>[] = [];
      for (const [at, open] of opens.entries()) {
        writing.push(first.put("stcpr", keys[at]!, binding, ttl)); // not committed when the other one opens
        stack.use(await open(path, world));
      }
      await Promise.all(writing);
      assert.equal((await first.keys("stcpr")).length, opens.length, isOld ? "old" : "new");
    }
  }));

Deno.test("services of a process that start at once share a file, while another one of them is asked", () =>
  onFile(async ({ path, ...world }) => {
    await using busy = new SqliteBindingStore({ path, ...world });
    let isStarting = true;
    const writing = (async () => {
      for (let at = 0; isStarting; at++) await busy.put("stcpr", keys[at % keys.length]!, binding, ttl);
    })();
    const starts = [
      openEntryStore(path, world).then(async (store) => ({ store, done: await store.shortenClients(1_000) })),
      openServiceStore(path, world).then(async (store) => ({ store, done: await store.shorten(1_000) })),
      openTransportStore(path, world).then(async (store) => ({ store, done: await store.shorten(1_000) })),
      openUptimeStore(path, world).then(async (store) => ({
        store,
        done: await store.nonces.take(keys[0]!, 0),
      })),
    ];
    const started = await Promise.allSettled(starts);
    isStarting = false;
    await writing;
    for (const each of started) {
      if (each.status === "fulfilled") await each.value.store[Symbol.asyncDispose]();
    }
    assert.deepEqual(started.map(({ status }) => status), starts.map(() => "fulfilled"));
  }));

Deno.test("what cannot be committed is told to all who wrote it, is not there, and counts for nothing", () =>
  onFile(async ({ path, ...world }) => {
    const maxima = { noncesMax: 20, transportsMax: 20 };
    await using store = new SqliteTransportStore({ path, ...world, ...maxima });
    const owner = { key: pair("alice").publicKey, recordsMax: 100 };
    const put = (count: number) => store.put(measuredBy(pair("alice"), count), { ...ttl, owner });
    await watching({ failing: "COMMIT" }, async () => {
      const results = await Promise.allSettled([
        put(15),
        ...keys.slice(0, 15).map((key) => store.nonces.take(key, 0)),
      ]);
      for (const result of results) {
        assert.ok(result.status === "rejected" && result.reason instanceof StoreError);
      }
    });
    assert.deepEqual(await store.all(), []);
    for (const key of keys.slice(20, 35)) assert.equal(await store.nonces.take(key, 0), true);
    // Had the first fifteen counted, somebody had been forgotten for those.
    for (const key of keys.slice(20, 35)) assert.equal(await store.nonces.next(key), 1);
    assert.equal((await put(15))?.length, 15);
    assert.equal((await put(20))?.length, 5);
    assert.equal(await put(21), undefined);
    assert.equal(await store.nonces.next(keys[0]!), 0);
  }));

Deno.test("a write that fails takes no other one with it", () =>
  onFile(async ({ path, ...world }) => {
    await using store = new SqliteTransportStore({ path, ...world });
    const alice = { key: pair("alice").publicKey, recordsMax: 3 };
    const taken = store.nonces.take(keys[0]!, 0);
    const refused = store.put(measuredBy(pair("alice"), 4), { ...ttl, owner: alice });
    const bob = { key: pair("bob").publicKey, recordsMax: 3 };
    const put = store.put(measuredBy(pair("bob"), 3, 100), { ...ttl, owner: bob });
    assert.deepEqual([await taken, await refused, (await put)?.length], [true, undefined, 3]);
    assert.equal((await store.all()).length, 3);
  }));

Deno.test("in a file that is full, what was acknowledged is there", () =>
  onFile(async ({ path, ...world }) => {
    const acknowledged: string[] = [];
    let refused = 0;
    {
      await using store = new SqliteBindingStore({ path, ...world, bytesMax: 160 * 1024 });
      const addresses = Array.from({ length: 100 }, (_, at) => `2001:db8::${at}`);
      for (let round = 0; round < 4; round++) {
        await Promise.all(keys.map(async (key, at) => {
          const big = { ...binding, addresses: addresses.slice(0, 10 + (at * 37 + round * 20) % 90) };
          try {
            await store.put(round % 2 === 0 ? "stcpr" : "sudph", key, big, ttl);
            acknowledged.push(`${round % 2} ${key}`);
          } catch (error) {
            assert.ok(error instanceof StoreError);
            refused++;
          }
        }));
      }
    }
    assert.ok(refused > 0 && acknowledged.length > 0, `${refused} refused, ${acknowledged.length} not`);
    await using store = new SqliteBindingStore({ path, ...world });
    const there = new Set([
      ...(await store.keys("stcpr")).map((key) => `0 ${key}`),
      ...(await store.keys("sudph")).map((key) => `1 ${key}`),
    ]);
    assert.deepEqual(acknowledged.filter((each) => !there.has(each)), []);
  }));

Deno.test("a store that closes commits what was written", () =>
  onFile(async ({ path, ...world }) => {
    const store = new SqliteBindingStore({ path, ...world });
    const written = store.put("stcpr", keys[0]!, binding, ttl);
    await store[Symbol.asyncDispose]();
    await written;
    assert.deepEqual(keysIn(path), [keys[0]]);
    await assert.rejects(store.put("stcpr", keys[1]!, binding, ttl), StoreError);
  }));
