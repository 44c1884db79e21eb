/** One suite per store of a service, run by every implementation: SQLite in memory and in a file. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Ledger } from "../../../lib/base/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import {
  type BindingStore,
  InvalidStoreNameError,
  type NonceStore,
  openBindingStore,
  openTransportStore,
  StoreError,
  type TransportStore,
} from "../../../lib/services/store/mod.ts";
import { SqliteTransportStore } from "../../../lib/services/store/sqlite_transport_store.ts";
import type { TransportRecord } from "../../../lib/directory/mod.ts";
import { pair, transportOf } from "../service_support.ts";

const [alice, bob, carol] = [pair("alice"), pair("bob"), pair("carol")];

interface Opened<S> {
  readonly store: S;
  readonly clock: VirtualClock;
}

/** Runs `test` on every kind of store, each of its own; nothing is left open. */
function everyStore<S extends AsyncDisposable & { readonly nonces: NonceStore }>(
  open: (name: string, world: { clock: VirtualClock; ledger: Ledger }) => S,
  name: string,
  test: (opened: Opened<S>) => Promise<void>,
): void {
  for (const kind of ["memory", "a file"]) {
    Deno.test(`${name} (${kind})`, async () => {
      const folder = kind === "memory" ? undefined : await Deno.makeTempDir();
      const world = { clock: new VirtualClock(), ledger: new Ledger() };
      {
        await using store = open(folder === undefined ? "memory" : `${folder}/store.db`, world);
        await test({ store, clock: world.clock });
      }
      assert.deepEqual(world.ledger.live(), {});
      if (folder !== undefined) await Deno.remove(folder, { recursive: true });
    });
  }
}

const onTransports = (name: string, test: (opened: Opened<TransportStore>) => Promise<void>) =>
  everyStore(openTransportStore, name, test);
const onBindings = (name: string, test: (opened: Opened<BindingStore>) => Promise<void>) =>
  everyStore(openBindingStore, name, test);

onTransports("put() stores no more than an owner's maximum, and nothing of what is beyond it", async (
  { store, clock },
) => {
  const others = ["one", "two", "three", "four", "five"].map((name) => transportOf(alice, pair(name)));
  const ofAlice = { ttlMs: 1_000, owner: { key: alice.publicKey, recordsMax: 3 } };
  assert.equal((await store.put(others.slice(0, 2), ofAlice))!.length, 2);
  assert.equal(await store.put(others.slice(2), ofAlice), undefined);
  assert.deepEqual(await store.all(), others.slice(0, 2), "all or nothing");
  assert.equal((await store.put(others.slice(1, 3), ofAlice))!.length, 1);
  assert.deepEqual(await store.put(others.slice(0, 3), ofAlice), [], "renewed");
  assert.equal(await store.put(others.slice(3), ofAlice), undefined);

  const ofBob = { ttlMs: 1_500, owner: { key: bob.publicKey, recordsMax: 1 } };
  const relabelled = { ...others[0]!, label: "automatic" };
  assert.equal((await store.put([relabelled], ofBob))!.length, 1, "what another one registered is not his");
  assert.equal((await store.put([others[3]!], ofBob))!.length, 1);
  assert.equal(await store.put([others[4]!], ofBob), undefined);
  assert.deepEqual(await store.remove([others[1]!.id]), [others[1]!.id]);
  assert.equal((await store.put([others[4]!], ofAlice))!.length, 1, "a place is free again");
  assert.equal(await store.put([others[1]!], ofAlice), undefined, "what was relabelled is hers still");

  await clock.advance(1_000);
  assert.deepEqual((await store.all()).map(({ id }) => id), [others[0]!.id, others[3]!.id]);
  await clock.advance(500);
  assert.equal((await store.put(others.slice(0, 3), ofAlice))!.length, 3, "what has ended counts for nobody");
  assert.deepEqual(await store.put(others, { ttlMs: 1_000 }).then((changed) => changed!.length), 2);
});

