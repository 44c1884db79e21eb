/** Server links in virtual time: announcements, forwarding, one hop at most, and what is left without them (DS-8). */
import assert from "node:assert/strict";
import type { DmsgClient } from "../../lib/dmsg/client.ts";
import {
  encodeStreamRequest,
  encodeStreamResponse,
  parseSignedObject,
  type Session,
  signObject,
} from "../../lib/dmsg/mod.ts";
import { ConnReader } from "../../lib/wire/mod.ts";
import type { YamuxStream } from "../../lib/yamux/mod.ts";
import { bareServer, inNetwork, key, pair, said } from "./client_support.ts";
import { announceOf, answering, ask, hidden, peer, reach, requestOf, session } from "./peer_support.ts";

Deno.test("DS-8: without both opt-ins nobody calls in, and the caller has its error 202 at once", () =>
  inNetwork(1, async (network) => {
    for (const [announce, acceptAnnouncements] of [[false, false], [false, true], [true, false]]) {
      const hub = await hidden(network, "hub", { acceptAnnouncements });
      const edge = await hidden(network, "edge", { peers: [peer("hub")], announce });
      const far = await answering(network, "far", "edge");
      const near = await answering(network, "near", "hub");
      await network.sleep(1_000);
      const inward = await reach(network, near, "far");
      assert.equal(inward.failure, "DMSG_202");
      assert.ok(inward.tookMs < 500, `${inward.tookMs} ms`);
      assert.deepEqual(hub.status().peers, []);
      await Promise.all([near.close(), far.close()]);
      await Promise.all([edge.close(), hub.close()]);
    }
  }));

Deno.test("DS-8: an announced server's clients call out and are called, over one link", () =>
  inNetwork(2, async (network) => {
    await using hub = await hidden(network, "hub", { acceptAnnouncements: true });
    await using edge = await hidden(network, "edge", { peers: [peer("hub")], announce: true });
    await using far = await answering(network, "far", "edge");
    await using near = await answering(network, "near", "hub");
    await network.sleep(1_000);
    assert.equal((await reach(network, near, "far")).text, "hello");
    assert.equal((await reach(network, far, "near")).text, "hello");
    assert.deepEqual(hub.status().peers, [
      { publicKey: key("edge"), direction: "accepted", forwardable: true },
    ]);
    assert.deepEqual(edge.status().peers, [
      { publicKey: key("hub"), direction: "dialled", forwardable: true },
    ]);
    assert.equal(hub.status().sessions, 1, "a link is no client");
    const [announced] = network.messages("Announced as forwardable peer.");
    assert.deepEqual([announced!.level, announced!.fields.peer], ["info", key("hub")]);
    const [accepted] = network.messages("Accepted inbound peer announcement; session is now forwardable.");
    assert.deepEqual([accepted!.level, accepted!.fields.peer], ["info", key("edge")]);
    await network.sleep(1_000);
    assert.deepEqual([hub.status().relayedStreams, edge.status().relayedStreams], [0, 0]);
    // The same hidden client, while nobody else is there, is refused at once.
    const missing = await reach(network, near, "nobody");
    assert.equal(missing.failure, "DMSG_202");
    assert.ok(missing.tookMs < 500, `${missing.tookMs} ms`);
  }));

Deno.test("DS-8: one hop at most: what came from a peer goes to no other peer, and the caller is told at once", () =>
  inNetwork(3, async (network) => {
    await using _c = await hidden(network, "c", { peers: [peer("b")], announce: true });
    await using b = await hidden(network, "b", {
      peers: [peer("a")],
      announce: true,
      acceptAnnouncements: true,
    });
    await using _a = await hidden(network, "a", { acceptAnnouncements: true });
    await using far = await answering(network, "far", "c");
    await using mid = await answering(network, "mid", "b");
    await using near = await answering(network, "near", "a");
    await network.sleep(10_000);
    assert.equal(b.status().peers.length, 2);
    assert.equal((await reach(network, mid, "far")).text, "hello");
    assert.equal((await reach(network, near, "mid")).text, "hello");
    for (const [from, to] of [[near, "far"], [far, "near"]] as const) {
      const { failure, tookMs } = await reach(network, from, to);
      assert.deepEqual([failure, tookMs < 500], ["DMSG_202", true], `${tookMs} ms`);
    }
  }));

