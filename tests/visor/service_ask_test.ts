/** The control call by which commands read services through the visor (CL-4). */
import assert from "node:assert/strict";
import { keyOf, withFleet } from "./_fleet.ts";

Deno.test("serviceAsk reads each service of the network, over dmsg; what it does not have it says", () =>
  withFleet(91, ["alice", "bob"], async (fleet) => {
    const ask = (
      service: "transportDiscovery" | "addressResolver" | "routeFinder" | "dmsgDiscovery" | "conf",
      path: string,
    ) => fleet.call("alice", "serviceAsk", { service, method: "GET", path });
    for (
      const service of ["transportDiscovery", "addressResolver", "routeFinder", "dmsgDiscovery"] as const
    ) {
      const { status, text } = await ask(service, "/health");
      assert.equal(status, 200, service);
      assert.equal(typeof JSON.parse(text).started_at, "string", service);
    }
    const id = await fleet.link("alice", "bob");
    await fleet.until(
      "the transport is registered",
      async () => (await fleet.registered("bob")).length === 1,
    );
    const { text } = await ask("transportDiscovery", `/transports/edge:${keyOf("bob")}`);
    assert.equal(JSON.parse(text)[0].t_id, id);
    assert.equal((await ask("transportDiscovery", "/nothing")).status, 404);
    await assert.rejects(ask("conf", "/"), { code: "NO_SERVICE" });
  }));
