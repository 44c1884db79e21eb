/** EntryPublisher: sequences, quiet, back-off, foreign entries, and the end (dmsg.md 8.4; DC-7, DC-10). */
import assert from "node:assert/strict";
import { Scope } from "../../lib/base/mod.ts";
import type { Discovery } from "../../lib/dmsg/discovery.ts";
import { signEntry, verifyEntry } from "../../lib/dmsg/entry.ts";
import { EntryRefusedError } from "../../lib/dmsg/http_discovery.ts";
import {
  type EntryContent,
  EntryPublisher,
  PUBLISH_QUIET_MAX_MS,
  SEQUENCE_TRIES_MAX,
} from "../../lib/dmsg/_publisher.ts";
import { sleep } from "../../lib/runtime/mod.ts";
import {
  clientAt,
  type DmsgNetworkUnderTest,
  hang,
  inNetwork,
  key,
  pair,
  sequenceRefusal,
} from "./client_support.ts";

const REFRESH_MS = 30 * 60_000;

class Bench {
  readonly scope = new Scope();
  readonly publisher: EntryPublisher;
  content: EntryContent | undefined = says("s1");
  posted = 0;

  constructor(readonly network: DmsgNetworkUnderTest, discovery: Discovery = network.discovery) {
    this.publisher = new EntryPublisher({
      world: network.world("a"),
      local: pair("a"),
      log: network.log("a"),
      scope: this.scope,
      discovery,
      content: () => this.content,
      same: (a, b) => JSON.stringify(a.client) === JSON.stringify(b.client),
      refreshMs: REFRESH_MS,
      onChange: () => this.posted++,
    });
  }
  change(server: string): void {
    this.content = says(server);
    this.publisher.nudge();
  }
  sleep(ms: number): Promise<void> {
    return sleep(this.network.world("a").clock, ms);
  }
  get posts() {
    return this.network.discovery.of("post");
  }
  sequences(): bigint[] {
    return this.posts.map(({ entry }) => entry!.sequence);
  }
  async close(): Promise<void> {
    this.scope.end();
    await this.publisher.remove();
    await this.scope[Symbol.asyncDispose]();
  }
}

function says(server: string): EntryContent {
  return { client: { delegatedServers: [key(server)] }, clientType: "visor" };
}

/** An entry of our own key that some other process signed. */
function foreign(sequence: bigint, timestamp = 1n) {
  return signEntry({ ...clientAt("a", ["s9"]), sequence, timestamp }, pair("a").secretKey);
}

/** Runs a scenario with a publisher, which is closed in any case. */
function withBench(seed: number, scenario: (bench: Bench) => Promise<void>): Promise<void> {
  return inNetwork(seed, async (network) => {
    const bench = new Bench(network);
    try {
      await scenario(bench);
    } finally {
      network.discovery.before = network.discovery.after = () => {};
      await bench.close();
    }
  }, { untilMs: 3 * REFRESH_MS });
}

Deno.test("EntryPublisher posts sequence 0 after a genuine not found, signed, and the next after what is stored", () =>
  withBench(1, async (bench) => {
    await bench.sleep(5_000);
    assert.deepEqual(bench.network.discovery.calls, [], "nothing before it was told");
    bench.publisher.nudge();
    await bench.sleep(0);
    assert.deepEqual(bench.network.discovery.calls.map(({ what }) => what), ["entry", "post"]);
    const entry = bench.posts[0]!.entry!;
    assert.deepEqual([entry.sequence, entry.clientType, verifyEntry(entry)], [0n, "visor", true]);
    assert.equal(bench.posted, 1);
    const status = bench.publisher.status();
    assert.deepEqual([status.published, status.sequence, status.failure], [true, 0n, undefined]);
  }));

Deno.test("EntryPublisher goes on from the stored sequence, and its time is later even with a clock set back", () =>
  withBench(2, async (bench) => {
    const timestamp = 10n ** 19n / 2n; // far ahead of every clock
    bench.network.discovery.put(foreign(7n, timestamp));
    bench.publisher.nudge();
    await bench.sleep(0);
    assert.deepEqual(bench.sequences(), [8n]);
    assert.equal(bench.posts[0]!.entry!.timestamp, timestamp + 1n);
    assert.equal(
      bench.publisher.status().duplicateSeenMs,
      undefined,
      "an earlier run's entry is no duplicate",
    );
  }));

Deno.test("EntryPublisher posts nothing while the look-up fails, and tries again after 1, 2, 4 ... 30 s", () =>
  withBench(3, async (bench) => {
    const { discovery } = bench.network;
    discovery.before = ({ what }) => {
      if (what === "entry") throw new Error("no discovery");
    };
    bench.publisher.nudge();
    await bench.sleep(200_000);
    assert.deepEqual(bench.posts, []);
    const waits = discovery.calls.map(({ atMs }, index) => atMs - (discovery.calls[index - 1]?.atMs ?? 0));
    assert.deepEqual(waits, [0, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000, 30_000]);
    assert.match(bench.publisher.status().failure!, /no discovery/);
    discovery.before = () => {};
    await bench.sleep(30_000);
    assert.deepEqual(bench.sequences(), [0n]);
    assert.equal(bench.publisher.status().failure, undefined);
  }));