Deno.test("DS-8: the source key of a request must be the session's, except on a peer's", () =>
  inNetwork(4, async (network) => {
    await using hub = await hidden(network, "hub", { acceptAnnouncements: true });
    const incoming: YamuxStream[] = [];
    const far = await session(network, "far", "hub", incoming);
    const edge = await session(network, "edge", "hub");
    assert.equal(await ask(edge, requestOf("near", "far").bytes), undefined);
    assert.match(String(network.messages("Stream ended").at(-1)!.fields.cause), /^dmsg error 302 /);
    assert.equal((await ask(edge, announceOf("edge").bytes))!.response.accepted, true);
    const asked = ask(edge, requestOf("near", "far").bytes);
    await network.sleep(500);
    assert.equal(incoming.length, 1, "now it carries other people's requests");
    assert.equal(hub.status().relayedStreams, 1);
    for (const stream of incoming) stream.close();
    assert.equal(await asked, undefined);
    // What is no longer the peer's session has no privilege left.
    assert.equal(await ask(far, requestOf("near", "far").bytes), undefined);
    const lookUp = signObject(
      encodeStreamRequest({
        timestamp: 1n,
        source: { publicKey: key("near"), port: 49_152 },
        destination: { publicKey: key("hub"), port: 1 },
        ipInfo: true,
        noiseMessage: new Uint8Array(0),
      }),
      pair("near").secretKey,
    );
    assert.equal(await ask(edge, lookUp.bytes), undefined, "an address is told to its owner only");
    await Promise.all([far, edge].map((one) => (one.close(), one.closed)));
  }));

Deno.test("DS-8: a link is taken out at its end, and only itself: a newer one of the key stays", () =>
  inNetwork(5, async (network) => {
    await using hub = await hidden(network, "hub", { acceptAnnouncements: true });
    const older = await session(network, "edge", "hub");
    assert.equal((await ask(older, announceOf("edge").bytes))!.response.accepted, true);
    assert.equal((await ask(older, announceOf("edge").bytes))!.response.accepted, true, "also once more");
    const incoming: YamuxStream[] = [];
    const newer = await session(network, "edge", "hub", incoming);
    await network.sleep(100);
    assert.equal(older.isLive, true, "a client of the same key does not end a link");
    assert.equal((await ask(newer, announceOf("edge").bytes))!.response.accepted, true);
    await older.closed;
    await network.sleep(2_000);
    assert.deepEqual(hub.status().peers.map(({ direction }) => direction), ["accepted"]);
    await using near = await answering(network, "near", "hub");
    const dialled = reach(network, near, "far");
    await network.sleep(1_000);
    assert.equal(incoming.length, 1, "the newer one is asked");
    incoming[0]!.close();
    assert.equal((await dialled).failure, "DMSG_202");
    newer.close();
    await newer.closed;
    await network.sleep(1_000);
    assert.deepEqual(hub.status().peers, []);
  }));

Deno.test("DS-8: the allow-list and the bound on links decide, and a server that is a link may announce again", () =>
  inNetwork(6, async (network) => {
    const acceptedKeys = ["one", "two"].map(key);
    await using hub = await hidden(network, "hub", { acceptAnnouncements: true, acceptedKeys, linksMax: 1 });
    const [one, two, three] = await Promise.all(
      ["one", "two", "three"].map((name) => session(network, name, "hub")),
    ) as [Session, Session, Session];
    const announced = async (over: Session, name: string) =>
      (await ask(over, announceOf(name).bytes))!.response.accepted;
    assert.equal(await announced(three, "three"), false);
    assert.equal(await announced(one, "one"), true);
    assert.equal(await announced(two, "two"), false);
    assert.equal(await announced(one, "one"), true);
    assert.deepEqual(
      network.messages("Refused inbound peer announcement").map(({ fields }) => fields.cause),
      [
        "its key is not in accepted_peer_pks",
        "1 links are held",
      ],
    );
    assert.equal(await ask(two, requestOf("near", "one").bytes), undefined, "a refused one stays a client");
    one.close();
    await one.closed;
    await network.sleep(1_000);
    assert.equal(await announced(two, "two"), true);
    assert.deepEqual(hub.status().peers.map(({ publicKey }) => publicKey), [key("two")]);
    await Promise.all([two, three].map((end) => (end.close(), end.closed)));
  }));

