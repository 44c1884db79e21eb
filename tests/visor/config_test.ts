/** The visor's configuration: Skywire's own files load unchanged, and what is wrong is named. */
import assert from "node:assert/strict";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import { ConfigError } from "../../lib/deployment/mod.ts";
import { networkOfConfig, parseVisorConfig, renderNewConfig } from "../../lib/visor/mod.ts";

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
];

Deno.test("parseVisorConfig() names file, field, value and rule of whatever is wrong", () => {
  for (const [content, field, rule] of WRONG) {
    const error = refusal(JSON.stringify(content));
    assert.equal(error.field, field);
    assert.equal(error.fault, "caller"); // exit code 2
    assert(error.message.startsWith(`visor.json: field ${field}: `), error.message);
    assert.match(error.message, rule);
  }
  assert.equal(WRONG.length, 31);
});

Deno.test("parseVisorConfig() refuses what is no object, says where JSON breaks, and never quotes the secret", () => {
  const secret = secretKey.reveal();
  const broken = refusal(`{\n\t"sk": "${secret}",\n\t"pk": oops\n}`);
  assert.match(broken.message, /^visor\.json: it is not JSON( \(line 3, column \d+\))?$/);
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
    hypervisors: [],
  });
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

Deno.test("renderNewConfig() is tab-indented, and read back says the same", () => {
  const text = renderNewConfig({
    secretKey,
    discovery: "http://d:9090",
    discoveryDmsg: `dmsg://${other}:80`,
    servers: [{ publicKey: other, address: "127.0.0.1:8081" }],
  });
  assert.match(text, /^\{\n\t"version": "v1\.3\.76",\n\t"sk": "/);
  const { dmsg, secretKey: read } = parseVisorConfig(text, "visor.json");
  assert.equal(read?.publicKey, publicKey);
  assert.deepEqual(dmsg.servers, [{ publicKey: other, address: "127.0.0.1:8081" }]);
  assert.deepEqual([dmsg.discovery, dmsg.discoveryDmsg], ["http://d:9090", `dmsg://${other}:80`]);
});
