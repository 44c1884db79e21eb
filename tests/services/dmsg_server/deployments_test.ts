/** Which deployments a server is part of, and through which servers it gets to their discoveries (DS-4). */
import assert from "node:assert/strict";
import { toHex } from "../../../lib/crypto/mod.ts";
import { type Deployment, type Deployments, embeddedDeployments } from "../../../lib/deployment/mod.ts";
import { silentLog } from "../../../lib/base/mod.ts";
import {
  borrowedServers,
  checkServerDeployments,
  parseDmsgServerConfig,
  renderDmsgServerConfig,
  runDmsgServer,
  transitSeeds,
} from "../../../lib/services/dmsg_server/mod.ts";
import { withSimulation } from "../../support/world.ts";
import { key, known, pair } from "./support.ts";

const NULL_KEY = "0".repeat(66);

function parse(content: unknown, overrides = {}) {
  return parseDmsgServerConfig(JSON.stringify(content), "server.json", overrides).deployments;
}

/** An embedded deployment with one server. */
function embedded(discovery: string, server: string): Deployment {
  return {
    ...embeddedDeployments().prod!,
    dmsgDiscoveryDmsg: `dmsg://${key(discovery)}:80`,
    dmsgServers: [{ publicKey: key(server), address: `${server}:1` }],
  };
}

Deno.test("DS-4: nothing said of deployments is embedded production, whatever else is said", () => {
  const { dmsgServers } = embeddedDeployments().prod!;
  assert(dmsgServers.length > 0);
  const silences = [{}, { dmsg: null }, { discovery: "" }, { servers: [] }, {
    servers: null,
    max_sessions: 5,
  }];
  for (const content of silences) {
    const [only, ...more] = parse(content);
    assert.deepEqual([only!.name, only!.servers, more], ["prod", dmsgServers, []], JSON.stringify(content));
  }
});

Deno.test("DS-4: what is said stands alone: no field of it is taken from embedded data but borrowed servers", () => {
  const own = { discovery_dmsg: `dmsg://${key("d")}:80`, servers: [known("a")] };
  const expected = {
    discovery: undefined,
    discoveryDmsg: { publicKey: key("d"), port: 80 },
    servers: [{ publicKey: key("a"), address: "a:8081" }],
    advertisedAddress: undefined,
  };
  assert.deepEqual(parse({ dmsg: own }), [{ name: "dmsg", ...expected }]);
  assert.deepEqual(parse({ ...own, discovery: "" }), [{ name: "discovery", ...expected }]);
  // The block beats the older fields, also when it is empty.
  assert.deepEqual(parse({ dmsg: [own], discovery: "http://x:1" }), [{ name: "dmsg[0]", ...expected }]);
  assert.deepEqual(parse({ dmsg: [], discovery: "http://x:1" }), []);
  assert.deepEqual(parse({ dmsg: {} })[0]!.servers, []);
  // A list of its own is never touched, also with the key of an embedded discovery.
  const discovery_dmsg = embeddedDeployments().prod!.dmsgDiscoveryDmsg;
  assert.deepEqual(parse({ dmsg: { discovery_dmsg, servers: [known("a")] } })[0]!.servers, expected.servers);
  assert.deepEqual(
    parse({ dmsg: { discovery_dmsg, servers: [] } })[0]!.servers,
    embeddedDeployments().prod!.dmsgServers,
  );
});

Deno.test("DS-4: servers are borrowed from the deployment with the same discovery key, production first", () => {
  const two: Deployments = { test: embedded("d", "t"), prod: embedded("d", "p"), other: embedded("e", "o") };
  const names = (url: string | undefined) => borrowedServers(url, two).map(({ address }) => address);
  assert.deepEqual(names(`dmsg://${key("d")}:80`), ["p:1"]);
  assert.deepEqual(names(`dmsg://${key("e")}`), ["o:1"]);
  const offCurve = "02" + "f".repeat(64);
  const nowhere = [
    undefined,
    "",
    `dmsg://${key("unknown")}:80`,
    `dmsg://${NULL_KEY}:80`,
    `dmsg://${offCurve}:80`,
    `dmsg://${key("d")}:99999`,
    `http://${key("d")}:80`,
    key("d"),
    "dmsg://",
    "dmsg://not-a-key:80",
    toHex(new Uint8Array(40)),
  ];
  for (const url of nowhere) assert.deepEqual(names(url), [], url);
  assert.equal(nowhere.length, 11);
});

