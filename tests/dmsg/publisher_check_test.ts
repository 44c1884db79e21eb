/** EntryPublisher looks whether the discovery still has its entry, and posts it anew when not. */
import assert from "node:assert/strict";
import { Scope } from "../../lib/base/mod.ts";
import { ENTRY_CACHE_MS } from "../../lib/dmsg/discovery.ts";
import { type Entry, signEntry, verifyEntry } from "../../lib/dmsg/entry.ts";
import {
  DUPLICATE_TOLD_MS,
  EntryPublisher,
  OWN_ENTRY_CHECK_JITTER_MS,
  OWN_ENTRY_CHECK_MS,
} from "../../lib/dmsg/_publisher.ts";
import { sleep } from "../../lib/runtime/mod.ts";
import { clientAt, type DmsgNetworkUnderTest, inNetwork, key, pair } from "./client_support.ts";

const REFRESH_MS = 30 * 60_000;
const CHECK_MS_MAX = OWN_ENTRY_CHECK_MS + OWN_ENTRY_CHECK_JITTER_MS;

interface Bench {
  readonly network: DmsgNetworkUnderTest;
  readonly publisher: EntryPublisher;
  readonly sleep: (ms: number) => Promise<void>;
}

/** A client of the key `a` that has posted its entry at time 0; its looks and posts since are counted. */
function withPublished(
  seed: number,
  scenario: (bench: Bench) => Promise<void>,
  { refreshMs = REFRESH_MS } = {},
): Promise<void> {
  return inNetwork(seed, async (network) => {
    const scope = new Scope();
    const world = network.world("a");
    const publisher = new EntryPublisher({
      world,
      local: pair("a"),
      log: network.log("a"),
      scope,
      discovery: network.discovery,
      content: () => ({ client: { delegatedServers: [key("s1")] } }),
      same: (a, b) => JSON.stringify(a.client) === JSON.stringify(b.client),
      refreshMs,
    });
    publisher.nudge();
    await sleep(world.clock, 1);
    assert.deepEqual(network.discovery.of("post").length, 1);
    network.discovery.calls.length = 0;
    try {
      await scenario({ network, publisher, sleep: (ms) => sleep(world.clock, ms) });
    } finally {
      network.discovery.before = () => {};
      scope.end();
      await publisher.remove();
      await scope[Symbol.asyncDispose]();
    }
  });
}

function lose(network: DmsgNetworkUnderTest, entry: Entry): Promise<void> {
  return network.discovery.remove(entry);
}

Deno.test("EntryPublisher looks at its entry each 30 to 40 s, at a time of its own, and posts nothing while it is there", () =>
  withPublished(1, async ({ network, sleep }) => {
    await sleep(20 * CHECK_MS_MAX);
    assert.deepEqual(network.discovery.of("post"), []);
    const atMs = network.discovery.of("entry", "a").map((call) => call.atMs);
    const waits = atMs.map((ms, index) => ms - (atMs[index - 1] ?? 0));
    assert.ok(waits.length >= 20);
    assert.ok(waits.every((ms) => ms >= OWN_ENTRY_CHECK_MS && ms <= CHECK_MS_MAX + 1), waits.join());
    assert.ok(new Set(waits.map(Math.round)).size > 10, "jitter");
    assert.ok(
      OWN_ENTRY_CHECK_MS >= ENTRY_CACHE_MS,
      "a look must not be answered from the cache of the last one",
    );
  }));

Deno.test("EntryPublisher posts a lost entry anew within 40 s, as the next iteration", () =>
  withPublished(2, async ({ network, publisher, sleep }) => {
    for (const expected of [1n, 2n]) {
      await lose(network, (await network.discovery.stored("a"))!);
      await sleep(CHECK_MS_MAX);
      const stored = (await network.discovery.stored("a"))!;
      assert.deepEqual([stored.sequence, verifyEntry(stored)], [expected, true]);
      assert.equal(publisher.status().sequence, expected);
    }
    assert.equal(network.messages("does not have the last entry").length, 2);
    assert.equal(publisher.status().duplicateSeenMs, undefined);
  }));

