import assert from "node:assert/strict";
import { keyPairFromSeed } from "../../../lib/crypto/mod.ts";
import { ConfigError, embeddedDeployment } from "../../../lib/deployment/mod.ts";
import {
  parseDmsgServerConfig,
  renderDmsgServerConfig,
  type ServerDeployment,
} from "../../../lib/services/dmsg_server/mod.ts";

const keys = keyPairFromSeed(new TextEncoder().encode("dmsg server"));
const sample = new URL("../../vectors/deployment/dmsg-server-config-2024.json", import.meta.url);

Deno.test("parseDmsgServerConfig() loads the recorded file of 2024 unchanged", async () => {
  const text = await Deno.readTextFile(sample);
  const { secretKey, ...config } = parseDmsgServerConfig(text, "server.json");
  assert.equal(secretKey?.publicKey, JSON.parse(text).public_key);
  assert.deepEqual(config, {
    deployments: [{
      name: "discovery",
      discovery: "http://dmsgd.skywire.dev",
      discoveryDmsg: undefined,
      servers: [],
      advertisedAddress: undefined,
    }],
    registration: "dmsg",
    peering: {
      peers: [],
      announce: false,
      acceptAnnouncements: false,
      acceptedKeys: [],
      linksMax: 512,
      relayedStreamsMax: 4096,
    },
    listen: { hostname: "0.0.0.0", port: 8081 },
    publicAddress: "127.0.0.1:8081",
    health: { hostname: "0.0.0.0", port: 8082 },
    logLevel: "info",
    updateIntervalMs: 60_000,
    sessionsMax: 2048,
    surveyWhitelist: [],
    authPassphrase: undefined,
  });
});

Deno.test("parseDmsgServerConfig() of an empty object is the embedded production deployment, on loopback", () => {
  const config = parseDmsgServerConfig("{}", "server.json");
  const { dmsgDiscovery, dmsgDiscoveryDmsg, dmsgServers } = embeddedDeployment("prod");
  const [{ name, discovery, discoveryDmsg, servers }, ...more] = config.deployments as [ServerDeployment];
  assert.deepEqual([name, discovery, servers, more], ["prod", dmsgDiscovery, dmsgServers, []]);
  assert.equal(`dmsg://${discoveryDmsg!.publicKey}:${discoveryDmsg!.port}`, dmsgDiscoveryDmsg);
  assert.equal(config.publicAddress, "127.0.0.1:8081");
  assert.equal(config.secretKey, undefined);
});

/** Content, field, rule. */
const WRONG: readonly (readonly [content: unknown, field: string, rule: RegExp])[] = [
  [{ secret_key: "12" }, "secret_key", /64 hex characters \(value not shown\)/],
  [
    { secret_key: keys.secretKey.reveal(), public_key: keyPairFromSeed(new Uint8Array(1)).publicKey },
    "public_key",
    new RegExp(`it must be ${keys.publicKey}`),
  ],
  [{ discovery: "dmsg://x" }, "discovery", /starts with http:\/\/ or https:\/\//],
  [{ local_address: "x" }, "local_address", /value "x": it must be host:port, or :port/],
  [{ local_address: ":99999" }, "local_address", /host:port/],
  [{ public_address: "1.2.3.4" }, "public_address", /host:port/],
  [{ health_endpoint_address: 8082 }, "health_endpoint_address", /it must be text/],
  [{ log_level: "loud" }, "log_level", /one of debug, info, warn, error/],
  [{ update_interval: -1 }, "update_interval", /whole number/],
  [{ update_interval: "1m" }, "update_interval", /value "1m": it must be a whole number/],
  [{ max_sessions: 65_536 }, "max_sessions", /from 0 to 65535/],
  [{ auth_passphrase: 1 }, "auth_passphrase", /it must be text/],
  [{ registration: "both" }, "registration", /one of dmsg, http/],
  [{ dmsg: "prod" }, "dmsg", /it must be an object/],
  [{ dmsg: [7] }, "dmsg[0]", /it must be an object/],
  [{ dmsg: { discovery: "x" } }, "dmsg.discovery", /starts with http/],
  [{ dmsg: [{ servers: [{ static: keys.publicKey }] }] }, "dmsg[0].servers[0].server.address", /host:port/],
  [{ dmsg: { servers: [{ static: "1", server: { address: "h:1" } }] } }, "dmsg.servers[0].static", /66 hex/],
  [{ peers: {} }, "peers", /it must be a list/],
  [{ peers: [{ public_key: keys.publicKey, address: "h" }] }, "peers[0].address", /host:port/],
  [{ peers: [{ public_key: keys.publicKey, address: ":1" }] }, "peers[0].address", /can be dialled/],
  [{ peers: [{ public_key: "", address: "h:1" }] }, "peers[0].public_key", /66 hex characters/],
  [{ accepted_peer_pks: ["x"] }, "accepted_peer_pks", /item 0/],
  [{ announce_as_peer: 1 }, "announce_as_peer", /true or false/],
  [{ max_peer_links: -1 }, "max_peer_links", /whole number/],
  [{ max_relayed_streams: 1e9 }, "max_relayed_streams", /from 0 to 1000000/],
];

Deno.test("parseDmsgServerConfig() names field, value and rule of what is wrong, in the file or an option", () => {
  for (const [content, field, rule] of WRONG) {
    assert.throws(() => parseDmsgServerConfig(JSON.stringify(content), "server.json"), (error) => {
      assert(error instanceof ConfigError);
      assert.equal(error.field, field);
      assert.match(error.message, rule);
      return true;
    });
  }
  assert.equal(WRONG.length, 26);
  assert.throws(() => parseDmsgServerConfig("{}", "server.json", { listen: "nowhere" }), {
    field: "local_address",
  });
  assert.throws(() => parseDmsgServerConfig("[]", "server.json"), ConfigError);
});

Deno.test("parseDmsgServerConfig() lets options beat the file, and none and empty texts turn off", () => {
  const file = JSON.stringify({
    local_address: ":1",
    health_endpoint_address: ":2",
    update_interval: 5_000_000_000,
  });
  const config = parseDmsgServerConfig(file, "server.json", {
    listen: "127.0.0.1:3",
    public: "",
    health: "none",
    auth: "pass",
    logLevel: "debug",
  });
  assert.deepEqual(config.listen, { hostname: "127.0.0.1", port: 3 });
  assert.deepEqual([config.publicAddress, config.health], [undefined, undefined]);
  assert.deepEqual([config.updateIntervalMs, config.authPassphrase, config.logLevel], [
    5_000,
    "pass",
    "debug",
  ]);
});

Deno.test("renderDmsgServerConfig() reads back as what was asked for", () => {
  const text = renderDmsgServerConfig(keys, { listen: "127.0.0.1:8081", discovery: "http://d:9090" });
  const config = parseDmsgServerConfig(text, "server.json");
  assert.equal(config.secretKey?.publicKey, keys.publicKey);
  assert.deepEqual(
    [config.publicAddress, config.deployments[0]!.discovery, config.deployments.length],
    ["127.0.0.1:8081", "http://d:9090", 1],
  );
  assert.equal(config.registration, "dmsg");
  for (
    const [listen, advertised] of [["127.0.0.1:0", undefined], [":9", "127.0.0.1:9"], [
      "0.0.0.0:9",
      "127.0.0.1:9",
    ]]
  ) {
    const made = renderDmsgServerConfig(keys, { listen });
    assert.equal(parseDmsgServerConfig(made, "server.json").publicAddress, advertised, listen);
  }
});
