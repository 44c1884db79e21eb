/** The control call by which `svc health` asks through the visor (CL-4). */
import assert from "node:assert/strict";
import { HEALTH_TIMEOUT_MS_MAX } from "../../lib/control/mod.ts";
import { withFleet } from "./_fleet.ts";

Deno.test("serviceHealth asks each service by each way over the visor's own sessions, and makes none", () =>
  withFleet(92, ["alice"], async (fleet) => {
    const before = (await fleet.call("alice", "dmsgSessions", {})).map(({ server }) => server).sort();
    assert(before.length > 0);
    const { rows, withoutSession } = await fleet.call("alice", "serviceHealth", { timeoutMs: 2_000 });
    for (const row of rows) assert(row.isUp && row.latencyMs! >= 0, JSON.stringify(row));
    const ways = rows.map(({ service, way }) => `${service} ${way}`);
    for (const service of ["dmsg-discovery", "transport-discovery", "address-resolver", "route-finder"]) {
      for (const way of ["http", "dmsg"]) assert(ways.includes(`${service} ${way}`), `${service} ${way}`);
    }
    const pinged = rows.filter(({ service }) => service === "dmsg-server").map(({ publicKey }) => publicKey);
    assert.deepEqual(pinged.sort(), before);
    for (const { publicKey } of withoutSession) assert(!before.includes(publicKey));
    const after = (await fleet.call("alice", "dmsgSessions", {})).map(({ server }) => server).sort();
    assert.deepEqual(after, before);
    await assert.rejects(
      fleet.call("alice", "serviceHealth", { timeoutMs: HEALTH_TIMEOUT_MS_MAX + 1 }),
      { code: "CONTROL_INPUT" },
    );
    fleet.simulation.partition("alice", "net");
    await fleet.until(
      "the sessions are gone",
      async () => (await fleet.call("alice", "dmsgSessions", {})).length === 0,
    );
    await assert.rejects(fleet.call("alice", "serviceHealth", {}), { code: "NO_SERVER" });
    fleet.simulation.heal("alice", "net");
    await fleet.until(
      "a session is back",
      async () => (await fleet.call("alice", "dmsgSessions", {})).length > 0,
    );
  }));
