/** Streams to a server's own key: who is answered, by whom, and that nothing stays behind (RP-3, SV-5). */
import assert from "node:assert/strict";
import type { DmsgStream, Listener } from "../../lib/dmsg/mod.ts";
import { LISTENER_QUEUE_MAX } from "../../lib/dmsg/mod.ts";
import { DmsgError } from "../../lib/dmsg/errors.ts";
import {
  bareServer,
  type DmsgNetworkUnderTest,
  inNetwork,
  key,
  pair,
  said,
  seedOf,
} from "./client_support.ts";
import { at, hidden, peer } from "./peer_support.ts";

const OWN = { publicKey: key("s1"), port: 1000 };

/** Gives back what each stream says, and keeps them. */
function echoing(listener: Listener): { readonly streams: DmsgStream[]; readonly ended: Promise<void> } {
  const streams: DmsgStream[] = [];
  const echo = async (stream: DmsgStream) => {
    for (let bytes = await stream.read(); bytes !== null; bytes = await stream.read()) {
      await stream.write(bytes.slice());
    }
    stream.close();
  };
  const ended = (async () => {
    const echoes: Promise<void>[] = [];
    for (let stream = await listener.accept(); stream !== null; stream = await listener.accept()) {
      const taken = stream;
      streams.push(taken);
      echoes.push(echo(taken).catch(() => taken.close()));
    }
    await Promise.all(echoes);
  })();
  return { streams, ended };
}

function codeOf(dial: Promise<unknown>): Promise<number | undefined> {
  return dial.then(() => undefined, (error) => error instanceof DmsgError ? error.dmsgCode : NaN);
}

/** Requests that the server refused. */
function refused(network: DmsgNetworkUnderTest): unknown[] {
  return network.messages("Stream ended").map(({ fields }) => fields.cause);
}

Deno.test("a server answers on its own key where it listens, both keys proven, and over the hybrid", () =>
  inNetwork(60, async (network) => {
    await using server = await network.server("s1");
    const { streams, ended } = echoing(server.listenOn(1000));
    await using near = network.client("near", { seeded: [seedOf("s1")], publish: false });
    const stream = await near.dial(OWN);
    assert.equal(await said(stream, "to the server itself"), "to the server itself");
    assert.equal(stream.remote.publicKey, key("s1"));
    assert.deepEqual([streams[0]!.remote.publicKey, streams[0]!.server], [key("near"), key("s1")]);
    assert.deepEqual(streams[0]!.local, OWN);
    assert.deepEqual([stream.postQuantum, streams[0]!.postQuantum], [true, true]);
    assert.equal(server.status().sessions, 1, "near's; it has none with itself");
    await using _far = await network.echo("far", "s1");
    const relayed = await near.dial({ publicKey: key("far"), port: 1000 });
    assert.equal(await said(relayed), "hello", "the same port of a client is the client's");
    relayed.close();
    assert.equal(streams.length, 1);
    assert.throws(() => server.listenOn(1000), { code: "DMSG_400" });
    stream.close();
    await server.close();
    await ended;
    assert.throws(() => server.listenOn(1001), { code: "DMSG_200" });
  }));

Deno.test("a server in which nobody listens on the port ends the stream at once, as it does for an unknown key", () =>
  inNetwork(61, async (network) => {
    await using server = await network.server("s1");
    const listener = server.listenOn(1000);
    await using near = at(network, "near", "s1");
    await near.whenReady();
    const startedMs = network.simulation.nowMs;
    assert.equal(await codeOf(near.dial({ ...OWN, port: 1001 })), 202);
    listener.close(); // and from now on nobody here, either
    assert.equal(await codeOf(near.dial(OWN, { bypassCaches: true })), 202);
    assert.ok(network.simulation.nowMs - startedMs < 1_000);
    assert.equal(refused(network).length, 2);
    for (const cause of refused(network)) assert.match(String(cause), /dmsg error 307/);
  }));

Deno.test("a port where the server does not listen is its own client's, if it has one", () =>
  inNetwork(62, async (network) => {
    await using server = await network.server("s1");
    const own = echoing(server.listenOn(1000));
    await using transit = network.client("s1", {
      at: "transit",
      seeded: [seedOf("s1")],
      publish: false,
    });
    await transit.connect(key("s1"));
    const others = [1000, 1001].map((port) => echoing(transit.listen(port)));
    await using near = at(network, "near", "s1");
    for (const port of [1000, 1001]) {
      const stream = await near.dial({ ...OWN, port });
      assert.equal(await said(stream), "hello");
      stream.close();
    }
    assert.deepEqual([own, ...others].map(({ streams }) => streams.length), [1, 0, 1]);
    await transit.close();
    await server.close();
    await Promise.all([own, ...others].map(({ ended }) => ended));
  }));

Deno.test("streams that nobody accepts are bounded, and end with the server", () =>
  inNetwork(63, async (network) => {
    await using server = await network.server("s1");
    const listener = server.listenOn(1000);
    await using near = at(network, "near", "s1");
    const streams = [];
    for (let count = 0; count < LISTENER_QUEUE_MAX; count++) streams.push(await near.dial(OWN));
    assert.equal(await codeOf(near.dial(OWN)), 202);
    assert.match(String(refused(network)[0]), /dmsg error 401/);
    (await listener.accept())!.close();
    streams.push(await near.dial(OWN, { bypassCaches: true }));
    const last = streams.at(-1)!;
    await server.close();
    assert.equal(await listener.accept(), null);
    await assert.rejects(last.read());
    for (const stream of streams) stream.close();
  }));