Deno.test("DS-8: two servers that list each other keep one link each, and never end it", () =>
  inNetwork(7, async (network) => {
    // Whom the operator lists is a peer already: the allow-list is for others.
    const both = { announce: true, acceptAnnouncements: true, acceptedKeys: [key("somebody else")] };
    await using a = await hidden(network, "a", { ...both, peers: [peer("b"), peer("a")] });
    await using b = await hidden(network, "b", { ...both, peers: [peer("a")] });
    await using far = await answering(network, "far", "b");
    await using near = await answering(network, "near", "a");
    await network.sleep(600_000);
    assert.deepEqual(network.messages("Peer link ended"), []);
    assert.deepEqual(network.messages("Failed to announce"), []);
    assert.equal(network.messages("Announced as forwardable peer.").length, 2);
    assert.deepEqual([a.status().peers.length, b.status().peers.length], [2, 2]);
    assert.equal((await reach(network, near, "far")).text, "hello");
    assert.equal((await reach(network, far, "near")).text, "hello");
    assert.equal(network.dials.filter(({ from, to }) => from === "a" && to === "a").length, 0);
  }));

Deno.test("DS-8: a peer of 2024, which leaves an announcement unanswered, is left out of forwarding", () =>
  inNetwork(8, async (network) => {
    const streams: YamuxStream[] = [];
    const old = await bareServer(network, "old", (stream) => void streams.push(stream));
    await using hub = await hidden(network, "hub", { peers: [peer("old")], announce: true });
    await using near = await answering(network, "near", "hub");
    await network.sleep(4_000);
    assert.deepEqual(network.messages("Failed to announce as peer."), []);
    await network.sleep(1_500);
    const [line] = network.messages("Failed to announce as peer.");
    assert.deepEqual([line!.level, line!.fields.peer], ["warn", key("old")]);
    assert.match(String(line!.fields.cause), /did not finish within 5000 ms/);
    assert.deepEqual(hub.status().peers, [
      { publicKey: key("old"), direction: "dialled", forwardable: false },
    ]);
    const missing = await reach(network, near, "far");
    assert.deepEqual([missing.failure, missing.tookMs < 500], ["DMSG_202", true], `${missing.tookMs} ms`);
    assert.equal(streams.length, 1, "nothing but the announcement was sent there");
    await old.close();
  }));

for (
  const [name, accepted, signer, cause] of [
    ["no", false, "peer", /^peer announcement not accepted by remote/],
    ["yes in another's name", true, "m", /^peer announcement not accepted by remote.*350/],
  ] as const
) {
  Deno.test(`DS-8: a peer that says ${name} to an announcement keeps its link, and the log says why`, () =>
    inNetwork(9, async (network) => {
      const answered = (stream: YamuxStream, from: Session) =>
        void (async () => {
          const reader = new ConnReader(stream);
          const [high, low] = await reader.readExactly(2);
          const request = parseSignedObject(from.opener.open(await reader.readExactly((high! << 8) | low!)));
          const body = encodeStreamResponse({
            requestHash: request.hash,
            accepted,
            errorCode: 0,
            noiseMessage: new Uint8Array(0),
          });
          await stream.write(from.sealer.seal(signObject(body, pair(signer).secretKey).bytes));
          stream.close();
        })();
      const remote = await bareServer(network, "peer", answered);
      const edge = await hidden(network, "edge", { peers: [peer("peer")], announce: true });
      await network.sleep(1_000);
      const [line] = network.messages("Failed to announce as peer.");
      assert.match(String(line!.fields.cause), cause);
      assert.deepEqual(edge.status().peers.map(({ forwardable }) => forwardable), [true]);
      assert.equal(network.messages("Announced as").length, 0);
      await edge.close();
      await remote.close();
    }));
}

