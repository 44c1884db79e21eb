/** The dial ladder: order, the memory of failed pairs, cancelling, and what an error says (DC-3, DC-4, DC-5). */
import assert from "node:assert/strict";
import { describeError, silentLog } from "../../lib/base/mod.ts";
import type { PublicKey } from "../../lib/crypto/mod.ts";
import {
  Dialer,
  NEW_SESSIONS_PER_DIAL_MAX,
  PAIR_FAILURE_MS,
  PAIR_FAILURES_MAX,
} from "../../lib/dmsg/_dialer.ts";
import { PortTable } from "../../lib/dmsg/_port_table.ts";
import type { Sessions } from "../../lib/dmsg/_sessions.ts";
import type { DmsgClient } from "../../lib/dmsg/client.ts";
import { DmsgError } from "../../lib/dmsg/errors.ts";
import type { Session } from "../../lib/dmsg/session.ts";
import { clientAt, type DmsgNetworkUnderTest, inNetwork, key, pair, said, seedOf } from "./client_support.ts";

const FAR = { publicKey: key("far"), port: 1000 };

/** Fails unless it is 202; gives the text with every cause. */
async function refusal(dial: Promise<unknown>): Promise<string> {
  const error = await dial.then(() => assert.fail("the dial succeeded"), (error) => error);
  assert.ok(error instanceof DmsgError && error.dmsgCode === 202, describeError(error));
  return describeError(error);
}

/** How many requests servers refused or could not forward. */
function asked(network: DmsgNetworkUnderTest): number {
  return network.messages("Stream ended").length;
}

Deno.test("a dial takes a session that is there, the destination's server first, and looks no further (DC-3)", () =>
  inNetwork(1, async (network) => {
    await using _first = await network.server("s1");
    await using _second = await network.server("s2");
    await using _third = await network.server("s3");
    await using _far = await network.echo("far", "s2");
    await using near = network.client("near", { sessionsMin: 0 });
    await network.sleep(1_000);
    assert.equal(near.sessions().length, 3);
    network.dials.length = 0;
    const stream = await near.dial(FAR);
    assert.equal(stream.server, key("s2"));
    assert.deepEqual(network.messages("Stream dial failed"), [], "the delegated one came first");
    assert.equal(await said(stream), "hello");
    assert.deepEqual([stream.remote.publicKey, stream.remote.port], [FAR.publicKey, 1000]);
    stream.close();
    assert.deepEqual(network.dials, []);
  }));

Deno.test("a destination without an entry is sought through every session there is, without a cap (DC-3)", () =>
  inNetwork(2, async (network) => {
    const names = Array.from({ length: 6 }, (_, index) => `s${index}`);
    const servers = await Promise.all(names.map((name) => network.server(name)));
    await using _far = await network.echo("far", "s5");
    await network.discovery.remove((await network.discovery.stored("far"))!);
    await using near = network.client("near", { seeded: [seedOf("s0")] });
    for (const name of names) await near.connect(key(name)); // in this order: far's server comes last
    const stream = await near.dial(FAR);
    assert.equal(stream.server, key("s5"));
    assert.equal(await said(stream), "hello");
    stream.close();
    for (const server of servers) await server.close();
  }));

Deno.test("new sessions go to delegated servers, one at a time, and never two to one server (DC-3)", () =>
  inNetwork(3, async (network) => {
    await using _first = await network.server("s1");
    await using second = await network.server("s2");
    await using third = await network.server("s3");
    await using _far = await network.echo("far", "s2");
    network.discovery.put(clientAt("far", ["s2", "s3"]));
    await using near = network.client("near", { seeded: [seedOf("s1")] });
    await near.whenReady();
    network.dials.length = 0;
    const streams = await Promise.all(Array.from({ length: 20 }, () => near.dial(FAR)));
    assert.deepEqual(network.dials.map(({ to }) => to), ["s2"], "one dial, and an early exit before s3");
    assert.deepEqual([second.sessions().length, third.sessions().length, near.sessions().length], [2, 0, 2]);
    for (const stream of streams) {
      assert.equal(stream.server, key("s2"));
      stream.close();
    }
  }));