Deno.test("EntryPublisher skips what is unchanged and posts anew when the refresh is due (DC-7)", () =>
  withBench(4, async (bench) => {
    bench.publisher.nudge();
    for (let minute = 0; minute < 29; minute++) {
      await bench.sleep(60_000);
      bench.publisher.nudge();
    }
    assert.equal(bench.posts.length, 1);
    await bench.sleep(60_001);
    assert.deepEqual(bench.sequences(), [0n, 1n]);
    assert.equal(bench.posts[1]!.atMs, REFRESH_MS);
  }));

Deno.test("EntryPublisher makes one post of a burst of changes, 1 s after the last", () =>
  withBench(5, async (bench) => {
    bench.publisher.nudge();
    await bench.sleep(5_000);
    for (let index = 0; index < 100; index++) {
      bench.change(`s${index}`);
      await bench.sleep(8);
    }
    const lastChangeMs = bench.network.simulation.nowMs - 8;
    await bench.sleep(20_000);
    assert.deepEqual(bench.sequences(), [0n, 1n]);
    assert.equal(bench.posts[1]!.atMs, lastChangeMs + 1_000);
    assert.deepEqual(bench.posts[1]!.entry!.client!.delegatedServers, [key("s99")]);
  }));

Deno.test("EntryPublisher posts all the same when changes never pause", () =>
  withBench(6, async (bench) => {
    bench.publisher.nudge();
    await bench.sleep(1);
    for (let index = 0; index < 250; index++) {
      bench.change(`s${index % 7}`);
      await bench.sleep(100);
    }
    const count = bench.posts.length - 1;
    assert.ok(count >= 2 && count <= 3, `${count} posts in 25 s with ${PUBLISH_QUIET_MAX_MS} ms between`);
  }));

Deno.test("EntryPublisher that fails tries once a second at most, however often it is told of changes", () =>
  withBench(7, async (bench) => {
    bench.network.discovery.before = () => {
      throw new Error("no discovery");
    };
    for (let index = 0; index < 200; index++) {
      bench.change(`s${index}`);
      await bench.sleep(50);
    }
    const tries = bench.network.discovery.calls.length;
    assert.ok(tries <= 10, `${tries} tries in 10 s`);
  }));

Deno.test("EntryPublisher follows up a sequence conflict, notes the foreign entry, and gives up after 5 tries", () =>
  withBench(8, async (bench) => {
    const { discovery } = bench.network;
    bench.publisher.nudge();
    await bench.sleep(1);
    discovery.put(foreign(41n));
    bench.change("s2");
    await bench.sleep(2_000);
    assert.deepEqual(bench.sequences(), [0n, 1n, 42n]);
    assert.ok(bench.publisher.status().duplicateSeenMs !== undefined);
    const warnings = bench.network.messages("Another process publishes an entry under the same key");
    assert.equal(warnings.length, 1);
    assert.equal(warnings[0]!.fields.key, key("a"));

    discovery.before = ({ what }) => {
      if (what === "post") throw sequenceRefusal();
    };
    bench.change("s3");
    await bench.sleep(1_000 + 100 + 200 + 400 + 800 + 10);
    assert.equal(bench.posts.length - 3, SEQUENCE_TRIES_MAX);
    await bench.sleep(900);
    assert.equal(bench.posts.length - 3, SEQUENCE_TRIES_MAX, "the next round waits");
    assert.match(bench.publisher.status().failure!, /sequence field of new entry/);
  }));

Deno.test("EntryPublisher does not take its own post for a duplicate when the answer was lost", () =>
  withBench(9, async (bench) => {
    const { discovery } = bench.network;
    bench.publisher.nudge();
    await bench.sleep(1);
    let lost = 3;
    discovery.after = ({ what }) => {
      if (what === "post" && lost-- > 0) throw new Error("connection lost");
    };
    bench.change("s2");
    await bench.sleep(30_000);
    assert.equal((await discovery.stored("a"))!.client!.delegatedServers![0], key("s2"));
    assert.equal(bench.publisher.status().failure, undefined);
    assert.equal(bench.publisher.status().duplicateSeenMs, undefined);
    assert.deepEqual(bench.network.messages("Another process"), []);
  }));

Deno.test("EntryPublisher counts a post as done that a lower layer repeated, so that the repeat was refused", () =>
  withBench(10, async (bench) => {
    const { discovery } = bench.network;
    discovery.after = ({ what }) => {
      if (what === "post") throw sequenceRefusal(); // of the repeat: the first one was taken
    };
    bench.publisher.nudge();
    await bench.sleep(1_000);
    assert.deepEqual(bench.sequences(), [0n]);
    assert.deepEqual([bench.publisher.status().published, bench.publisher.status().sequence], [true, 0n]);
    assert.equal(bench.publisher.status().duplicateSeenMs, undefined);
  }));