Deno.test("EntryPublisher replaces an older iteration of its own, as a restored store has it", () =>
  withPublished(3, async ({ network, publisher, sleep }) => {
    const older = (await network.discovery.stored("a"))!;
    await lose(network, older);
    await sleep(CHECK_MS_MAX);
    network.discovery.put(older);
    await sleep(CHECK_MS_MAX);
    assert.equal((await network.discovery.stored("a"))!.sequence, 2n);
    assert.equal(publisher.status().duplicateSeenMs, undefined, "an entry of our own is no other process");
  }));

Deno.test("EntryPublisher takes its place again after another process with its key, and says so", () =>
  withPublished(4, async ({ network, publisher, sleep }) => {
    const foreign = { ...clientAt("a", ["s9"]), sequence: 7n, timestamp: 10n ** 18n };
    network.discovery.put(signEntry(foreign, pair("a").secretKey));
    await sleep(CHECK_MS_MAX + 1_000);
    const stored = (await network.discovery.stored("a"))!;
    assert.deepEqual([stored.sequence, stored.client!.delegatedServers], [8n, [key("s1")]]);
    assert.notEqual(publisher.status().duplicateSeenMs, undefined);
  }));

/** Another process posts as the next after whatever is stored. */
async function postForeign(network: DmsgNetworkUnderTest): Promise<void> {
  const { sequence, timestamp } = (await network.discovery.stored("a"))!;
  const next = { ...clientAt("a", ["s9"]), sequence: sequence + 1n, timestamp: timestamp + 1n };
  network.discovery.put(signEntry(next, pair("a").secretKey));
}

const isDuplicate = (publisher: EntryPublisher) => publisher.status().duplicateSeenMs !== undefined;

for (const refreshMs of [REFRESH_MS, 60_000]) {
  Deno.test(`EntryPublisher, ${refreshMs / 60_000} min: a duplicate that posts each 5 min never lapses, and one that ended does`, () =>
    withPublished(10, async ({ network, publisher, sleep }) => {
      const seenWithinMs = Math.max(CHECK_MS_MAX, Math.min(refreshMs, 60_000)) + 1_000;
      for (let round = 0; round < 6; round++) {
        await postForeign(network);
        for (let ms = 0; ms < 5 * 60_000; ms += 10_000) {
          const isSeen = round > 0 || ms > seenWithinMs;
          assert.ok(!isSeen || isDuplicate(publisher), `round ${round}, ${ms} ms`);
          await sleep(10_000);
        }
      }
      const untilMs = publisher.status().duplicateSeenMs! + DUPLICATE_TOLD_MS;
      await sleep(untilMs - network.world("a").clock.wallMs() - 1);
      assert.ok(isDuplicate(publisher), "a look before it was over ends nothing");
      await sleep(seenWithinMs);
      assert.ok(!isDuplicate(publisher));
    }, { refreshMs }));
}

Deno.test("EntryPublisher: of two with one key that both live each tells of the other one without a break", () =>
  withPublished(13, async ({ network, publisher, sleep }) => {
    const scope = new Scope();
    const twin = new EntryPublisher({
      world: network.world("b"),
      local: pair("a"),
      log: network.log("b"),
      scope,
      discovery: network.discovery,
      content: () => ({ client: { delegatedServers: [key("s9")] } }),
      same: (a, b) => JSON.stringify(a.client) === JSON.stringify(b.client),
      refreshMs: REFRESH_MS,
    });
    try {
      twin.nudge();
      await sleep(3 * CHECK_MS_MAX);
      for (let ms = 0; ms < 4 * DUPLICATE_TOLD_MS; ms += 5_000) {
        assert.deepEqual([isDuplicate(publisher), isDuplicate(twin)], [true, true], `${ms} ms`);
        await sleep(5_000);
      }
    } finally {
      scope.end();
      await twin.remove();
      await scope[Symbol.asyncDispose]();
    }
  }));

Deno.test("EntryPublisher keeps a duplicate told of while the discovery does not answer", () =>
  withPublished(11, async ({ network, publisher, sleep }) => {
    await postForeign(network);
    await sleep(CHECK_MS_MAX + 1_000);
    network.discovery.before = () => {
      throw new Error("no discovery");
    };
    await sleep(3 * DUPLICATE_TOLD_MS);
    assert.ok(isDuplicate(publisher), "nobody knows");
    network.discovery.before = () => {};
    await sleep(CHECK_MS_MAX + 1_000);
    assert.ok(!isDuplicate(publisher));
  }));

