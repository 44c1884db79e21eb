/** networkOfFile() and seededEntries(): what a dmsg client takes from a deployment (dmsg.md 11, 13.3). */
import assert from "node:assert/strict";
import { SkyError } from "../../lib/base/mod.ts";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import {
  embeddedNetwork,
  networkOfFile,
  NoDiscoveryError,
  readNetworkFile,
  renderDeploymentFile,
  seededEntries,
} from "../../lib/directory/mod.ts";
import { FileNotFoundError } from "../../lib/runtime/mod.ts";
import { withSimulation } from "../support/world.ts";

const key = (name: string) => keyPairFromSeed(new TextEncoder().encode(name)).publicKey;
const SERVERS = [
  { static: key("s1"), server: { address: "10.0.0.1:8080" } },
  { static: key("s2"), server: { address: "[2001:db8::1]:8080" } },
];
const DMSG = `dmsg://${key("discovery")}:80`;

function file(deployment: object, name = "prod"): string {
  return JSON.stringify({ [name]: deployment });
}

Deno.test("networkOfFile() takes production, else the first deployment, and names it", () => {
  const one = { dmsg_discovery: "http://one:9090", dmsg_servers: SERVERS };
  const two = { ...one, dmsg_discovery: "http://two:9090" };
  const network = networkOfFile(JSON.stringify({ test: one, prod: two }), "file.json");
  assert.deepEqual([network.name, network.discoveryHttp, network.file], [
    "production",
    "http://two:9090",
    "file.json",
  ]);
  assert.deepEqual(network.servers.map(({ address }) => address), ["10.0.0.1:8080", "[2001:db8::1]:8080"]);
  assert.equal(networkOfFile(JSON.stringify({ mine: one, test: two }), "f").name, "mine");
  assert.equal(networkOfFile(JSON.stringify(one), "f").name, "local", "a bare deployment");
});

Deno.test("readNetworkFile() names its file, takes the network that is wanted, and passes over a byte order mark", () =>
  withSimulation(1, async (simulation) => {
    const { files } = simulation.node("somebody");
    const both = {
      prod: { dmsg_discovery: "http://one:9090", dmsg_servers: SERVERS },
      test: { dmsg_discovery: "http://two:9090", dmsg_servers: SERVERS },
    };
    await files.write("/d.json", new TextEncoder().encode(`\ufeff${JSON.stringify(both)}`));
    const prod = await readNetworkFile(files, "/d.json");
    assert.deepEqual([prod.discoveryHttp, prod.file], ["http://one:9090", "/d.json"]);
    assert.equal((await readNetworkFile(files, "/d.json", "test")).discoveryHttp, "http://two:9090");
    await assert.rejects(readNetworkFile(files, "/none.json"), FileNotFoundError);
  }));

Deno.test("networkOfFile() reads the discovery's dmsg address, with port 80 unless it says another", () => {
  const of = (dmsg_discovery_dmsg: string) =>
    networkOfFile(file({ dmsg_servers: SERVERS, dmsg_discovery_dmsg }), "f").discoveryDmsg;
  assert.deepEqual(of(DMSG), { publicKey: key("discovery"), port: 80 });
  assert.deepEqual(of(`dmsg://${key("discovery")}`), { publicKey: key("discovery"), port: 80 });
  assert.deepEqual(of(`dmsg://${key("discovery")}:8081`), { publicKey: key("discovery"), port: 8081 });
});

Deno.test("networkOfFile() refuses what leads to no discovery, and says which field and file", () => {
  for (const text of [file({ dmsg_servers: SERVERS }), file({ dmsg_servers: [], dmsg_discovery: "" })]) {
    assert.throws(() => networkOfFile(text, "some/file.json"), (error) => {
      assert.ok(error instanceof NoDiscoveryError);
      assert.match(error.message, /^some\/file\.json: field dmsg_discovery is missing/);
      assert.deepEqual([error.fault, error.code, error.file], ["caller", "NO_DISCOVERY", "some/file.json"]);
      return true;
    });
  }
  const bad = [
    "",
    "[]",
    "{}",
    "no json",
    `{"prod":7}`,
    file({ dmsg_servers: [{ static: "not a key", server: { address: "x:1" } }], dmsg_discovery: "http://x" }),
    file({ dmsg_servers: SERVERS, dmsg_discovery_dmsg: "dmsg://not-a-key:80" }),
    file({ dmsg_servers: SERVERS, dmsg_discovery_dmsg: "http://" }),
    file({ dmsg_servers: "none", dmsg_discovery: "http://x" }),
  ];
  for (const text of bad) {
    assert.throws(
      () => networkOfFile(text, "f"),
      (error) => error instanceof SkyError && error.fault === "caller" && error.message.length < 400,
      text,
    );
  }
});