Deno.test("no session is asked twice in one dial, also when nothing is remembered (DC-3)", () =>
  inNetwork(19, async (network) => {
    await using _first = await network.server("s1");
    network.discovery.put(clientAt("far", ["s1", "s1"]));
    await using near = network.client("near");
    await near.whenReady();
    network.dials.length = 0;
    await refusal(near.dial(FAR, { bypassCaches: true }));
    assert.equal(asked(network), 1);
    assert.deepEqual(network.dials, []);
  }));

Deno.test("an entry that names very many servers costs a bounded number of dials", () =>
  inNetwork(40, async (network) => {
    await using _first = await network.server("s0");
    const many = Array.from({ length: 40 }, (_, index) => `gone${index}`);
    network.discovery.put(...many.map((name) => seedOf(name)), clientAt("far", many));
    await using near = network.client("near", { seeded: [seedOf("s0")] });
    await near.whenReady();
    network.dials.length = 0;
    await refusal(near.dial(FAR));
    assert.equal(network.dials.length, NEW_SESSIONS_PER_DIAL_MAX);
  }));

Deno.test("when nothing works the error is 202 with every cause (DC-3)", () =>
  inNetwork(4, async (network) => {
    await using _first = await network.server("s1");
    network.world("s2");
    network.discovery.put(seedOf("s2"), clientAt("far", ["s2", "s1", "s9"]));
    await using near = network.client("near", { seeded: [seedOf("s1")] });
    await near.whenReady();
    const text = await refusal(near.dial(FAR));
    assert.match(text, /^dmsg error 202 - cannot connect to delegated server: /);
    assert.match(text, /Cannot connect to s2:8080/);
    assert.match(text, /entry is not found in discovery/); // of s9
    assert.match(text, /server 0\w+: it does not know the key, or nobody listens on port 1000/); // what s1 did: no far there
    for (let times = 0; times < 2; times++) { // what servers made of it, or that they were not asked again, is no news
      assert.equal(
        await refusal(near.dial({ publicKey: key("nobody"), port: 1 })),
        "dmsg error 202 - cannot connect to delegated server: dmsg error 100 - entry is not found in discovery",
      );
    }
    network.discovery.put(seedOf("relay"), clientAt("idle", []));
    assert.match(
      await refusal(near.dial({ publicKey: key("relay"), port: 1 })),
      /: Cannot connect to relay:8080/,
    );
    assert.match(await refusal(near.dial({ publicKey: key("idle"), port: 1 })), /dmsg error 103/);
    network.discovery.before = () => {
      throw new Error("no discovery");
    };
    assert.match(await refusal(near.dial({ publicKey: key("unheard"), port: 1 })), /no discovery/);
  }));

Deno.test("a pinned server is the only one asked, and nothing is looked up (DC-3)", () =>
  inNetwork(5, async (network) => {
    await using _first = await network.server("s1");
    await using _second = await network.server("s2");
    await using _far = await network.echo("far", "s2");
    const seeded = [seedOf("s1"), seedOf("s2"), seedOf("s3")];
    network.world("s3");
    await using near = network.client("near", { seeded: [seedOf("s1")], publish: false });
    await using seeing = network.client("seeing", { seeded, publish: false, sessionsMin: 1 });
    await near.whenReady();
    network.discovery.calls.length = 0;
    const stream = await seeing.dial(FAR, { via: key("s2") });
    assert.equal(stream.server, key("s2"));
    stream.close();
    assert.deepEqual(network.discovery.of("entry"), []);
    assert.match(
      await refusal(near.dial(FAR, { via: key("s1") })),
      /it does not know the key, or nobody listens/,
    );
    assert.equal(near.sessions().length, 1, "no other server, though the destination's entry names one");
    assert.match(await refusal(near.dial(FAR, { via: key("nobody") })), /dmsg error 100/);
    assert.match(await refusal(seeing.dial(FAR, { via: key("s3") })), /Cannot connect to s3:8080/);
  }));

