/** The stores of a transport discovery and an address resolver on SQLite and Redis; files, and names that are none. */
import assert from "node:assert/strict";
import { DatabaseSync } from "node:sqlite";
import { Ledger } from "../../../lib/base/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import {
  InvalidStoreNameError,
  openBindingStore,
  openServiceStore,
  openTransportStore,
  openUptimeStore,
  StoreError,
} from "../../../lib/services/store/mod.ts";
import { SqliteTransportStore } from "../../../lib/services/store/sqlite_transport_store.ts";
import { pair, transportOf } from "../service_support.ts";
import { bindingStoreCompliance } from "./binding_store_compliance.ts";
import { everyStoreComplies } from "./store_under_test.ts";
import { latenciesOf, measuredBy, transportStoreCompliance } from "./transport_store_compliance.ts";

const [alice, bob, carol] = [pair("alice"), pair("bob"), pair("carol")];

everyStoreComplies("transports", openTransportStore, transportStoreCompliance);
everyStoreComplies("bindings", openBindingStore, bindingStoreCompliance);

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
    await using store = await openTransportStore(`${folder}/store.db`, world);
    assert.deepEqual(await store.all(), expected);
    await store.put([fresh], { ttlMs: 1_000, owner });
    assert.equal(await store.put([transportOf(alice, pair("dave"))], { ttlMs: 1_000, owner }), undefined);
  }
  await Deno.remove(folder, { recursive: true });
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

Deno.test("both services can share a file, and a file keeps everything over a restart", async () => {
  const folder = await Deno.makeTempDir();
  const world = { clock: new VirtualClock(), ledger: new Ledger() };
  const path = `${folder}/services.db`;
  for (const isSecond of [false, true]) {
    await using transports = await openTransportStore(path, world);
    await using bindings = await openBindingStore(path, world);
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
    await transports.nonces.take(alice.publicKey, 0);
  }
  assert.deepEqual(world.ledger.live(), {});
  await Deno.remove(folder, { recursive: true });
});

Deno.test("names of stores that are none", async () => {
  const world = { clock: new VirtualClock(), ledger: new Ledger() };
  for (const open of [openTransportStore, openBindingStore, openServiceStore, openUptimeStore]) {
    for (const name of ["", "redis://", "postgres://x"]) {
      await assert.rejects(open(name, world), InvalidStoreNameError);
    }
    await assert.rejects(open("/proc/no/such/folder.db", world), StoreError);
    await assert.rejects(open("redis://127.0.0.1:1", world), StoreError);
    const store = await open("memory", world);
    await store.check();
    await store[Symbol.asyncDispose]();
    await assert.rejects(store.check(), StoreError);
  }
  assert.deepEqual(world.ledger.live(), {});
});