Deno.test("EntryPublisher says that a clock is wrong when the discovery refuses the time", () =>
  withBench(11, async (bench) => {
    bench.network.discovery.before = ({ what }) => {
      if (what !== "post") return;
      throw new EntryRefusedError(422, "entry validation error: advertised entry has outdated timestamp");
    };
    bench.publisher.nudge();
    await bench.sleep(1);
    assert.match(bench.publisher.status().failure!, /outdated timestamp \(the clock of this machine or/);
  }));

Deno.test("EntryPublisher without content waits quietly past its refresh, and posts when there is some again", () =>
  withBench(12, async (bench) => {
    bench.publisher.nudge();
    await bench.sleep(1);
    bench.content = undefined;
    bench.publisher.nudge();
    const { simulation } = bench.network;
    const before = simulation.trace.count;
    await bench.sleep(2 * REFRESH_MS);
    assert.ok(simulation.trace.count - before < 20, `${simulation.trace.count - before} events while idle`);
    assert.equal(bench.posts.length, 1);
    bench.change("s2");
    await bench.sleep(1_001);
    assert.deepEqual(bench.sequences(), [0n, 1n]);
  }));

Deno.test("EntryPublisher.remove() deletes after the post under way, and nothing is posted later (DC-10)", () =>
  inNetwork(13, async (network) => {
    const bench = new Bench(network);
    network.discovery.before = ({ what }) => what === "post" ? bench.sleep(700) : undefined;
    bench.publisher.nudge();
    await bench.sleep(100);
    bench.publisher.nudge();
    await bench.close();
    assert.deepEqual(network.discovery.calls.map(({ what }) => what), ["entry", "post", "remove"]);
    assert.equal(network.discovery.of("remove")[0]!.atMs, 700);
    await bench.sleep(REFRESH_MS);
    assert.equal(await network.discovery.stored("a"), undefined);
    assert.equal(network.discovery.calls.length, 3);
  }));

Deno.test("EntryPublisher.remove() lets a post under way end: one that is cut off could come after the deletion (DC-10)", () =>
  inNetwork(17, async (network) => {
    const bench = new Bench(network);
    network.discovery.before = ({ what }, signal) =>
      what === "post" ? sleep(network.world("a").clock, 450, signal) : undefined;
    bench.publisher.nudge();
    await bench.sleep(100);
    await bench.close();
    assert.deepEqual(network.discovery.of("remove").map(({ atMs }) => atMs), [450]);
    assert.equal(bench.posts.length, 1, "it came to its end");
  }));

Deno.test("EntryPublisher looks once more before it posts: a slow look-up that ends after the close posts nothing (DC-10)", () =>
  inNetwork(16, async (network) => {
    const { discovery } = network;
    const bench = new Bench(network, {
      entry: (of) => discovery.entry(of), // deaf to the signal
      availableServers: () => discovery.availableServers(),
      allServers: () => discovery.allServers(),
      post: (entry) => discovery.post(entry),
      remove: (entry) => discovery.remove(entry),
    });
    discovery.before = ({ what }) => what === "entry" ? bench.sleep(500) : undefined;
    bench.publisher.nudge();
    await bench.sleep(100);
    await bench.close();
    assert.deepEqual(discovery.calls.map(({ what }) => what), ["entry"]);
  }));

Deno.test("EntryPublisher.remove() deletes also what may have been taken, and ends when the discovery hangs", () =>
  inNetwork(14, async (network) => {
    const bench = new Bench(network);
    network.discovery.after = ({ what }, signal) => what === "post" ? hang(signal) : undefined;
    network.discovery.before = ({ what }, signal) => what === "remove" ? hang(signal) : undefined;
    bench.publisher.nudge();
    await bench.sleep(100);
    await bench.close();
    assert.equal(
      network.simulation.nowMs,
      100 + 600,
      "the post's linger and the deletion have one bound",
    );
    const [removal] = network.discovery.of("remove");
    assert.equal(removal!.entry!.sequence, 1n);
    assert.ok(verifyEntry(removal!.entry!));
    assert.equal(network.messages("Entry not deleted").length, 1);
  }));

Deno.test("EntryPublisher.remove() asks for nothing when nothing was posted", () =>
  inNetwork(15, async (network) => {
    const bench = new Bench(network);
    network.discovery.before = ({ what }, signal) => what === "entry" ? hang(signal) : undefined;
    bench.publisher.nudge();
    await bench.sleep(100);
    await bench.close();
    assert.deepEqual(network.discovery.calls.map(({ what }) => what), ["entry"]);
    assert.equal(network.simulation.nowMs, 100);
  }));
