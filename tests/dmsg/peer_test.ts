/** Server links in virtual time: announcements, forwarding, one hop at most, and what is left without them (DS-8). */
import assert from "node:assert/strict";
import { inNetwork, key } from "./client_support.ts";
import { answering, hidden, peer, reach } from "./peer_support.ts";

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