Deno.test("EntryPublisher tells anew of a duplicate that comes back", () =>
  withPublished(12, async ({ network, publisher, sleep }) => {
    for (let time = 1; time <= 2; time++) {
      assert.ok(!isDuplicate(publisher));
      await postForeign(network);
      await sleep(CHECK_MS_MAX + 1_000);
      assert.ok(isDuplicate(publisher), `time ${time}`);
      await sleep(DUPLICATE_TOLD_MS + CHECK_MS_MAX);
    }
  }));

Deno.test("EntryPublisher takes an entry whose content was changed under its signature for lost", () =>
  withPublished(5, async ({ network, sleep }) => {
    const stored = (await network.discovery.stored("a"))!;
    network.discovery.put({ ...stored, client: { delegatedServers: [key("s9")] } });
    await sleep(CHECK_MS_MAX + 1_000);
    assert.deepEqual((await network.discovery.stored("a"))!.client!.delegatedServers, [key("s1")]);
  }));

Deno.test("EntryPublisher posts nothing on a look without an answer, and looks again after half the time", () =>
  withPublished(6, async ({ network, publisher, sleep }) => {
    await lose(network, (await network.discovery.stored("a"))!);
    network.discovery.calls.length = 0;
    network.discovery.before = ({ what }) => {
      if (what === "entry") throw new Error("no discovery");
    };
    await sleep(3 * CHECK_MS_MAX);
    assert.deepEqual(network.discovery.of("post"), []);
    const atMs = network.discovery.of("entry").map((call) => call.atMs);
    const waits = atMs.slice(1).map((ms, index) => ms - atMs[index]!);
    assert.ok(waits.length >= 3 && waits.every((ms) => ms >= 15_000 && ms <= 20_001), waits.join());
    assert.deepEqual([publisher.status().published, publisher.status().failure], [true, undefined]);
    network.discovery.before = () => {};
    await sleep(20_001);
    assert.equal((await network.discovery.stored("a"))!.sequence, 1n);
  }));

Deno.test("EntryPublisher keeps on posting a lost entry until it is taken", () =>
  withPublished(7, async ({ network, publisher, sleep }) => {
    await lose(network, (await network.discovery.stored("a"))!);
    network.discovery.before = ({ what }) => {
      if (what === "post") throw new Error("connection lost");
    };
    await sleep(CHECK_MS_MAX + 10_000);
    assert.ok(network.discovery.of("post").length >= 3);
    assert.match(publisher.status().failure!, /connection lost/);
    assert.equal(publisher.status().published, false); // it is known not to be there
    network.discovery.before = () => {};
    await sleep(31_000);
    assert.equal(publisher.status().published, true);
    assert.notEqual(await network.discovery.stored("a"), undefined);
    assert.equal(publisher.status().failure, undefined);
  }));

Deno.test("EntryPublisher does not look at an entry that is posted each minute anyway", () =>
  withPublished(8, async ({ network, sleep }) => {
    await sleep(5 * 60_000 + 1);
    assert.deepEqual(network.discovery.of("entry"), []);
    assert.deepEqual(network.discovery.of("post").length, 5);
  }, { refreshMs: 60_000 }));

Deno.test("EntryPublisher posts when its wait is over, at whatever fraction of a millisecond", () =>
  inNetwork(9, async (network) => {
    const world = network.world("a");
    const refreshMs = 60_000;
    for (let round = 0; round < 200; round++) {
      network.discovery.calls.length = 0;
      const scope = new Scope();
      await sleep(world.clock, 1 / 3 + round * 0.7311);
      const publisher = new EntryPublisher({
        world,
        local: pair("a"),
        log: network.log("a"),
        scope,
        discovery: network.discovery,
        content: () => ({ client: { delegatedServers: [] } }),
        same: () => true,
        refreshMs,
      });
      publisher.nudge();
      await sleep(world.clock, 1.5 * refreshMs); // a loop of waits of 0 would never get here
      assert.equal(network.discovery.of("post").length, 2);
      scope.end();
      await publisher.remove();
      await scope[Symbol.asyncDispose]();
    }
  }, { untilMs: 10 * 3_600_000 }));