Deno.test("a pair that failed is left out for 30 s, said so, and asked again after (DC-4)", () =>
  inNetwork(6, async (network) => {
    await using _first = await network.server("s1");
    network.discovery.put(clientAt("far", ["s1"]));
    await using near = network.client("near");
    await near.whenReady();
    await refusal(near.dial(FAR));
    assert.equal(asked(network), 1);
    assert.match(await refusal(near.dial(FAR)), /1 server was not asked: less than 30 s ago/);
    await refusal(near.dial({ publicKey: key("another"), port: 1 }));
    assert.equal(asked(network), 2, "another destination is another pair");
    await using _far = await network.echo("far", "s1");
    await refusal(near.dial(FAR));
    const urgent = await near.dial(FAR, { bypassCaches: true });
    assert.equal(await said(urgent), "hello");
    urgent.close();
    const cleared = await near.dial(FAR); // by that success
    cleared.close();
    assert.equal(asked(network), 2);
  }));

Deno.test("the memory of a failed pair ends after 30 s (DC-4)", () =>
  inNetwork(7, async (network) => {
    await using _first = await network.server("s1");
    await using near = network.client("near");
    await near.whenReady();
    await refusal(near.dial(FAR));
    await using _far = await network.echo("far", "s1");
    await network.sleep(PAIR_FAILURE_MS - 2_000);
    await refusal(near.dial(FAR));
    await network.sleep(2_000);
    (await near.dial(FAR)).close();
  }));

Deno.test("a delegated server that cannot be reached is not dialled by each dial anew (DC-4)", () =>
  inNetwork(8, async (network) => {
    await using _first = await network.server("s1");
    network.world("dead");
    network.world("near");
    network.simulation.blackHole("near", "dead");
    network.discovery.put(seedOf("dead"), clientAt("far", ["dead"]));
    await using near = network.client("near", { seeded: [seedOf("s1")] });
    await near.whenReady();
    await refusal(near.dial(FAR));
    const atMs = network.simulation.nowMs;
    assert.match(await refusal(near.dial(FAR)), /2 servers were not asked/);
    assert.equal(network.simulation.nowMs, atMs, "at once, not after another 10 s");
    assert.equal(network.dials.filter(({ to }) => to === "dead").length, 1);
  }));

Deno.test("nothing is remembered of a pair when the caller gave up (DC-4)", () =>
  inNetwork(9, async (network) => {
    await using _first = await network.server("s1");
    await using _far = await network.echo("far", "s1");
    await using near = network.client("near");
    await near.whenReady();
    network.simulation.blackHole("far", "s1");
    const ending = new AbortController();
    const dialling = assert.rejects(near.dial(FAR, { signal: ending.signal }), { message: "enough" });
    await network.sleep(1_000);
    ending.abort(new Error("enough"));
    await dialling;
    network.simulation.heal("far", "s1");
    await network.sleep(3_000);
    (await near.dial(FAR)).close();
    await assert.rejects(near.dial(FAR, { signal: AbortSignal.abort(new Error("before")) }), {
      message: "before",
    });
  }));

Deno.test("a session that dies under a dial is no failure of its server: a new one is made (DC-4)", () =>
  inNetwork(10, async (network) => {
    await using _first = await network.server("s1");
    await using _far = await network.echo("far", "s1");
    await using near = network.client("near");
    await near.whenReady();
    network.simulation.blackHole("far", "s1");
    const dialling = near.dial(FAR);
    await network.sleep(1_000);
    network.simulation.heal("far", "s1");
    network.simulation.reset("near", "s1");
    const stream = await dialling;
    assert.equal(await said(stream), "hello");
    stream.close();
    assert.equal(network.messages("Stream dial failed").length, 1);
  }));

Deno.test("cancelling after the dial has returned does not touch the stream (DC-5)", () =>
  inNetwork(11, async (network) => {
    await using _first = await network.server("s1");
    await using _far = await network.echo("far", "s1");
    await using near = network.client("near");
    const ending = new AbortController();
    const stream = await near.dial(FAR, { signal: ending.signal });
    ending.abort(new Error("too late"));
    await network.sleep(10_000);
    assert.equal(await said(stream, "still here"), "still here");
    stream.close();
  }));

