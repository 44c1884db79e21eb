/** The visor's configuration: Skywire's own files load unchanged, and what is wrong is named. */
import assert from "node:assert/strict";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import { ConfigError } from "../../lib/deployment/mod.ts";
import { embeddedNetwork } from "../../lib/directory/mod.ts";
import {
  APPS_DEFAULT,
  generateConfig,
  networkOfConfig,
  parseVisorConfig,
  renderConfig,
} from "../../lib/visor/mod.ts";

const { publicKey, secretKey } = keyPairFromSeed(new TextEncoder().encode("visor configuration"));
const other = keyPairFromSeed(new TextEncoder().encode("another")).publicKey;
const vectors = new URL("../vectors/deployment/", import.meta.url);

function refusal(text: string): ConfigError {
  try {
    parseVisorConfig(text, "visor.json");
  } catch (error) {
    assert(error instanceof ConfigError, String(error));
    return error;
  }
  assert.fail(`taken: ${text}`);
}

/** What a file says, the field that is named, and the rule as the message has it. */
const WRONG: readonly (readonly [content: unknown, field: string, rule: RegExp])[] = [
  [{ version: 13 }, "version", /value 13: it must be text/],
  [{ version: "latest" }, "version", /value "latest": it must look like v1\.3\.76/],
  [{ version: "v2.0.0" }, "version", /only major version 1/],
  [{ sk: "abc" }, "sk", /64 hex characters \(value not shown\)/],
  [{ sk: 7 }, "sk", /it must be text/],
  [{ sk: secretKey.reveal(), pk: other }, "pk", new RegExp(`it must be ${publicKey}`)],
  [{ dmsg: 3 }, "dmsg", /it must be an object, not 3/],
  [{ dmsg: [] }, "dmsg", /it must be an object, not \[\]/],
  [{ dmsg: { discovery: "ftp://x" } }, "dmsg.discovery", /value "ftp:\/\/x": it must be a URL/],
  [{ dmsg: { discovery: "http://" } }, "dmsg.discovery", /it must be a URL/],
  [{ dmsg: { discovery: "http://[::" } }, "dmsg.discovery", /value "http:\/\/\[::": .*host or host:port/],
  [{ dmsg: { discovery: "http://a:99999" } }, "dmsg.discovery", /host or host:port/],
  [{ dmsg: { discovery: "dmsg://xyz" } }, "dmsg.discovery", /value "dmsg:\/\/xyz": .*public key of 66 hex/],
  [{ dmsg: { discovery_dmsg: `dmsg://${publicKey}:65536` } }, "dmsg.discovery_dmsg", /public key of 66 hex/],
  [{ dmsg: { discovery_dmsg: `dmsg://02${"f".repeat(64)}:80` } }, "dmsg.discovery_dmsg", /public key of 66/],
  [{ dmsg: { discovery_dmsg: "http://x" } }, "dmsg.discovery_dmsg", /starts with dmsg:\/\//],
  [{ dmsg: { sessions_count: -1 } }, "dmsg.sessions_count", /value -1: .*from 0 to 2048/],
  [{ dmsg: { sessions_count: 1.5 } }, "dmsg.sessions_count", /whole number/],
  [{ dmsg: { sessions_count: "2" } }, "dmsg.sessions_count", /value "2": it must be a whole number/],
  [{ dmsg: { servers_type: "some" } }, "dmsg.servers_type", /one of all, official, community/],
  [{ dmsg: { servers: {} } }, "dmsg.servers", /it must be a list/],
  [{ dmsg: { servers: [null] } }, "dmsg.servers[0]", /it must be an object/],
  [{ dmsg: { servers: [{ static: publicKey }] } }, "dmsg.servers[0].server.address", /host:port/],
  [
    { dmsg: { servers: [{ static: publicKey, server: { address: "a:b:c" } }] } },
    "dmsg.servers[0].server.address",
    /value "a:b:c": it must be host:port/,
  ],
  [{ dmsg: { servers: [{ static: "02", server: { address: "a:1" } }] } }, "dmsg.servers[0].static", /66 hex/],
  [{ cli_addr: "a b" }, "cli_addr", /it must be host:port, or :port/],
  [{ cli_addr: "localhost:99999" }, "cli_addr", /host:port/],
  [{ log_level: "loud" }, "log_level", /one of debug, info, warn, error/],
  [{ survey_whitelist: "x" }, "survey_whitelist", /it must be a list/],
  [{ survey_whitelist: [publicKey, "x"] }, "survey_whitelist", /item 1 must be a public key/],
  [{ hypervisors: [1] }, "hypervisors", /item 0 must be a public key/],
  [{ transport: { discovery: "x" } }, "transport.discovery", /it must be a URL/],
  [{ transport: { stcpr_port: 65_536 } }, "transport.stcpr_port", /from 0 to 65535/],
  [{ transport: { sudph_port: -1 } }, "transport.sudph_port", /from 0 to 65535/],
  [{ transport: { transport_setup: ["x"] } }, "transport.transport_setup", /item 0 must be a public key/],
  [{ routing: { min_hops: -1 } }, "routing.min_hops", /value -1/],
  [{ routing: { route_finder_timeout: "soon" } }, "routing.route_finder_timeout", /a duration such as 10s/],
  [{ routing: { route_finder_timeout: 1e15 } }, "routing.route_finder_timeout", /at most 600s/],
  [{ "skywire-tcp": { pk_table: { x: "a:1" } } }, "skywire-tcp.pk_table.x", /must be a public key/],
  [{ "skywire-tcp": { pk_table: { [other]: "a" } } }, `skywire-tcp.pk_table.${other}`, /host:port/],
  [{ "skywire-tcp": { pk_table: { [other]: 1 } } }, `skywire-tcp.pk_table.${other}`, /must be text/],
  [{ "skywire-tcp": { listening_address: "a" } }, "skywire-tcp.listening_address", /host:port/],
  [{ persistent_transports: [{ pk: other }] }, "persistent_transports[0].type", /such as stcpr/],
  [{ launcher: { apps: [{}] } }, "launcher.apps[0].name", /the app's name/],
  [{ launcher: { apps: [{ name: "a" }, { name: "a" }] } }, "launcher.apps[1].name", /another app/],
  [{ launcher: { apps: [{ name: "a", args: 1 }] } }, "launcher.apps[0].args", /must be a list/],
  [{ launcher: { apps: [{ name: "a", args: [1] }] } }, "launcher.apps[0].args", /item 0 must be text/],
  [{ launcher: { apps: [{ name: "a", args: "-x 'y" }] } }, "launcher.apps[0].args", /never closed/],
];

Deno.test("parseVisorConfig() names file, field, value and rule of whatever is wrong", () => {
  for (const [content, field, rule] of WRONG) {
    const error = refusal(JSON.stringify(content));
    assert.equal(error.field, field);
    assert.equal(error.fault, "caller"); // exit code 2
    assert(error.message.startsWith(`visor.json: field ${field}: `), error.message);
    assert.match(error.message, rule);
  }
  assert.equal(WRONG.length, 48);
});

Deno.test("parseVisorConfig() refuses what is no object, says where JSON breaks, and never quotes the secret", () => {
  const secret = secretKey.reveal();
  const broken = refusal(`{\n\t"sk": "${secret}",\n\t"pk": oops\n}`);
  assert.match(broken.message, /^visor\.json: it is not JSON \(line 3, column 8\)$/);
  for (
    const text of [
      `{"sk": "${secret}", "pk": "${secret.toUpperCase()}"}`,
      `{"sk": "${secret}`,
      `{"sk": "${secret}0"}`,
      `["${secret}"]`,
      `"${secret}"`,
      "",
      "null",
    ]
  ) {
    const error = refusal(text);
    const told = JSON.stringify([error.message, error.hint, String(error.cause)]);
    assert(!told.toLowerCase().includes(secret), error.message);
  }
  assert.match(refusal("[]").message, /it is JSON, but no object/);
  assert.match(refusal("x".repeat(5_000_000)).message, /too large/);
});

Deno.test("parseVisorConfig() reads an empty object as every default", () => {
  const { raw: _, ...config } = parseVisorConfig("{}", "visor.json");
  assert.deepEqual(config, {
    rewardAddress: undefined,
    secretKey: undefined,
    dmsg: {
      discovery: undefined,
      discoveryDmsg: undefined,
      sessionsCount: 1,
      servers: [],
      serversType: "all",
    },
    controlAddress: { hostname: "127.0.0.1", port: 3435 },
    logLevel: "info",
    surveyWhitelist: [],
    uptimeSampleMs: 60_000,
    hypervisors: [],
    node: {
      transportDiscovery: { http: undefined, dmsg: undefined },
      addressResolver: { http: undefined, dmsg: undefined },
      routeFinder: { http: undefined, dmsg: undefined },
      serviceDiscovery: { http: undefined, dmsg: undefined },
      uptimeTracker: { http: undefined, dmsg: undefined },
      configuration: { http: undefined, dmsg: undefined },
      routeFinderTimeoutMs: 10_000,
      transportSetupNodes: [],
      routeSetupNodes: [],
      minHops: 1,
      stcprPort: 0,
      sudphPort: 0,
      stunServers: [],
      stcp: undefined,
      persistentTransports: [],
      allowLoopbackAddresses: false,
      presence: {
        isPublic: false,
        publicTimeoutMs: 600_000,
        publicTransportsMax: 1_000,
        displayNodeIp: false,
        serviceIntervalMs: 90_000,
        autoconnects: true,
      },
    },
    apps: [],
  });
});

Deno.test("parseVisorConfig() reads transports, routes and apps in the forms of 2024 and 2026", () => {
  const { node, apps } = parseVisorConfig(
    JSON.stringify({
      transport: {
        discovery: `dmsg://${other}:80`,
        address_resolver: "http://ar:9093",
        address_resolver_dmsg: `dmsg://${other}:81`,
        transport_setup: [other],
        user_transport_setup: [publicKey],
        stcpr_port: 7777,
        sudph_port: 7778,
        allow_loopback_addresses: true,
        public_autoconnect: false,
      },
      is_public: true,
      public_visor: { registration_timeout: "2m", max_transports: 7 },
      uptime_tracker: { addr: `dmsg://${other}:82` },
      routing: {
        route_setup_nodes: [other],
        user_route_setup_nodes: [publicKey],
        route_finder_timeout: 2e9,
        min_hops: 0,
      },
      stun_servers: ["192.0.2.7:3478", "stun.example:3478"],
      "skywire-tcp": { pk_table: { [other]: "10.0.0.1:7777" } },
      persistent_transports: [{ pk: other, type: "stcpr" }],
      launcher: {
        service_discovery: "http://sd:9098",
        service_discovery_dmsg: `dmsg://${other}:83`,
        display_node_ip: true,
        heartbeat_interval: "1ms",
        apps: [
          { name: "skysocks-client", binary: "skywire", args: ["app", "--addr", ":1080"], port: 13 },
          { name: "b", args: `--srv key --name 'two words' ""`, auto_start: true },
        ],
      },
    }),
    "visor.json",
  );
  assert.deepEqual(node, {
    transportDiscovery: { http: undefined, dmsg: `dmsg://${other}:80` },
    addressResolver: { http: "http://ar:9093", dmsg: `dmsg://${other}:81` },
    routeFinder: { http: undefined, dmsg: undefined },
    serviceDiscovery: { http: "http://sd:9098", dmsg: `dmsg://${other}:83` },
    uptimeTracker: { http: undefined, dmsg: `dmsg://${other}:82` },
    configuration: { http: undefined, dmsg: undefined },
    routeFinderTimeoutMs: 2_000,
    transportSetupNodes: [other, publicKey],
    routeSetupNodes: [other, publicKey],
    minHops: 1, // 0 is "any" in files of 2024
    stcprPort: 7777,
    sudphPort: 7778,
    stunServers: [{ hostname: "192.0.2.7", port: 3478 }, { hostname: "stun.example", port: 3478 }],
    stcp: { table: new Map([[other, "10.0.0.1:7777"]]), listen: { hostname: "0.0.0.0", port: 7777 } },
    persistentTransports: [{ publicKey: other, type: "stcpr" }],
    allowLoopbackAddresses: true,
    presence: {
      isPublic: true,
      publicTimeoutMs: 120_000,
      publicTransportsMax: 7,
      displayNodeIp: true,
      serviceIntervalMs: 5_000, // the least
      autoconnects: false,
    },
  });
  assert.deepEqual(apps, [
    {
      name: "skysocks-client",
      binary: "skywire",
      args: ["app", "--addr", ":1080"],
      autoStart: false,
      port: 13,
    },
    { name: "b", binary: "b", args: ["--srv", "key", "--name", "two words", ""], autoStart: true, port: 0 },
  ]);
  const timeout = (value: unknown) =>
    parseVisorConfig(JSON.stringify({ routing: { route_finder_timeout: value } }), "visor.json").node
      .routeFinderTimeoutMs;
  assert.deepEqual(["1m1.5s", "250ms", "0s", ""].map(timeout), [61_500, 250, 0, 10_000]);
  const interval = (value: unknown) =>
    parseVisorConfig(JSON.stringify({ launcher: { heartbeat_interval: value } }), "visor.json").node.presence
      .serviceIntervalMs;
  assert.deepEqual(["2m", 0, ""].map(interval), [120_000, 90_000, 90_000]);
});

Deno.test("parseVisorConfig() takes null, empty texts, zero keys and unknown fields as Skywire does", () => {
  const zeros = "0".repeat(64);
  const config = parseVisorConfig(
    `\uFEFF{"sk":"${zeros}","pk":"","dmsg":null,"log_level":"","cli_addr":":4000","hypervisors":null,"new":{"a":1}}`,
    "visor.json",
  );
  assert.equal(config.secretKey, undefined);
  assert.deepEqual(config.controlAddress, { hostname: "127.0.0.1", port: 4000 });
  assert.deepEqual(config.raw.new, { a: 1 });
});

/** Recorded files of the 2024 program: sessions, servers, whitelist, and the network they join. */
const SAMPLES = [
  ["visor-config-2024-http.json", { sessions: 2, servers: 0, whitelist: 7, network: "production" }],
  ["visor-config-2024-dmsghttp.json", { sessions: 2, servers: 6, whitelist: 7, network: "production" }],
  ["visor-config-2024-hypervisor.json", { sessions: 2, servers: 0, whitelist: 7, network: "production" }],
] as const;

for (const [name, expected] of SAMPLES) {
  Deno.test(`${name} loads unchanged`, async () => {
    const text = await Deno.readTextFile(new URL(name, vectors));
    const config = parseVisorConfig(text, name);
    const network = networkOfConfig(config);
    assert.deepEqual({
      sessions: config.dmsg.sessionsCount,
      servers: config.dmsg.servers.length,
      whitelist: config.surveyWhitelist.length,
      network: network.name,
    }, expected);
    const setup = JSON.parse(text).routing.route_setup_nodes;
    assert.deepEqual(config.node.routeSetupNodes, setup);
    assert(setup.length === 3 && config.node.transportDiscovery !== undefined);
    assert.equal(config.node.routeFinderTimeoutMs, 10_000);
    assert.equal(config.apps.length, JSON.parse(text).launcher.apps.length);
    assert.equal(config.apps.find(({ name }) => name === "skysocks")?.port, 3);
    assert.equal(config.secretKey?.publicKey, JSON.parse(text).pk);
    assert.deepEqual(config.controlAddress, { hostname: "localhost", port: 3435 });
    assert(network.servers.length > 0);
    assert.deepEqual(config.raw, JSON.parse(text));
  });
}

Deno.test("networkOfConfig() never mixes deployments: another discovery brings its own servers or none", () => {
  const at = (dmsg: unknown) => networkOfConfig(parseVisorConfig(JSON.stringify({ dmsg }), "visor.json"));
  const embedded = at({});
  assert.equal(embedded.name, "production");
  assert(embedded.servers.length > 0 && embedded.discoveryDmsg !== undefined);
  const foreign = at({ discovery: "http://127.0.0.1:9090" });
  assert.deepEqual(foreign, {
    name: "configured",
    file: undefined,
    servers: [],
    discoveryHttp: "http://127.0.0.1:9090",
    discoveryDmsg: undefined,
  });
  const server = { static: publicKey, server: { address: "127.0.0.1:8081" } };
  const own = at({ discovery_dmsg: `dmsg://${other}:80`, servers: [server] });
  assert.deepEqual(own.discoveryDmsg, { publicKey: other, port: 80 });
  assert.deepEqual(own.servers, [{ publicKey, address: "127.0.0.1:8081" }]);
  assert.deepEqual(at({ servers: [server] }).servers, own.servers);
});

Deno.test("networkOfConfig() has the nodes that a configuration names, else those of the embedded deployment alone", () => {
  const at = (config: object) => {
    const network = networkOfConfig(parseVisorConfig(JSON.stringify(config), "visor.json"));
    return [network.setupNodes, network.transportSetup];
  };
  const { setupNodes, transportSetup } = embeddedNetwork();
  assert(setupNodes!.length > 0 && transportSetup!.length > 0);
  const dmsg = { discovery: embeddedNetwork().discoveryHttp };
  assert.deepEqual(at({}), [setupNodes, transportSetup]);
  assert.deepEqual(at({ dmsg }), [setupNodes, transportSetup]);
  assert.deepEqual(at({ dmsg: { discovery: "http://127.0.0.1:9090" } }), [undefined, undefined]);
  const named = {
    routing: { route_setup_nodes: [publicKey] },
    transport: { transport_setup: [other], user_transport_setup: [publicKey] },
  };
  for (const discovery of ["http://127.0.0.1:9090", dmsg.discovery]) {
    assert.deepEqual(at({ dmsg: { discovery }, ...named }), [[publicKey], [other, publicKey]]);
  }
});

Deno.test("generateConfig() gives the table's fields in its order, tab-indented, and read back says the same", () => {
  const made = generateConfig(secretKey, {
    "dmsg.discovery": "http://d:9090",
    "dmsg.discovery_dmsg": `dmsg://${other}:80`,
    "dmsg.servers": [{ static: other, server: { address: "127.0.0.1:8081" } }],
  });
  const text = renderConfig(made);
  assert.match(text, /^\{\n\t"version": "v1\.3\.76",\n\t"sk": "/);
  const { dmsg, secretKey: read, apps } = parseVisorConfig(text, "visor.json");
  assert.equal(read?.publicKey, publicKey);
  assert.deepEqual(dmsg.servers, [{ publicKey: other, address: "127.0.0.1:8081" }]);
  assert.deepEqual([dmsg.discovery, dmsg.discoveryDmsg], ["http://d:9090", `dmsg://${other}:80`]);
  assert.deepEqual(
    apps,
    APPS_DEFAULT.map((app) => ({ ...app, binary: "skywire", args: ["app", app.name, ...app.args] })),
  );
  assert.equal(dmsg.sessionsCount, 2);
});
