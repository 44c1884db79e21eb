/** Whose orders about transports a visor follows: nodes of its configuration, and of the deployment file that it was given. */
import assert from "node:assert/strict";
import { TRANSPORT_SETUP_PORT } from "../../lib/dmsg/mod.ts";
import { renderDeploymentFile } from "../../lib/directory/mod.ts";
import { TransportGatewayClient } from "../../lib/routing/setup/mod.ts";
import { never } from "./_nodes.ts";
import { type Fleet, keyOf, withFleet } from "./_fleet.ts";

/** Visor "T" asks visor `at` for a transport to "B". */
async function ordered(fleet: Fleet, at: string): Promise<string> {
  const conn = await fleet.running("T").visor.dmsg.dial({ publicKey: keyOf(at), port: TRANSPORT_SETUP_PORT });
  const gateway = new TransportGatewayClient(conn, { clock: fleet.world("T").clock });
  try {
    return (await gateway.add(keyOf("B"), "dmsg")).id;
  } finally {
    gateway.close();
    await gateway.closed;
  }
}

Deno.test("a visor follows transport setup nodes of its configuration and of --deployment, and nobody else", () =>
  withFleet(61, ["B", "T"], async (fleet) => {
    const { network } = fleet.network;
    const named = renderDeploymentFile({ ...network, transportSetup: [keyOf("T")] });
    await fleet.start("by file", { deployment: named });
    await fleet.start("by configuration", { config: { transport: { transport_setup: [keyOf("T")] } } });
    await fleet.start("of another", {
      deployment: renderDeploymentFile({ ...network, transportSetup: [keyOf("X")] }),
    });
    const orderedOf = ["by file", "by configuration"];
    await Promise.all([...orderedOf, "of another"].map((name) => fleet.running(name).whenReady(never)));
    for (const name of orderedOf) {
      const id = await ordered(fleet, name);
      assert.deepEqual(fleet.node(name).transports.to(keyOf("B")).map((transport) => transport.id), [id]);
    }
    await assert.rejects(ordered(fleet, "of another"));
    assert.equal((await fleet.call("of another", "counters", {})).setup.gatewayConnectionsRefused, 1);
    assert.deepEqual(fleet.node("of another").transports.transports(), []);
  }));
