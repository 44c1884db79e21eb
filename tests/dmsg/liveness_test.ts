/** Is the server behind a session still serving? Markers, old servers, misses, and closing meanwhile (DC-8). */
import assert from "node:assert/strict";
import { readObject } from "../../lib/dmsg/_exchange.ts";
import type { Session } from "../../lib/dmsg/session.ts";
import { ConnReader } from "../../lib/wire/mod.ts";
import type { YamuxStream } from "../../lib/yamux/mod.ts";
import { bareServer, type DmsgNetworkUnderTest, inNetwork, key, seedOf } from "./client_support.ts";

/** Answers the `n`-th marker, from 1, as `how` says: after so many ms, never, or with an end instead. */
function answers(
  network: DmsgNetworkUnderTest,
  how: (n: number) => number | "never" | "end",
): { markers: number[]; onStream: (stream: YamuxStream, session: Session) => void } {
  const markers: number[] = [];
  return {
    markers,
    onStream(stream, session) {
      void (async () => {
        if (await readObject(new ConnReader(stream), session.opener) !== undefined) return stream.close();
        const answer = how(markers.push(network.simulation.nowMs));
        if (answer === "never") return;
        if (answer === "end") return stream.close();
        if (answer > 0) await network.sleep(answer);
        await stream.write(Uint8Array.of(0, 0));
        stream.close();
      })().catch(() => {}); // the session ended
    },
  };
}

const CYCLE_MS = 60_000 + 18_000;

function withServer(
  seed: number,
  how: (n: number) => number | "never" | "end",
  test: (
    network: DmsgNetworkUnderTest,
    bench: { markers: number[]; sessions: Session[]; client: ReturnType<DmsgNetworkUnderTest["client"]> },
  ) => Promise<void>,
): Promise<void> {
  return inNetwork(seed, async (network) => {
    const { markers, onStream } = answers(network, how);
    const server = await bareServer(network, "s1", onStream);
    const client = network.client("a", { seeded: [seedOf("s1")], publish: false });
    try {
      await client.whenReady();
      await test(network, { markers, sessions: server.sessions, client });
    } finally {
      await client.close();
      await server.close();
    }
  });
}

Deno.test("a server that answers is asked each minute and keeps its session (DC-8)", () =>
  withServer(1, () => 0, async (network, { markers, sessions }) => {
    await network.sleep(605_000);
    assert.equal(sessions.length, 1);
    assert.equal(markers.length, 10);
    assert.ok(markers[0]! >= 60_000 && markers[0]! < 60_000 + 500);
  }));

Deno.test("an answer within 18 s counts, however congested the server (DC-8)", () =>
  withServer(2, () => 18_000 - 200, async (network, { sessions }) => {
    await network.sleep(600_000);
    assert.equal(sessions.length, 1);
    assert.deepEqual(network.messages("Liveness ping missed"), []);
  }));

Deno.test("two misses in a row end a session that answered before, and it is dialled again (DC-8)", () =>
  withServer(3, (n) => n === 1 ? 0 : "never", async (network, { sessions, client }) => {
    await network.sleep(60_000 + 2 * CYCLE_MS - 100);
    assert.equal(sessions.length, 1);
    await network.sleep(2_000);
    assert.equal(sessions.length, 2, "dialled again at once");
    assert.equal(client.isReady, true);
    const [line] = network.messages(
      "Closing dead session (ping threshold exceeded); reconnect loop will re-dial",
    );
    assert.equal(line!.fields.server, key("s1"));
    assert.equal(line!.level, "warn");
    assert.equal(sessions[0]!.isLive, false);
  }));

Deno.test("one miss between two answers is forgiven (DC-8)", () =>
  withServer(4, (n) => n % 2 === 1 ? 0 : "never", async (network, { sessions }) => {
    await network.sleep(900_000);
    assert.equal(sessions.length, 1);
    assert.ok(network.messages("Liveness ping missed").length >= 5);
  }));

for (const how of ["never", "end"] as const) {
  Deno.test(`a server of 2024, which answers a marker with ${how}, is asked by mux pings and stays (DC-8)`, () =>
    withServer(5, () => how, async (network, { markers, sessions }) => {
      await network.sleep(900_000);
      assert.equal(sessions.length, 1);
      assert.equal(markers.length, 1, "asked in that way once");
    }));
}

Deno.test("a server that says nothing at all any more is noticed within two cycles (DC-8)", () =>
  withServer(6, () => 0, async (network, { client }) => {
    network.simulation.blackHole("s1", "a");
    await network.sleep(2 * CYCLE_MS);
    assert.equal(client.isReady, false);
    network.simulation.heal("s1", "a");
    await network.sleep(70_000);
    assert.equal(client.isReady, true);
  }));

Deno.test("closing does not wait for a ping under way (DC-8)", () =>
  withServer(7, () => "never", async (network, { markers, client }) => {
    await network.sleep(60_000 + 500);
    assert.equal(markers.length, 1, "in the middle of a ping");
    const pinging = assert.rejects(client.pingServer(key("s1")));
    const atMs = network.simulation.nowMs;
    await client.close();
    await pinging;
    assert.ok(network.simulation.nowMs - atMs < 2_000, `${network.simulation.nowMs - atMs} ms`);
  }));

Deno.test("a session that is lost during a ping is dialled again at once, and so it is when somebody asks (DC-8)", () =>
  withServer(9, () => "never", async (network, { markers, sessions, client }) => {
    await network.sleep(60_000 + 500);
    assert.equal(markers.length, 1, "in the middle of a ping");
    network.simulation.reset("a", "s1");
    await network.sleep(1_000);
    assert.deepEqual([sessions.length, client.isReady], [2, true]);
    await network.sleep(60_000);
    assert.equal(markers.length, 2, "in the middle of the next");
    sessions[1]!.mux.goAway(); // takes no more streams, and is still there
    await network.sleep(100);
    const askedMs = network.simulation.nowMs;
    await client.connect(key("s1"));
    assert.ok(network.simulation.nowMs - askedMs < 500, `${network.simulation.nowMs - askedMs} ms`);
    assert.equal(sessions.length, 3);
  }));

Deno.test("a ping that is cancelled rejects with the reason and leaves the session", () =>
  withServer(8, () => "never", async (network, { client, sessions }) => {
    const ending = new AbortController();
    const pinging = assert.rejects(client.pingServer(key("s1"), ending.signal), { message: "enough" });
    await network.sleep(500);
    ending.abort(new Error("enough"));
    await pinging;
    assert.equal(sessions[0]!.isLive, true);
  }));

for (const how of ["never", "end"] as const) {
  Deno.test(`DmsgClient.pingServer() asks the mux of a server of 2024, which answers a marker with ${how}`, () =>
    withServer(10, () => how, async (network, { markers, client }) => {
      const askedMs = network.simulation.nowMs;
      const roundTripMs = await client.pingServer(key("s1"));
      assert.equal(markers.length, 1);
      assert.ok(roundTripMs < 500, `${roundTripMs} ms: what was waited for the marker is no part of it`);
      assert.ok(network.simulation.nowMs - askedMs < 3_000);
    }));
}

Deno.test("DmsgClient.pingServer() fails where neither is answered", () =>
  withServer(11, () => "never", async (network, { client }) => {
    network.simulation.blackHole("s1", "a");
    await assert.rejects(client.pingServer(key("s1")), { code: "TIMED_OUT" });
    network.simulation.heal("s1", "a");
  }));