Deno.test("a file of before transports had owners is taken as it is", async () => {
  const folder = await Deno.makeTempDir();
  const world = { clock: new VirtualClock(), ledger: new Ledger() };
  const file = new DatabaseSync(`${folder}/store.db`);
  file.exec(`
    CREATE TABLE transports (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, edge_a TEXT NOT NULL,
      edge_b TEXT NOT NULL, type TEXT NOT NULL, label TEXT NOT NULL, ends_ms INTEGER NOT NULL) STRICT`);
  const [old, fresh] = [transportOf(alice, bob), transportOf(alice, carol)];
  file.prepare("INSERT INTO transports (id, edge_a, edge_b, type, label, ends_ms) VALUES (?, ?, ?, ?, ?, ?)")
    .run(old.id, ...old.edges, old.type, old.label, Number.MAX_SAFE_INTEGER);
  file.close();
  const owner = { key: alice.publicKey, recordsMax: 1 };
  for (const expected of [[old], [old, fresh]]) {
    await using store = openTransportStore(`${folder}/store.db`, world);
    assert.deepEqual(await store.all(), expected);
    await store.put([fresh], { ttlMs: 1_000, owner });
    assert.equal(await store.put([transportOf(alice, pair("dave"))], { ttlMs: 1_000, owner }), undefined);
  }
  await Deno.remove(folder, { recursive: true });
});

onTransports("put() gives what is new or other, and stores all or nothing", async ({ store }) => {
  const [first, second] = [transportOf(alice, bob), transportOf(bob, carol)];
  assert.deepEqual(await store.put([first, second], { ttlMs: 1_000 }), [first, second]);
  assert.deepEqual(await store.put([first, second], { ttlMs: 1_000 }), []);
  const labelled = transportOf(alice, bob, { label: "automatic" });
  assert.deepEqual(await store.put([second, labelled], { ttlMs: 1_000 }), [labelled]);
  const measured = transportOf(bob, carol, { latency: { min: 1, max: 3, avg: 2 } });
  assert.deepEqual(await store.put([measured, measured], { ttlMs: 1_000 }), [measured]);
  assert.deepEqual(await store.put([measured], { ttlMs: 1_000 }), []);
  const unfit = { ...first, label: {} as string };
  await assert.rejects(store.put([transportOf(alice, carol), unfit], { ttlMs: 1_000 }), StoreError);
  assert.deepEqual(await store.all(), [labelled, measured]);
  assert.deepEqual(await store.put([], { ttlMs: 1_000 }), []);
});

/** Of the latencies of 0, 1, 2, ... transports, the average of each that is still known when it is asked for. */
async function latenciesOf(store: TransportStore, records: readonly TransportRecord[]) {
  const bare = records.map(({ latency: _, ...record }) => record);
  await store.put(bare, { ttlMs: 1_000 });
  const known = await Promise.all(bare.map(({ id }) => store.byId(id)));
  return known.map((record) => record!.latency?.avg);
}

const measuredBy = (owner: typeof alice, count: number, from = 0) =>
  Array.from({ length: count }, (_, at) => {
    const avg = from + at + 1;
    return transportOf(owner, pair(`peer ${from + at}`), { latency: { min: avg, max: avg, avg } });
  });

onTransports("the latency of a transport goes with its removal", async ({ store, clock }) => {
  const [removed, ended] = measuredBy(alice, 2);
  await store.put([removed!, ended!], { ttlMs: 100 });
  await store.remove([removed!.id]);
  await clock.advance(100);
  assert.deepEqual(await latenciesOf(store, [removed!, ended!]), [undefined, 2]);
});

onTransports("one owner has no more latencies than transports, the newest ones", async ({ store, clock }) => {
  const owner = { key: alice.publicKey, recordsMax: 3 };
  const other = measuredBy(bob, 2, 100);
  await store.put(other, { ttlMs: 10 });
  for (let round = 0; round < 4; round++) {
    assert.equal((await store.put(measuredBy(alice, 2, 2 * round), { ttlMs: 10, owner }))?.length, 2);
    await clock.advance(10);
  }
  const known = await latenciesOf(store, measuredBy(alice, 8));
  assert.equal(known.filter((avg) => avg !== undefined).length, 3);
  assert.deepEqual(known.slice(6), [7, 8]);
  assert.deepEqual(await latenciesOf(store, other), [101, 102], "those of others stay");
});

