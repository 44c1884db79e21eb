/** The config bootstrapper beyond the recordings: what it is told, where services are over dmsg, for how long. */
import assert from "node:assert/strict";
import {
  type Deployment,
  embeddedDeployment,
  parseDeployments,
  readDeployments,
} from "../../lib/deployment/mod.ts";
import { renderEntry, serverEntry, signEntry } from "../../lib/dmsg/entry.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import {
  type AskAt,
  createConfigBootstrapper,
  deploymentOfDomain,
  GATHERED_MS,
  INCOMPLETE_MS,
  renderServices,
} from "../../lib/services/config_bootstrapper/mod.ts";
import { ask, pair } from "./service_support.ts";

const server = pair("server");
const keyOf = (name: string) => pair(name).publicKey;
const DOMAIN = deploymentOfDomain("skywire.example");

/** Health and servers of the services of a domain; `down` do not answer, `unwell` with a status of their own. */
function services(
  down = new Set<string>(),
  unwell: Readonly<Record<string, number>> = {},
): { readonly ask: AskAt; readonly asked: string[] } {
  const asked: string[] = [];
  const entry = signEntry(
    serverEntry({
      publicKey: server.publicKey,
      server: { address: "203.0.113.5:8081", availableSessions: 5 },
      timestamp: 1n,
    }),
    server.secretKey,
  );
  const askAt: AskAt = (_, { http }) => ({ path }) => {
    const host = new URL(http!).hostname.split(".")[0]!;
    asked.push(`${host}${path}`);
    if (down.has(host)) return Promise.reject(new Error("down"));
    const text = path === "/health"
      ? JSON.stringify({ dmsg_address: `${keyOf(host)}:80` })
      : `[${renderEntry(entry)}]`;
    return Promise.resolve({ status: unwell[host] ?? 200, text });
  };
  return { ask: askAt, asked };
}

function bootstrapper(deployment: Deployment | (() => Deployment), askAt?: AskAt) {
  const clock = new VirtualClock();
  const api = createConfigBootstrapper({ deployment, world: { clock }, ask: askAt });
  return { clock, get: async (path: string) => JSON.parse((await ask(api, { path })).body), api };
}

Deno.test("a domain has its services below it, in a domain of production but one", () => {
  assert.deepEqual(
    [DOMAIN.dmsgDiscovery, DOMAIN.transportDiscovery, DOMAIN.addressResolver, DOMAIN.routeFinder],
    [
      "http://dmsgd.skywire.example",
      "http://tpd.skywire.example",
      "http://ar.skywire.example",
      "http://rf.skywire.example",
    ],
  );
  assert.deepEqual(
    [DOMAIN.uptimeTracker, DOMAIN.serviceDiscovery, DOMAIN.dnsServer],
    ["http://ut.skywire.example", "http://sd.skywire.example", "1.1.1.1"],
  );
  assert.equal(deploymentOfDomain("skywire.skycoin.com").serviceDiscovery, "http://sd.skycoin.com");
  assert.equal(deploymentOfDomain("x.example", { dns_server: "9.9.9.9" }).dnsServer, "9.9.9.9");
  assert.throws(() => deploymentOfDomain("x.example", { route_setup_nodes: ["02"] }), {
    code: "BAD_DEPLOYMENT",
  });
});

Deno.test("a deployment that is told can be read again, as a whole, by both names of every service", () => {
  for (const name of ["prod", "test"] as const) {
    const deployment = embeddedDeployment(name);
    assert.deepEqual(parseDeployments(renderServices(deployment))["local"], deployment);
  }
  const own = readDeployments({
    it: {
      dmsg_discovery: "http://127.0.0.1:9090",
      allow_loopback_addresses: true,
      wss_domain_suffix: "x.example",
    },
  })["it"]!;
  assert.deepEqual(parseDeployments(renderServices(own))["local"], own);
});

