/** The fields that a deployment fills, by each way to its services. */
import assert from "node:assert/strict";
import { embeddedDeployment } from "../../../lib/deployment/mod.ts";
import { NoDiscoveryError } from "../../../lib/directory/mod.ts";
import { valuesOfDeployment } from "../../../lib/visor/config/mod.ts";

const deployment = embeddedDeployment();

Deno.test("valuesOfDeployment(): a service without the way that is wanted has its other one", () => {
  const overDmsg = { ...deployment, dmsgDiscovery: undefined, addressResolver: undefined };
  const http = valuesOfDeployment(overDmsg, "http");
  assert.deepEqual([http["dmsg.discovery"], http["dmsg.discovery_dmsg"]], ["", deployment.dmsgDiscoveryDmsg]);
  assert.equal(http["transport.address_resolver_dmsg"], deployment.addressResolverDmsg);
  assert.deepEqual(
    [http["transport.discovery"], http["transport.discovery_dmsg"]],
    [deployment.transportDiscovery, ""],
  );
  const dmsg = valuesOfDeployment({ ...deployment, routeFinderDmsg: undefined }, "dmsg");
  assert.deepEqual([dmsg["routing.route_finder"], dmsg["dmsg.discovery"]], [deployment.routeFinder, ""]);
});

Deno.test("valuesOfDeployment() names servers where the dmsg discovery may be asked over dmsg", () => {
  const servers = (given: typeof deployment, mode: "dual" | "dmsg" | "http") =>
    (valuesOfDeployment(given, mode)["dmsg.servers"] as unknown[]).length;
  assert.equal(deployment.dmsgServers.length, 9);
  assert.deepEqual([servers(deployment, "dual"), servers(deployment, "dmsg")], [9, 9]);
  assert.equal(servers(deployment, "http"), 0, "who asks the discovery over HTTP learns of them there");
  assert.equal(servers({ ...deployment, dmsgDiscovery: undefined }, "http"), 9);
});

Deno.test("valuesOfDeployment() makes nothing of a deployment without a dmsg discovery", () => {
  const none = { ...deployment, dmsgDiscovery: undefined, dmsgDiscoveryDmsg: undefined };
  for (const mode of ["dual", "dmsg", "http"] as const) {
    assert.throws(() => valuesOfDeployment(none, mode), NoDiscoveryError);
  }
});