Deno.test("DS-8: a peer that is away is dialled after 5 s, then 1.5 times as long, up to a minute; at once after a healthy link", () =>
  inNetwork(10, async (network) => {
    await using edge = await hidden(network, "edge", { peers: [peer("hub")], announce: true });
    network.world("hub");
    await network.sleep(300_000);
    const times = () => network.dials.filter(({ from }) => from === "edge").map(({ atMs }) => atMs);
    const gaps = times().slice(1).map((atMs, index) => Math.round((atMs - times()[index]!) / 1_000));
    assert.deepEqual(gaps.slice(0, 8), [5, 8, 11, 17, 25, 38, 57, 60]);
    const hub = await hidden(network, "hub", { acceptAnnouncements: true });
    await network.sleep(60_000);
    assert.equal(edge.status().peers.length, 1);
    const before = times().length;
    await network.sleep(31_000);
    let lostAtMs = network.simulation.nowMs;
    await hub.close();
    await network.sleep(4_000);
    assert.equal(times().length, before + 1, "at once");
    assert(times().at(-1)! - lostAtMs < 1_500);
    // It is back, and ends again after a second: no hurry this time.
    const again = await hidden(network, "hub", { acceptAnnouncements: true });
    while (edge.status().peers.length === 0) await network.sleep(100);
    await network.sleep(1_000);
    lostAtMs = network.simulation.nowMs;
    await again.close();
    const dials = times().length;
    await network.sleep(4_000);
    assert.equal(times().length, dials, "a link that lived shorter than 30 s is waited after");
    assert.deepEqual(edge.status().peers, []);
  }));

Deno.test("DS-8: relayed streams are bounded, one peer has a quarter, and 308 is in the log", () =>
  inNetwork(11, async (network) => {
    await using hub = await hidden(network, "hub", { acceptAnnouncements: true, relayedStreamsMax: 8 });
    await using _one = await hidden(network, "one", { peers: [peer("hub")], announce: true });
    await using _two = await hidden(network, "two", { peers: [peer("hub")], announce: true });
    await using near = await answering(network, "near", "hub");
    await using atOne = await answering(network, "at one", "one");
    await using _atTwo = await answering(network, "at two", "two");
    await network.sleep(1_000);
    const dial = (from: DmsgClient, to: string) =>
      from.dial({ publicKey: key(to), port: 1000 }, { bypassCaches: true });
    const open = [await dial(near, "at one"), await dial(atOne, "near")];
    assert.equal(hub.status().relayedStreams, 2);
    await assert.rejects(dial(near, "at one"), { code: "DMSG_202" });
    const [line] = network.messages("Stream ended").filter(({ level }) => level === "warn");
    assert.match(String(line!.fields.cause), /^dmsg error 308 - server is at its peer-relay stream capacity/);
    await assert.rejects(dial(atOne, "near"), { code: "DMSG_202" });
    open.push(await dial(near, "at two"));
    assert.equal(hub.status().relayedStreams, 3);
    open.shift()!.close();
    await network.sleep(500);
    open.push(await dial(near, "at one"));
    for (const stream of open) stream.close();
    await network.sleep(500);
    assert.equal(hub.status().relayedStreams, 0);
  }));

Deno.test("DS-8: peers are asked one after the other; one that hangs costs 5 s, and no more", () =>
  inNetwork(12, async (network) => {
    const held: YamuxStream[] = [];
    const slow = await bareServer(network, "slow", (stream) => void held.push(stream));
    await using hub = await hidden(network, "hub", { peers: [peer("slow"), peer("edge")] });
    await using _edge = await hidden(network, "edge", { peers: [peer("hub")] });
    await using _far = await answering(network, "far", "edge");
    await using near = await answering(network, "near", "hub");
    await network.sleep(10_000);
    assert.deepEqual(hub.status().peers.map(({ publicKey }) => publicKey), [key("slow"), key("edge")]);
    const startedMs = network.simulation.nowMs;
    const stream = await near.dial({ publicKey: key("far"), port: 1000 }, { timeoutMs: 15_000 });
    assert.equal(await said(stream), "hello");
    const tookMs = network.simulation.nowMs - startedMs;
    assert(tookMs > 5_000 && tookMs < 5_500, `${tookMs} ms`);
    stream.close();
    await slow.close();
  }));