Deno.test("all transports together have a maximum, also of a file that is opened again; renewals go on", async () => {
  const folder = await Deno.makeTempDir();
  const clock = new VirtualClock();
  const options = { path: `${folder}/store.db`, clock, transportsMax: 20 };
  const ofKey = (owner: typeof alice) => ({ ttlMs: 100, owner: { key: owner.publicKey, recordsMax: 100 } });
  const [ofAlice, ofBob] = [measuredBy(alice, 12), measuredBy(bob, 8, 100)];
  {
    await using store = new SqliteTransportStore(options);
    assert.equal(await store.put(measuredBy(alice, 21), ofKey(alice)), undefined);
    assert.equal((await store.put(ofAlice, ofKey(alice)))?.length, 12);
    assert.equal((await store.put(ofBob, ofKey(bob)))?.length, 8);
  }
  await using store = new SqliteTransportStore(options);
  const ofCarol = measuredBy(carol, 1, 200);
  for (let round = 0; round < 3; round++) assert.equal(await store.put(ofCarol, ofKey(carol)), undefined);
  await clock.advance(99);
  assert.deepEqual(await store.put(ofBob, ofKey(bob)), [], "renewed");
  await store.remove(ofAlice.slice(0, 1).map(({ id }) => id));
  assert.equal((await store.put(ofCarol, ofKey(carol)))?.length, 1, "a place is free");
  await clock.advance(1);
  const many = measuredBy(carol, 11, 300);
  assert.equal((await store.put(many, ofKey(carol)))?.length, 11, "what has ended makes room at once");
  assert.equal(await store.put(ofAlice.slice(0, 1), ofKey(alice)), undefined);
  assert.equal((await store.all()).length, 20);
  {
    await using shorter = new SqliteTransportStore({ ...options, transportsMax: 5 });
    assert.deepEqual(
      await shorter.put(many, ofKey(carol)),
      [],
      "those that are there are renewed all the same",
    );
  }
  await Deno.remove(folder, { recursive: true });
});

Deno.test("all latencies together have a maximum, also of a file that is opened again; the oldest go", async () => {
  const folder = await Deno.makeTempDir();
  const clock = new VirtualClock();
  const options = { path: `${folder}/store.db`, clock, latenciesMax: 5 };
  const [first, second] = [measuredBy(alice, 3), measuredBy(bob, 3, 10)];
  {
    await using store = new SqliteTransportStore(options);
    await store.put(first, { ttlMs: 10 });
    const full = { key: carol.publicKey, recordsMax: 1 };
    for (let round = 0; round < 10; round++) { // refused ones count for nothing
      assert.equal(await store.put(measuredBy(carol, 2, 50), { ttlMs: 10, owner: full }), undefined);
    }
    await store.put(first, { ttlMs: 10 });
    await store.remove(first.slice(0, 1).map(({ id }) => id));
    await clock.advance(10);
  }
  await using store = new SqliteTransportStore(options);
  await store.put(second, { ttlMs: 10 });
  await clock.advance(10);
  assert.deepEqual(await latenciesOf(store, [...first, ...second]), [undefined, 2, 3, 11, 12, 13]);
  await store.put(measuredBy(carol, 4, 20), { ttlMs: 10 });
  const known = await latenciesOf(store, [...first, ...second, ...measuredBy(carol, 4, 20)]);
  assert.deepEqual(known.slice(6), [21, 22, 23, 24]);
  assert.equal(known.filter((avg) => avg !== undefined).length, 5);
  await Deno.remove(folder, { recursive: true });
});

onTransports("everything ends in its time, and 0 never", async ({ store, clock }) => {
  const [short, long, endless] = ["stcpr", "sudph", "dmsg"].map((type) => transportOf(alice, bob, { type }));
  await store.put([short!], { ttlMs: 100 });
  await store.put([long!], { ttlMs: 200.5 });
  await store.put([endless!], { ttlMs: 0 });
  assert.deepEqual((await store.allWithLives()).map(({ leftMs }) => leftMs), [100, 201, Infinity]);
  await clock.advance(100);
  assert.deepEqual(await store.all(), [long, endless]);
  assert.equal(await store.byId(short!.id), undefined);
  assert.deepEqual(await store.remove([short!.id]), [], "it is gone already");
  await clock.advance(1e12);
  assert.deepEqual(await store.byEdges([alice.publicKey]), [endless]);
  await store.shorten(50);
  await clock.advance(49);
  assert.equal((await store.all()).length, 1);
  await clock.advance(1);
  assert.deepEqual(await store.all(), []);
});

onTransports(
  "byEdges() finds a transport at either edge, once, in the order of arrival",
  async ({ store }) => {
    const self = transportOf(alice, alice, { type: "dmsg" });
    const records = [transportOf(alice, bob), self, transportOf(carol, alice), transportOf(bob, carol)];
    await store.put(records, { ttlMs: 0 });
    assert.deepEqual(await store.byEdges([alice.publicKey]), records.slice(0, 3));
    assert.equal((await store.byEdges([alice.publicKey, bob.publicKey, alice.publicKey])).length, 4);
    assert.deepEqual(await store.byEdges([]), []);
    assert.deepEqual(await store.remove([self.id, self.id, "other"]), [self.id]);
  },
);

