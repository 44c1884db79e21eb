/** The configuration of a setup node, as the Go program of 2024 writes it (SV-6). */
import assert from "node:assert/strict";
import { embeddedNetwork } from "../../../lib/directory/mod.ts";
import { parseSetupNodeConfig } from "../../../lib/services/setup_node/mod.ts";
import { pair } from "../service_support.ts";
import config from "../../vectors/deployment/setup-node-config-2024.json" with { type: "json" };

const parse = (content: object) => parseSetupNodeConfig(JSON.stringify(content), "sn.json");

Deno.test("setup-node-config-2024.json is read: its key, and the network whose discovery it names", () => {
  const { secretKey, network } = parse(config);
  assert.equal(secretKey?.publicKey, config.public_key);
  assert.equal(network.name, "production");
  assert.deepEqual(network.discoveryDmsg, embeddedNetwork().discoveryDmsg);
});

Deno.test("parseSetupNodeConfig() takes the servers of a network of its own, and no key for none", () => {
  const servers = [{ static: pair("server").publicKey, server: { address: "203.0.113.5:8081" } }];
  const dmsg = { discovery: "http://127.0.0.1:9090", sessions_count: 1, servers };
  const { network } = parse({ ...config, dmsg });
  assert.deepEqual(
    [network.name, network.discoveryHttp, network.servers],
    ["configured", "http://127.0.0.1:9090", [{
      publicKey: pair("server").publicKey,
      address: "203.0.113.5:8081",
    }]],
  );
  assert.equal(parse({}).secretKey, undefined);
});

Deno.test("parseSetupNodeConfig() refuses another key's secret, a block that is none, an unknown level", () => {
  for (
    const wrong of [{ public_key: pair("other").publicKey }, { dmsg: 7 }, { log_level: "loud" }, {
      secret_key: "zz",
    }]
  ) assert.throws(() => parse({ ...config, ...wrong }), { code: "CONFIG" }, JSON.stringify(wrong));
});