Deno.test("an entry that its owner did not sign leads on all the same, and is named when it leads nowhere", () =>
  inNetwork(12, async (network) => {
    await using _first = await network.server("s1");
    await using _second = await network.server("s2");
    await using _far = await network.echo("far", "s2");
    const forged = { ...clientAt("far", ["s2"]), timestamp: 5n, signature: "00".repeat(65) };
    network.discovery.put(forged);
    await using near = network.client("near", { seeded: [seedOf("s1")] });
    (await near.dial(FAR)).close();
    network.discovery.put({ ...forged, static: key("victim"), client: { delegatedServers: [key("s1")] } });
    const text = await refusal(near.dial({ publicKey: key("victim"), port: 1 }));
    assert.match(
      text,
      new RegExp(`The entry that the discovery has of ${key("victim")} is not signed by it`),
    );
    const seedless = await refusal(near.dial({ publicKey: key("nobody"), port: 1 }));
    assert.doesNotMatch(seedless, /not signed/);
  }));

Deno.test("a stream's own port is free again after a failed dial and after its close", () =>
  inNetwork(13, async (network) => {
    await using _first = await network.server("s1");
    await using _far = await network.echo("far", "s1");
    await using near = network.client("near");
    await refusal(near.dial({ publicKey: key("nobody"), port: 1 }));
    const stream = await near.dial(FAR);
    const { port } = stream.local;
    assert.throws(() => near.listen(port), { dmsgCode: 400 });
    stream.close();
    await network.sleep(35_000);
    near.listen(port).close();
    near.listen(port - 1).close();
  }));

Deno.test("failed pairs are bounded: the oldest is forgotten first (DC-4)", () =>
  inNetwork(14, async (network) => {
    let opened = 0;
    const session = {
      remote: key("s1"),
      isLive: true,
      mux: {
        open() {
          opened++;
          throw new Error("no stream");
        },
      },
    } as unknown as Session;
    const sessions = { live: () => [session], get: () => session } as unknown as Sessions;
    const world = network.world("near");
    const entries = { entry: () => Promise.resolve(undefined), forget() {} };
    const dialer = new Dialer({
      world,
      local: pair("near"),
      log: silentLog,
      ports: new PortTable(),
      sessions,
      entries: entries as unknown as DmsgClient["discovery"],
      readIdleMs: 1,
    });
    const dial = (index: number) =>
      dialer.dial({ publicKey: `key ${index}` as PublicKey, port: 1 }).then(() => assert.fail(), () => {});
    for (let index = 0; index <= PAIR_FAILURES_MAX; index++) await dial(index);
    assert.equal(opened, PAIR_FAILURES_MAX + 1);
    await dial(1);
    await dial(PAIR_FAILURES_MAX);
    assert.equal(opened, PAIR_FAILURES_MAX + 1, "remembered");
    await dial(0);
    assert.equal(opened, PAIR_FAILURES_MAX + 2, "forgotten");
  }));

Deno.test("a classical caller is told that the silence may be a peer that requires the hybrid", () =>
  inNetwork(60, async (network) => {
    await using _server = await network.server("s1");
    await network.sleep(10);
    await using far = network.client("far", { postQuantum: { mode: "require" } });
    const listener = far.listen(1000);
    await far.whenPublished();
    for (const mode of ["off", "offer"] as const) {
      await using near = network.client(`near-${mode}`, { postQuantum: { mode }, publish: false });
      await near.whenReady();
      if (mode === "offer") {
        (await near.dial({ publicKey: key("far"), port: 1000 })).close();
        continue;
      }
      await assert.rejects(near.dial({ publicKey: key("far"), port: 1000 }), (error) => {
        assert.match(
          describeError(error),
          /nobody listens on port 1000, or the peer requires the post-quantum hybrid, which is off here/,
        );
        return true;
      });
    }
    listener.close();
  }));