Deno.test("a rendered deployment file is read back the same", () => {
  for (const discoveryHttp of ["http://10.0.0.9:9090", undefined]) {
    for (const discoveryDmsg of [{ publicKey: key("discovery"), port: 81 }, undefined]) {
      if (discoveryHttp === undefined && discoveryDmsg === undefined) continue;
      const servers = [{ publicKey: key("s1"), address: "127.0.0.1:8080" }];
      const network = { name: "local", file: "f", servers, discoveryHttp, discoveryDmsg };
      const back = networkOfFile(renderDeploymentFile(network), "f");
      assert.deepEqual({
        ...back,
        servers: back.servers.map(({ publicKey, address }) => ({ publicKey, address })),
      }, {
        ...network,
      });
    }
  }
});

Deno.test("seededEntries() has every server, and the discovery as an unsigned client of all of them", () => {
  const network = networkOfFile(file({ dmsg_servers: SERVERS, dmsg_discovery_dmsg: DMSG }), "f");
  const entries = seededEntries(network);
  assert.deepEqual(entries.map((entry) => entry.static), [key("s1"), key("s2"), key("discovery")]);
  assert.deepEqual(entries.map((entry) => entry.server?.address), [
    "10.0.0.1:8080",
    "[2001:db8::1]:8080",
    undefined,
  ]);
  const synthetic = entries[2]!;
  assert.deepEqual(synthetic.client!.delegatedServers, [key("s1"), key("s2")]);
  assert.deepEqual([synthetic.sequence, synthetic.timestamp, synthetic.signature], [0n, 0n, undefined]);
  assert.equal(seededEntries({ ...network, discoveryDmsg: undefined }).length, 2);
});

Deno.test("embeddedNetwork() is production, with servers and both ways to its discovery", () => {
  const network = embeddedNetwork();
  assert.equal(network.name, "production");
  assert.ok(network.servers.length >= 2);
  assert.match(network.discoveryHttp!, /^https?:\/\//);
  assert.ok(network.discoveryDmsg !== undefined);
  assert.equal(new Set(network.servers.map(({ publicKey }) => publicKey)).size, network.servers.length);
});

Deno.test("a network's services are written, read back the same, and looked up nowhere", () => {
  const network = {
    ...networkOfFile(file({ dmsg_servers: SERVERS, dmsg_discovery_dmsg: DMSG }, "mine"), "f"),
    transportDiscovery: { http: "http://10.0.0.5:9091", dmsg: { publicKey: key("tpd"), port: 80 } },
    addressResolver: { http: undefined, dmsg: { publicKey: key("ar"), port: 81 } },
    routeFinder: { http: "https://rf.example", dmsg: undefined },
    setupNodes: [key("setup one"), key("setup two")],
  };
  const text = renderDeploymentFile(network);
  assert.deepEqual(networkOfFile(text, "f"), network);
  const written = JSON.parse(text).mine;
  assert.equal(written.transport_discovery_dmsg, `dmsg://${key("tpd")}:80`);
  assert.deepEqual(written.route_setup_nodes, network.setupNodes);
  const clients = seededEntries(network).filter(({ client }) => client !== undefined);
  assert.deepEqual(clients.map((entry) => entry.static), [key("discovery"), key("tpd"), key("ar")]);
  assert.deepEqual(clients[1]!.client!.delegatedServers, [key("s1"), key("s2")]);
});

Deno.test("the embedded network names its services and setup nodes", () => {
  const { transportDiscovery, addressResolver, routeFinder, setupNodes } = embeddedNetwork();
  for (const service of [transportDiscovery, addressResolver, routeFinder]) {
    assert.ok(service?.http !== undefined || service?.dmsg !== undefined);
  }
  assert.ok(setupNodes!.length > 0);
});
