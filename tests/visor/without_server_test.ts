/** What is asked of a peer while there is no dmsg server: the network's fault, never the peer's (exit code 3). */
import assert from "node:assert/strict";
import { ControlClient } from "../../lib/control/mod.ts";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import { type Fleet, keyOf, withFleet } from "./_fleet.ts";
import { never } from "./_nodes.ts";

const NOBODY = keyPairFromSeed(new TextEncoder().encode("nobody")).publicKey;

/** A's ways to ask a peer over dmsg. */
const WAYS = {
  "dmsg ping": (fleet: Fleet, key: string) => fleet.call("A", "dmsgPing", { key }),
  "log tail": async (fleet: Fleet, key: string) => {
    await using client = await ControlClient.open("/home", fleet.world("A"));
    for await (const _line of client.stream("log", { key }, never));
  },
  "dmsg curl --visor": async (fleet: Fleet, key: string) => {
    await using client = await ControlClient.open("/home", fleet.world("A"));
    await client.fetch({ url: `dmsg://${key}/health`, method: "GET", headers: [] }, never);
  },
};

Deno.test("a peer that nobody reaches is its own fault; without any dmsg server it is the network's, whoever is asked", () =>
  withFleet(401, ["A", "B"], async (fleet) => {
    for (const [way, ask] of Object.entries(WAYS)) {
      await assert.rejects(ask(fleet, NOBODY), { code: "DMSG_202", fault: "peer" }, way);
    }
    fleet.simulation.partition("A", "net");
    await fleet.until(
      "the sessions are gone",
      async () => (await fleet.call("A", "dmsgSessions", {})).length === 0,
    );
    for (const key of [NOBODY, keyOf("B")]) {
      for (const [way, ask] of Object.entries(WAYS)) {
        await assert.rejects(ask(fleet, key), { code: "NO_SERVER", fault: "world" }, way);
      }
    }
    // What never came so far as to ask anybody is nobody's but the caller's.
    for (const way of ["dmsg ping", "log tail"] as const) {
      await assert.rejects(WAYS[way](fleet, "02ab"), { code: "INVALID_KEY", fault: "caller" }, way);
    }
    fleet.simulation.heal("A", "net");
  }));