Deno.test("where services are over dmsg is asked of each, and of the discovery its servers, once in 5 min", async () => {
  const { ask: askAt, asked } = services();
  const { get, clock } = bootstrapper(DOMAIN, askAt);
  const [told] = await Promise.all([get("/dmsghttp"), get("/dmsghttp")]);
  assert.deepEqual(told, {
    dmsg_servers: [{ static: server.publicKey, server: { address: "203.0.113.5:8081" } }],
    dmsg_discovery: `${keyOf("dmsgd")}:80`,
    transport_discovery: `${keyOf("tpd")}:80`,
    address_resolver: `${keyOf("ar")}:80`,
    route_finder: `${keyOf("rf")}:80`,
    uptime_tracker: `${keyOf("ut")}:80`,
    service_discovery: `${keyOf("sd")}:80`,
  });
  assert.equal(asked.length, 7, "who came meanwhile shared it");
  await clock.advance(GATHERED_MS - 1);
  await get("/dmsghttp");
  assert.equal(asked.length, 7);
  await clock.advance(1);
  await get("/dmsghttp");
  assert.equal(asked.length, 14);
});

Deno.test("a service that does not answer has an empty text, and is asked again soon", async () => {
  const down = new Set(["ut", "dmsgd"]);
  const { ask: askAt, asked } = services(down);
  const { get, clock } = bootstrapper(DOMAIN, askAt);
  const told = await get("/dmsghttp");
  assert.deepEqual([told.uptime_tracker, told.dmsg_discovery, told.dmsg_servers], ["", "", null]);
  assert.equal(told.service_discovery, `${keyOf("sd")}:80`);
  down.clear();
  await clock.advance(INCOMPLETE_MS - 1);
  assert.equal((await get("/dmsghttp")).uptime_tracker, "");
  await clock.advance(1);
  assert.equal((await get("/dmsghttp")).uptime_tracker, `${keyOf("ut")}:80`);
  assert.equal(asked.length, 14);
});

Deno.test("a service that is not well, as while its store is full, is told of all the same; what is no health is not", async () => {
  const { ask: askAt } = services(undefined, { tpd: 503, ut: 404 });
  const told = await bootstrapper(DOMAIN, askAt).get("/dmsghttp");
  assert.deepEqual([told.transport_discovery, told.uptime_tracker], [`${keyOf("tpd")}:80`, ""]);
});

Deno.test("what the deployment says is asked of nobody; answers of liars are no addresses", async () => {
  const asked: string[] = [];
  const lying = (text: string): AskAt => (name) => () => {
    asked.push(name);
    return Promise.resolve({ status: 200, text });
  };
  const prod = embeddedDeployment();
  const { get } = bootstrapper({ ...prod, dmsgDiscovery: undefined }, lying("{}"));
  const told = await get("/dmsghttp");
  assert.equal(`dmsg://${told.transport_discovery}`, prod.transportDiscoveryDmsg);
  assert.equal(told.dmsg_servers.length, prod.dmsgServers.length);
  assert.deepEqual(asked, []);
  for (const text of ["", "nope", "null", "[]", `{"dmsg_address":7}`, `{"dmsg_address":"x:80"}`]) {
    const { get } = bootstrapper(DOMAIN, lying(text));
    const { dmsg_servers, ...rest } = await get("/dmsghttp");
    assert.ok(dmsg_servers === null && Object.values(rest).every((address) => address === ""), text);
  }
});

Deno.test("paths and methods that are none", async () => {
  const { api } = bootstrapper(DOMAIN);
  for (const path of ["/x", "", "//", "/dmsghttp/", "/health/x"]) {
    assert.equal((await ask(api, { path })).status, 404, path);
  }
  for (const path of ["/", "/dmsghttp", "/health"]) {
    const answer = await ask(api, { path, method: "POST" });
    assert.deepEqual([answer.status, answer.header("allow")], [405, "GET"], path);
  }
});

Deno.test("what is known later is told from then on, by both routes", async () => {
  let deployment = deploymentOfDomain("one.example");
  const { get } = bootstrapper(() => deployment);
  assert.equal((await get("/")).conf, deployment.conf);
  deployment = {
    ...deploymentOfDomain("two.example"),
    conf: "http://127.0.0.1:9082",
    transportDiscoveryDmsg: `dmsg://${keyOf("tpd")}:80`,
  };
  assert.equal((await get("/")).conf, "http://127.0.0.1:9082");
  assert.equal((await get("/dmsghttp")).transport_discovery, `${keyOf("tpd")}:80`);
});