Deno.test("DS-4: a discovery that is named on the command line takes the place of all deployments in the file", () => {
  const content = {
    dmsg: [{ discovery_dmsg: `dmsg://${key("d")}:80`, servers: [known("a")] }],
    servers: [known("b")],
  };
  const [only, ...more] = parse(content, { discoveryDmsg: `dmsg://${key("e")}:80` });
  assert.deepEqual([only!.discoveryDmsg!.publicKey, only!.servers, more], [key("e"), [], []]);
  assert.equal(parse(content, { httpRegistration: true })[0]!.discoveryDmsg!.publicKey, key("d"));
  const made = JSON.parse(renderDmsgServerConfig(pair("s"), { discoveryDmsg: `dmsg://${key("e")}:80` }));
  assert.deepEqual([made.discovery, made.discovery_dmsg], [undefined, `dmsg://${key("e")}:80`]);
  const plain = JSON.parse(renderDmsgServerConfig(pair("s"), {}));
  assert.doesNotThrow(() => checkServerDeployments(parse(plain), "dmsg"));
  assert.deepEqual(parse(plain)[0]!.servers, embeddedDeployments().prod!.dmsgServers);
  const overHttp = JSON.parse(
    renderDmsgServerConfig(pair("s"), { discovery: "http://d:1", httpRegistration: true }),
  );
  assert.deepEqual([overHttp.registration, overHttp.discovery_dmsg], ["http", undefined]);
});

Deno.test("DS-2: a server without a discovery on dmsg does not start, and says why in the words of every server", () =>
  withSimulation(1, (simulation) => {
    const world = simulation.node("host");
    return simulation.run(async () => {
      const cases: [unknown, "dmsg" | "http", string][] = [
        [
          { dmsg: [] },
          "dmsg",
          "dmsg-server: no dmsg-discoveries configured; set 'discovery' or 'dmsg' in config",
        ],
        [
          { discovery: "http://d:9090" },
          "dmsg",
          'dmsg-server: deployment "discovery" has no discovery_dmsg; strict dmsg-only registration requires it',
        ],
        [
          {
            dmsg: [{ discovery_dmsg: `dmsg://${key("d")}:80` }, { discovery_dmsg: `dmsg://${NULL_KEY}:80` }],
          },
          "dmsg",
          'dmsg-server: deployment "dmsg[1]" has no discovery_dmsg; strict dmsg-only registration requires it',
        ],
        [
          { dmsg: { discovery_dmsg: `dmsg://${key("d")}:80` } },
          "http",
          'dmsg-server: deployment "dmsg" has no discovery; registration over HTTP requires it',
        ],
      ];
      for (const [content, registration, message] of cases) {
        const text = JSON.stringify({ ...content as object, registration });
        const config = parseDmsgServerConfig(text, "server.json");
        const options = { world, log: silentLog, keys: pair("s"), version: "1", config };
        await assert.rejects(runDmsgServer(options), { code: "NO_SERVER_DISCOVERY", message });
      }
      assert.deepEqual(simulation.live(), {});
    });
  }));

Deno.test("DS-2: the transit client knows itself, each deployment's servers, and each discovery at those only", () => {
  const deployments = parse({
    dmsg: [
      { discovery_dmsg: `dmsg://${key("d")}:80`, servers: [known("a"), known("self"), known("peer")] },
      { discovery_dmsg: `dmsg://${key("e")}:80`, servers: [known("b")] },
    ],
  });
  const options = { keys: pair("self"), deployments, peers: [key("peer")] };
  const seeds = transitSeeds({ ...options, listen: { hostname: "0.0.0.0", port: 8085 } });
  const servers = seeds.filter(({ server }) => server !== undefined);
  assert.deepEqual(servers.map((entry) => [entry.static, entry.server!.address]), [
    [key("self"), "127.0.0.1:8085"],
    [key("a"), "a:8081"],
    [key("b"), "b:8081"],
  ]);
  const clients = seeds.filter(({ client }) => client !== undefined);
  assert.deepEqual(clients.map((entry) => [entry.static, entry.client!.delegatedServers]), [
    [key("d"), [key("self"), key("a")]],
    [key("e"), [key("self"), key("b")]],
  ]);
  const at = (hostname: string, port: number) =>
    transitSeeds({ ...options, listen: { hostname, port } }).find((entry) => entry.static === key("self"))
      ?.server
      ?.address;
  assert.equal(at("10.0.0.1", 1), "10.0.0.1:1");
  assert.equal(at("127.0.0.1", 0), undefined);
});