onTransports("ended rows are deleted by and by", async ({ store, clock }) => {
  const many = Array.from({ length: 40 }, (_, index) => transportOf(alice, pair(`peer ${index}`)));
  await store.put(many, { ttlMs: 10 });
  await clock.advance(10);
  for (let index = 0; index < 6; index++) await store.put([transportOf(bob, carol)], { ttlMs: 1_000 });
  assert.deepEqual((await store.all()).length, 1);
  await store.put(many, { ttlMs: 10 });
  assert.equal((await store.all()).length, 41, "and come back as new ones");
});

onBindings("a binding is kept, replaced, removed, and ends", async ({ store, clock }) => {
  const first = { remoteAddress: "203.0.113.7", port: 7777, addresses: ["203.0.113.7", "::1"] };
  await store.put("stcpr", alice.publicKey, first, { ttlMs: 100 });
  await store.put("sudph", alice.publicKey, { ...first, addresses: [] }, { ttlMs: 0 });
  assert.deepEqual(await store.get("stcpr", alice.publicKey), first);
  assert.deepEqual((await store.get("sudph", alice.publicKey))?.addresses, []);
  assert.equal(await store.get("stcpr", bob.publicKey), undefined);
  await clock.advance(99);
  await store.put("stcpr", alice.publicKey, { ...first, port: 1 }, { ttlMs: 100 });
  await clock.advance(99);
  assert.equal((await store.get("stcpr", alice.publicKey))?.port, 1);
  await clock.advance(1);
  assert.deepEqual([await store.keys("stcpr"), await store.keys("sudph")], [[], [alice.publicKey]]);
  assert.deepEqual([
    await store.remove("stcpr", alice.publicKey),
    await store.remove("sudph", alice.publicKey),
  ], [
    false,
    true,
  ]);
});

for (const [name, on] of [["transports", onTransports], ["bindings", onBindings]] as const) {
  on(
    `numbers of ${name}: raised from the next one only`,
    async ({ store: { nonces } }: Opened<{ nonces: NonceStore }>) => {
      assert.equal(await nonces.next(alice.publicKey), 0);
      assert.equal(await nonces.raise(alice.publicKey, 1), false);
      assert.equal(await nonces.raise(alice.publicKey, 0), true);
      assert.equal(await nonces.raise(alice.publicKey, 0), false);
      assert.equal(await nonces.raise(alice.publicKey, 1), true);
      assert.deepEqual([await nonces.next(alice.publicKey), await nonces.next(bob.publicKey)], [2, 0]);
    },
  );
}

Deno.test("both services can share a file, and a file keeps everything over a restart", async () => {
  const folder = await Deno.makeTempDir();
  const world = { clock: new VirtualClock(), ledger: new Ledger() };
  const path = `${folder}/services.db`;
  for (const isSecond of [false, true]) {
    await using transports = openTransportStore(path, world);
    await using bindings = openBindingStore(path, world);
    if (isSecond) {
      assert.equal((await transports.all()).length, 1);
      assert.deepEqual(await bindings.keys("stcpr"), [bob.publicKey]);
      assert.equal(await transports.nonces.next(alice.publicKey), 1);
      assert.equal(await bindings.nonces.next(alice.publicKey), 0, "each service counts for itself");
      continue;
    }
    await transports.put([transportOf(alice, bob)], { ttlMs: 1_000 });
    await bindings.put("stcpr", bob.publicKey, { remoteAddress: "::1", port: 1, addresses: [] }, {
      ttlMs: 1_000,
    });
    await transports.nonces.raise(alice.publicKey, 0);
  }
  assert.deepEqual(world.ledger.live(), {});
  await Deno.remove(folder, { recursive: true });
});

Deno.test("names of stores that are none, and a store that is closed", async () => {
  const world = { clock: new VirtualClock(), ledger: new Ledger() };
  for (const open of [openTransportStore, openBindingStore]) {
    for (const name of ["", "redis://127.0.0.1:6379", "postgres://x"]) {
      assert.throws(() => open(name, world), InvalidStoreNameError);
    }
    assert.throws(() => open("/proc/no/such/folder.db", world), StoreError);
  }
  const store = openTransportStore("memory", world);
  await store[Symbol.asyncDispose]();
  await store[Symbol.asyncDispose]();
  await assert.rejects(store.all(), StoreError);
  assert.deepEqual(world.ledger.live(), {});
});
