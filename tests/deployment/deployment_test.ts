import assert from "node:assert/strict";
import fc from "fast-check";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import {
  DEPLOYMENT_CHARS_MAX,
  deploymentByDiscoveryKey,
  DeploymentError,
  embeddedDeployment,
  embeddedDeployments,
  isSameNetwork,
  keyOfDmsgUrl,
  LIST_MAX,
  mergeDeployments,
  namesDiscovery,
  parseDeployments,
} from "../../lib/deployment/mod.ts";

const folder = new URL("../vectors/deployment/", import.meta.url);
const file = (name: string) => Deno.readTextFileSync(new URL(name, folder));
const KEY = keyPairFromSeed(new TextEncoder().encode("dmsg-vector-server")).publicKey;
const DISCOVERY_KEY = "022e607e0914d6e7ccda7587f95790c09e126bbd506cc476a1eda852325aadd1aa";

Deno.test("the embedded deployments are the newest file", () => {
  const text = file("services-config-2026-latest.json");
  assert.deepEqual(embeddedDeployments(), parseDeployments(text));
  const embedded = new URL("../../lib/deployment/services-config.json", import.meta.url);
  assert.equal(Deno.readTextFileSync(embedded), text, "byte for byte");
  const prod = embeddedDeployment();
  assert.equal(prod.dmsgServers.length, 9);
  assert.deepEqual(prod.dmsgServers[8], {
    publicKey: "02a49bc0aa1b5b78f638e9189be4ed095bac5d6839c828465a8350f80ac07629c0",
    address: "143.42.59.213:30088",
  });
  assert.match(prod.dmsgServers[0]!.addressWs!, /^wss:\/\//);
  assert.equal(prod.dmsgDiscovery, "http://dmsgd.skywire.skycoin.com");
  assert.equal(prod.dmsgDiscoveryDmsg, `dmsg://${DISCOVERY_KEY}:80`);
  assert.equal(prod.confDmsg?.startsWith("dmsg://021f751c"), true);
  assert.equal(prod.uptimeTracker, undefined);
  assert.deepEqual(
    [prod.routeSetupNodes, prod.transportSetup, prod.surveyWhitelist, prod.stunServers].map((list) =>
      list.length
    ),
    [2, 10, 7, 2],
  );
  assert.equal(embeddedDeployment("test").dmsgServers.length, 8);
});

Deno.test("parseDeployments() reads the first file of 2026, with its uptime tracker", () => {
  const { prod, test } = parseDeployments(file("services-config-2026-04.json"));
  assert.equal(prod!.uptimeTracker, "http://ut.skywire.skycoin.com");
  assert.match(prod!.uptimeTrackerDmsg!, /^dmsg:\/\/022c424c/);
  assert.equal(prod!.confDmsg, undefined);
  assert.equal(test!.dmsgServers.length, 2);
});

Deno.test("the two files of 2024 join to one", () => {
  const services = parseDeployments(file("services-config-2024-10.json"));
  const overDmsg = parseDeployments(file("dmsghttp-config-2024-10.json"));
  assert.deepEqual(services.prod!.dmsgServers, []);
  assert.equal(services.prod!.dmsgDiscoveryDmsg, undefined);
  assert.equal(overDmsg.prod!.dmsgDiscovery, undefined, "a dmsg URL under the plain name");
  for (const joined of [mergeDeployments(services, overDmsg), mergeDeployments(overDmsg, services)]) {
    const { prod, test } = joined;
    assert.equal(prod!.dmsgServers.length, 6);
    assert.equal(prod!.dmsgDiscovery, "http://dmsgd.skywire.skycoin.com");
    assert.equal(prod!.dmsgDiscoveryDmsg, `dmsg://${DISCOVERY_KEY}:80`);
    assert.equal(prod!.routeSetupNodes.length, 3);
    assert.match(test!.dmsgDiscoveryDmsg!, /^dmsg:\/\/024a7b9b/);
  }
});

Deno.test("mergeDeployments() prefers the first and knows deployments that only one has", () => {
  const first = parseDeployments(`{"a": {"conf": "http://first"}, "b": {"conf": "http://b"}}`);
  const second = parseDeployments(
    `{"a": {"conf": "http://second", "geoip": "http://g"}, "c": {"conf": "http://c"}}`,
  );
  const merged = mergeDeployments(first, second);
  assert.deepEqual(Object.keys(merged).sort(), ["a", "b", "c"]);
  assert.equal(merged.a!.conf, "http://first");
  assert.equal(merged.a!.geoip, "http://g");
});

Deno.test("a file may hold one bare deployment, which is called local", () => {
  const text = JSON.stringify({
    dmsg_discovery: "http://127.0.0.1:9090",
    dmsg_discovery_dmsg: `dmsg://${KEY}:80`,
    dmsg_servers: [{
      static: KEY.toUpperCase(),
      server: { address: "[::1]:8081", address_ws: "ws://[::1]:8081/dmsg" },
    }],
  });
  const bare = parseDeployments(text);
  assert.deepEqual(bare, parseDeployments(`{"local": ${text}}`));
  assert.deepEqual(bare.local!.dmsgServers, [
    { publicKey: KEY, address: "[::1]:8081", addressWs: "ws://[::1]:8081/dmsg" },
  ]);
  assert.deepEqual(deploymentByDiscoveryKey(bare, KEY), { name: "local", deployment: bare.local });
});

Deno.test("deploymentByDiscoveryKey() prefers prod where several share a discovery", () => {
  const found = deploymentByDiscoveryKey(embeddedDeployments(), keyOfDmsgUrl(`dmsg://${DISCOVERY_KEY}:80`)!);
  assert.equal(found!.name, "prod");
  assert.equal(found!.deployment, embeddedDeployment("prod"));
  assert.equal(deploymentByDiscoveryKey(embeddedDeployments(), KEY), undefined);
});

Deno.test("keyOfDmsgUrl() finds the key, or nothing", () => {
  assert.equal(keyOfDmsgUrl(`dmsg://${KEY}`), KEY);
  assert.equal(keyOfDmsgUrl(`DMSG://${KEY.toUpperCase()}:80/x`), KEY);
  for (const url of [undefined, "", "http://example.org", "dmsg://", `dmsg://${KEY}0`]) {
    assert.equal(keyOfDmsgUrl(url), undefined);
  }
});

Deno.test("unknown members are ignored, missing, null and empty ones are absent", () => {
  const { prod } = parseDeployments(
    `{"version": 3, "prod": {"future": [1], "conf": "", "dns_server": null, "dmsg_servers": null}}`,
  );
  assert.deepEqual(prod, {
    dmsgServers: [],
    routeSetupNodes: [],
    transportSetup: [],
    surveyWhitelist: [],
    stunServers: [],
  });
});

Deno.test("every wrong member is named, with what it holds and what to write", () => {
  const server = (change: object) => ({ static: KEY, server: { address: "h:1", ...change } });
  const cases: readonly (readonly [field: string, deployment: object, remedy: RegExp])[] = [
    ["dmsg_discovery", { dmsg_discovery: "ftp://x" }, /http:\/\//],
    ["dmsg_discovery", { dmsg_discovery: "http://" }, /http:\/\//],
    ["dmsg_discovery", { dmsg_discovery: 1 }, /a text/],
    ["dmsg_discovery_dmsg", { dmsg_discovery_dmsg: "http://x" }, /dmsg:\/\//],
    ["dmsg_discovery_dmsg", { dmsg_discovery_dmsg: `dmsg://${KEY.slice(2)}:80` }, /dmsg:\/\//],
    ["dmsg_discovery_dmsg", { dmsg_discovery_dmsg: `dmsg://${KEY}:65536` }, /dmsg:\/\//],
    ["conf_dmsg", { conf_dmsg: `dmsg://02${"f".repeat(64)}:80` }, /dmsg:\/\//],
    ["geoip", { geoip: `dmsg://${KEY}:80` }, /http:\/\//],
    ["dmsg_servers", { dmsg_servers: {} }, /a list/],
    ["dmsg_servers[0]", { dmsg_servers: ["x"] }, /an object with static and server/],
    ["dmsg_servers[1].static", { dmsg_servers: [server({}), { server: {} }] }, /66 hex/],
    ["dmsg_servers[0].server", { dmsg_servers: [{ static: KEY }] }, /an object with address/],
    ["dmsg_servers[0].server.address", { dmsg_servers: [server({ address: "h" })] }, /host:port/],
    ["dmsg_servers[0].server.address", { dmsg_servers: [server({ address: "h:65536" })] }, /host:port/],
    ["dmsg_servers[0].server.address_ws", { dmsg_servers: [server({ address_ws: 1 })] }, /a text/],
    ["route_setup_nodes[0]", { route_setup_nodes: ["0".repeat(66)] }, /66 hex/],
    ["transport_setup[0]", { transport_setup: [1] }, /66 hex/],
    ["survey_whitelist", { survey_whitelist: "x" }, /a list/],
    ["stun_servers[0]", { stun_servers: ["::1:3478"] }, /host:port/],
    ["route_setup_nodes", { route_setup_nodes: Array(LIST_MAX + 1).fill(KEY) }, /at most/],
  ];
  for (const [field, deployment, remedy] of cases) {
    assert.throws(() => parseDeployments(JSON.stringify({ prod: deployment })), (error) => {
      assert.ok(error instanceof DeploymentError);
      assert.equal(error.field, `prod.${field}`);
      assert.match(error.remedy, remedy);
      assert.ok(error.message.length < 300, error.message);
      assert.match(error.hint!, /^set prod\./);
      return true;
    });
  }
  assert.equal(cases.length, 20);
});

Deno.test("a text that is no deployment file is refused whole", () => {
  for (
    const text of ["", "{", "null", "[]", "1", "{}", `{"prod": 1}`, " ".repeat(DEPLOYMENT_CHARS_MAX + 1)]
  ) {
    assert.throws(
      () => parseDeployments(text),
      (error) => error instanceof DeploymentError && error.field === "",
    );
  }
});

Deno.test("parseDeployments() names the file and the place, and shows no secret key of a file that is another one", () => {
  const secret = "ab".repeat(32);
  const message = (text: string, file?: string) => {
    try {
      parseDeployments(text, file);
    } catch (error) {
      assert.ok(error instanceof DeploymentError);
      return `${error.message}; ${error.cause}`;
    }
    assert.fail("taken");
  };
  assert.equal(
    message(`{"sk":"${secret}",\n "dmsg":`, "visor.json"),
    "visor.json: Deployment must be a JSON object of deployments, not text that is no JSON (it ends too early, in line 2); undefined",
  );
  assert.match(message(`{"sk": ${secret}}`), /no JSON \(line 1, column \d+\); undefined$/);
  assert.match(message("", "net.json"), /^net\.json: .*, not an empty file;/);
  assert.match(message(`{"sk":"${secret}"}`), /not \{"sk":"\[hidden\]"\};/);
  assert.match(
    message(`{"prod":{"conf":1}}`, "net.json"),
    /^net\.json: Deployment field prod\.conf must be /,
  );
  assert.deepEqual(parseDeployments('\uFEFF{"a":{"conf":"http://x"}}')["a"]!.conf, "http://x");
});

Deno.test("a deployment may have any name", () => {
  const deployments = parseDeployments(`{"__proto__": {"conf": "http://x"}}`);
  assert.deepEqual(Object.keys(deployments), ["__proto__"]);
  assert.deepEqual(Object.keys(mergeDeployments(deployments, {})), ["__proto__"]);
});

Deno.test("any text is a deployment file or a DeploymentError", () => {
  const good = file("services-config-2026-latest.json");
  const changed = fc.tuple(fc.nat(good.length - 1), fc.string({ maxLength: 2 }))
    .map(([at, put]) => good.slice(0, at) + put + good.slice(at + 1));
  let refused = 0;
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json(), changed), (text) => {
      try {
        parseDeployments(text);
      } catch (error) {
        assert.ok(error instanceof DeploymentError, String(error));
        refused++;
      }
    }),
    { seed: 1, numRuns: 300 },
  );
  assert.ok(refused > 50);
});

Deno.test("isSameNetwork() goes by the key of the discovery where both name it, else by its URL", () => {
  const [one, other] = [`dmsg://${DISCOVERY_KEY}:80`, `dmsg://${KEY}:80`];
  const url = "http://dmsgd.skywire.skycoin.com";
  const cases: readonly [
    Parameters<typeof isSameNetwork>[0],
    Parameters<typeof isSameNetwork>[1],
    boolean,
  ][] = [
    [{ dmsgDiscoveryDmsg: one }, { dmsgDiscoveryDmsg: `dmsg://${DISCOVERY_KEY}` }, true],
    [{ dmsgDiscovery: url, dmsgDiscoveryDmsg: one }, { dmsgDiscovery: "x:", dmsgDiscoveryDmsg: one }, true],
    [{ dmsgDiscovery: url, dmsgDiscoveryDmsg: one }, { dmsgDiscovery: url, dmsgDiscoveryDmsg: other }, false],
    [{ dmsgDiscovery: url, dmsgDiscoveryDmsg: one }, { dmsgDiscovery: `${url}/` }, true],
    [{ dmsgDiscovery: url }, { dmsgDiscovery: "http://another" }, false],
    [{ dmsgDiscovery: url }, { dmsgDiscoveryDmsg: one }, false],
    [{}, {}, false],
  ];
  for (const [a, b, isSame] of cases) {
    assert.equal(isSameNetwork(a, b), isSame);
    assert.equal(isSameNetwork(b, a), isSame);
  }
  assert.deepEqual(
    [{}, { dmsgDiscovery: url }, { dmsgDiscoveryDmsg: one }].map(namesDiscovery),
    [false, true, true],
  );
});