Deno.test("a request whose handshake is none is refused without an answer, and costs no place", () =>
  inNetwork(64, async (network) => {
    const { ask, requestOf, session } = await import("./peer_support.ts");
    await using server = await network.server("s1");
    const listener = server.listenOn(1000);
    const mallory = await session(network, "mallory", "s1");
    for (let count = 0; count < LISTENER_QUEUE_MAX + 1; count++) {
      assert.equal(await ask(mallory, requestOf("mallory", "s1").bytes), undefined);
    }
    assert.equal(await ask(mallory, requestOf("near", "s1").bytes), undefined, "another's key");
    assert.match(String(refused(network).at(-1)), /dmsg error 302/);
    await using near = at(network, "near", "s1");
    const stream = await near.dial(OWN);
    assert.equal((await listener.accept())!.remote.publicKey, key("near"));
    stream.close();
    mallory.close();
    await mallory.closed;
  }));

Deno.test("a server answers for its own key what a peer hands on, in one of the peer's places", () =>
  inNetwork(65, async (network) => {
    await using core = await hidden(network, "s1", { acceptAnnouncements: true, relayedStreamsMax: 4 });
    const { ended } = echoing(core.listenOn(1000));
    await using edge = await hidden(network, "edge", { peers: [peer("s1")], announce: true });
    await using near = at(network, "near", "edge");
    await near.whenReady();
    while (core.status().peers.length === 0) await network.sleep(100);
    const stream = await near.dial(OWN, { via: key("edge") });
    assert.equal(await said(stream), "hello");
    assert.equal(core.status().relayedStreams, 1);
    assert.equal(await codeOf(near.dial(OWN, { via: key("edge") })), 202, "a quarter of 4 is one");
    assert.ok(refused(network).some((cause) => /dmsg error 308/.test(String(cause))));
    stream.close();
    await network.sleep(100);
    assert.equal(core.status().relayedStreams, 0);
    const next = await near.dial(OWN, { via: key("edge"), bypassCaches: true });
    next.close();
    await near.close();
    await edge.close();
    await core.close();
    await ended;
  }));

Deno.test("RP-3: a server's key is dialled over a session with it, made for that, and no other server is asked", () =>
  inNetwork(66, async (network) => {
    await using _first = await network.server("s2");
    await using server = await network.server("s1");
    const { ended } = echoing(server.listenOn(1000));
    await using near = network.client("near", { seeded: [seedOf("s2")], publish: false });
    await near.whenReady();
    network.dials.length = 0;
    const streams = [await near.dial(OWN), await near.dial(OWN)]; // with a session to make, and with it
    for (const stream of streams) {
      assert.equal(stream.server, key("s1"));
      assert.equal(await said(stream), "hello");
      stream.close();
    }
    assert.deepEqual(network.dials.map(({ to }) => to), ["s1"]);
    assert.deepEqual(refused(network), []);
    await near.close();
    await server.close();
    await ended;
  }));

Deno.test("RP-3: a server that is away is told with why, is left out for a while, and costs no other server a word", () =>
  inNetwork(67, async (network) => {
    await using _first = await network.server("s2");
    network.world("s1");
    network.discovery.put(seedOf("s1"));
    await using near = network.client("near", { seeded: [seedOf("s2")], publish: false });
    await near.whenReady();
    network.dials.length = 0;
    const failure = await near.dial(OWN).catch((error) => error);
    assert.equal(failure.code, "DMSG_202");
    const { describeError } = await import("../../lib/base/mod.ts");
    assert.match(describeError(failure), /Cannot connect to s1:8080/);
    assert.doesNotMatch(describeError(failure), /102/, "that it is a server is no fault");
    assert.equal(await codeOf(near.dial(OWN)), 202);
    assert.deepEqual(network.dials.map(({ to }) => to), ["s1"], "not again so soon");
    assert.deepEqual(refused(network), []);
  }));

Deno.test("a key that is a server's and a client's is dialled as the client", () =>
  inNetwork(68, async (network) => {
    await using _second = await network.server("s2");
    await using _both = await network.echo("s1", "s2");
    network.world("s1");
    const entry = (await network.discovery.stored("s1"))!;
    network.discovery.put({ ...entry, server: { address: "s1:8080", availableSessions: 1 } });
    await using near = network.client("near", { seeded: [seedOf("s2")], publish: false });
    const stream = await near.dial(OWN);
    assert.equal(stream.server, key("s2"));
    assert.equal(await said(stream), "hello");
    stream.close();
  }));

Deno.test("a server of 2024, which never answers for its own key, costs the caller's patience and no session", () =>
  inNetwork(69, async (network) => {
    const silent = await bareServer(network, "s1", () => {});
    network.discovery.put(seedOf("s1"));
    await using near = network.client("near", { publish: false });
    await near.whenReady();
    assert.equal(await codeOf(near.dial(OWN)), 202);
    assert.equal(near.sessions().length, 1);
    assert.equal(pair("s1").publicKey, near.sessions()[0]!.remote);
    await near.close();
    await silent.close();
  }));
