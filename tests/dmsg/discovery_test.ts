/** LayeredDiscovery and MemoryDiscovery: seeds, the cache and its bounds (DC-1, DC-14; peer-announce.md 8). */
import assert from "node:assert/strict";
import type { PublicKey } from "../../lib/crypto/mod.ts";
import { ENTRY_CACHE_MAX, LayeredDiscovery, MemoryDiscovery } from "../../lib/dmsg/discovery.ts";
import type { Entry } from "../../lib/dmsg/entry.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { clientAt, key, seedOf, WatchedDiscovery } from "./client_support.ts";

function layered(seeded: Entry[] = []) {
  const clock = new VirtualClock();
  const behind = new WatchedDiscovery(() => clock.monotonicMs());
  return { clock, behind, discovery: new LayeredDiscovery(behind, clock, seeded) };
}

/** An entry whose owner is only a text: as many as one likes, cheaply. */
const BASE = clientAt("a", []);
function cheap(index: number): Entry {
  return { ...BASE, static: `key ${index}` as PublicKey };
}

Deno.test("LayeredDiscovery believes a looked-up entry for 30 s", async () => {
  const { clock, behind, discovery } = layered();
  behind.put(clientAt("a", ["s1"]));
  const first = await discovery.entry(key("a"));
  behind.put(clientAt("a", ["s2"]));
  await clock.advance(30_000 - 1);
  assert.equal(await discovery.entry(key("a")), first);
  assert.equal(behind.calls.length, 1);
  await clock.advance(1);
  assert.deepEqual((await discovery.entry(key("a")))!.client!.delegatedServers, [key("s2")]);
  assert.equal(behind.calls.length, 2);
});

Deno.test("LayeredDiscovery remembers neither a missing entry nor a failure", async () => {
  const { behind, discovery } = layered();
  assert.equal(await discovery.entry(key("a")), undefined);
  behind.before = () => {
    throw new Error("no discovery");
  };
  await assert.rejects(discovery.entry(key("a")), { message: "no discovery" });
  behind.before = () => {};
  behind.put(clientAt("a", ["s1"]));
  assert.ok(await discovery.entry(key("a")) !== undefined);
});

Deno.test("LayeredDiscovery never looks a seeded entry up, nor lets another take its place", async () => {
  const { clock, behind, discovery } = layered([seedOf("s1", 1), clientAt("service", ["s1"])]);
  behind.put(seedOf("s1", 500), seedOf("s2", 3), clientAt("service", []));
  assert.equal((await discovery.availableServers()).length, 2);
  for (const ms of [0, 30_000, 3_600_000]) {
    await clock.advance(ms);
    assert.equal((await discovery.entry(key("s1")))!.server!.availableSessions, 1);
    assert.deepEqual((await discovery.entry(key("service")))!.client!.delegatedServers, [key("s1")]);
    discovery.forget(key("s1"));
  }
  assert.deepEqual(behind.of("entry"), []);
  assert.deepEqual(discovery.seededServers().map((entry) => entry.static), [key("s1")]);
});

Deno.test("LayeredDiscovery.published() gives what the discovery has, and never a seed or what is cached", async () => {
  const { behind, discovery } = layered([seedOf("s1", 1), seedOf("s2", 1)]);
  behind.put(seedOf("s1", 500), clientAt("a", ["s1"]));
  assert.equal((await discovery.published(key("s1")))!.server!.availableSessions, 500);
  assert.equal(await discovery.published(key("s2")), undefined);
  assert.equal((await discovery.entry(key("s1")))!.server!.availableSessions, 1); // the seed stays
  await discovery.entry(key("a"));
  behind.put(clientAt("a", ["s2"]));
  assert.deepEqual((await discovery.published(key("a")))!.client!.delegatedServers, [key("s2")]);
  assert.deepEqual((await discovery.entry(key("a")))!.client!.delegatedServers, [key("s2")]); // and is believed now
});

Deno.test("LayeredDiscovery keeps listed servers, forgets on request, and after writes of the same key", async () => {
  const { behind, discovery } = layered();
  behind.put(seedOf("s2", 3));
  await discovery.availableServers();
  await discovery.entry(key("s2"));
  assert.deepEqual(behind.of("entry"), []);
  discovery.forget(key("s2"));
  await discovery.entry(key("s2"));
  assert.equal(behind.of("entry").length, 1);
  await discovery.post({ ...seedOf("s2", 4), sequence: 1n });
  assert.equal((await discovery.entry(key("s2")))!.server!.availableSessions, 4);
  await discovery.remove(seedOf("s2"));
  assert.equal(await discovery.entry(key("s2")), undefined);
  assert.deepEqual(await discovery.allServers(), []);
});

Deno.test("LayeredDiscovery keeps so many entries and no more; the oldest goes first", async () => {
  const { behind, discovery } = layered();
  for (let index = 0; index <= ENTRY_CACHE_MAX; index++) behind.put(cheap(index));
  for (let index = 0; index <= ENTRY_CACHE_MAX; index++) await discovery.entry(cheap(index).static);
  assert.equal(behind.calls.length, ENTRY_CACHE_MAX + 1);
  await discovery.entry(cheap(1).static);
  await discovery.entry(cheap(ENTRY_CACHE_MAX).static);
  assert.equal(behind.calls.length, ENTRY_CACHE_MAX + 1, "kept");
  await discovery.entry(cheap(0).static);
  assert.equal(behind.calls.length, ENTRY_CACHE_MAX + 2, "gone");
});

Deno.test("MemoryDiscovery lists servers, those with room as available", async () => {
  const memory = new MemoryDiscovery([seedOf("s1", 0), seedOf("s2", 2), clientAt("a", [])]);
  const names = (entries: Entry[]) => entries.map((entry) => entry.static);
  assert.deepEqual(names(await memory.availableServers()), [key("s2")]);
  assert.deepEqual(names(await memory.allServers()), [key("s1"), key("s2")]);
  await memory.post(clientAt("b", ["s1"]));
  assert.ok(await memory.entry(key("b")) !== undefined);
  await memory.remove(clientAt("b", []));
  assert.equal(await memory.entry(key("b")), undefined);
});
