/** Files of Skywire's that are of another kind than the one that is wanted: what they are called, and what takes them. */
import assert from "node:assert/strict";
import { keyPairFromSeed } from "../../../lib/crypto/mod.ts";
import { ConfigError } from "../../../lib/deployment/mod.ts";
import { refuseOtherKind } from "../../../lib/visor/config/mod.ts";

type Raw = Readonly<Record<string, unknown>>;

const recorded = (name: string): Raw =>
  JSON.parse(Deno.readTextFileSync(new URL(`../../vectors/deployment/${name}.json`, import.meta.url)));
const { secretKey, publicKey } = keyPairFromSeed(new TextEncoder().encode("other kinds"));
const key = { public_key: publicKey, secret_key: secretKey.reveal() };
const dmsg = { discovery: "http://127.0.0.1:1", sessions_count: 2, servers: [] };

/** What is in the file, what it is called, and the command that takes it. */
const OTHERS: readonly (readonly [content: Raw, kind: string, next: RegExp])[] = [
  [
    recorded("config-bootstrapper-config-2025"),
    "the configuration of a config bootstrapper",
    /svc run config-bootstrapper --domain DOMAIN --config FILE /,
  ],
  [
    { stun_servers: [], transport_setup: [] },
    "the configuration of a config bootstrapper",
    /config-bootstrapper/,
  ],
  [recorded("dmsg-server-config-2024"), "the configuration of a dmsg server", /skyctl dmsg server run FILE /],
  [
    { ...key, dmsg, health_endpoint_address: ":8082" },
    "the configuration of a dmsg server",
    /dmsg server run/,
  ],
  [
    recorded("setup-node-config-2024"),
    "the configuration of a setup node",
    /svc run setup-node --config FILE /,
  ],
  [
    recorded("transport-setup-config-2025"),
    "the configuration of a transport setup node",
    /skyctl svc run transport-setup --config FILE /,
  ],
  [
    { ...key, addr: ":9090", redis: "redis://127.0.0.1:6379", dmsg },
    "the configuration of a service",
    /skyctl svc run --config takes it as an item of \{"services": \[\.\.\.\]\}, with its type$/,
  ],
  [
    { addr: ":9090", redis: "redis://127.0.0.1", log_level: "info" },
    "the configuration of a service",
    /svc run/,
  ],
  [{ addr: ":9090" }, "the configuration of a service", /svc run/],
  [{ redis: "redis://127.0.0.1" }, "the configuration of a service", /svc run/],
  [
    { ...key, port: 8080, transport_discovery: "http://x", tag: "x" },
    "the configuration of a service",
    /svc run/,
  ],
  [recorded("services-config-2026-latest"), "a deployment file", /conf gen -S FILE/],
  [recorded("services-config-2024-10"), "a deployment file", /conf gen -S FILE/],
  [recorded("dmsghttp-config-2024-10"), "a deployment file", /conf gen -S FILE/],
  [{ services: [{ type: "route-finder" }] }, "a file of services", /skyctl svc run --config FILE /],
  [
    { services: { route_finder: { addr: ":1" } }, redis: "redis://x" },
    "a file of services",
    /svc run --config FILE /,
  ],
];

for (const [content, kind, next] of OTHERS) {
  const name = JSON.stringify(content).replaceAll(secretKey.reveal(), "SECRET").slice(0, 50);
  Deno.test(`refuseOtherKind() calls ${name} ${kind}, and names what takes it`, () => {
    assert.throws(() => refuseOtherKind(content, "o.json"), (error) => {
      assert(error instanceof ConfigError);
      assert.equal(error.message, `o.json: it is ${kind}, and no configuration of a visor`);
      assert.match(error.hint!, /^leave it as it is, and name that of the visor; /);
      assert.match(error.hint!, next);
      return true;
    });
    assert.doesNotThrow(() => refuseOtherKind({ ...content, cli_addr: ":1" }, "o.json"), "a visor's");
  });
}

Deno.test("refuseOtherKind() takes every recorded configuration of a visor, and what tells nothing", () => {
  for (const name of ["2024-dmsghttp", "2024-http", "2024-hypervisor"]) {
    refuseOtherKind(recorded(`visor-config-${name}`), "v.json");
  }
  for (const content of [{}, { log_level: "info" }, { dmsg }, { stun_servers: [], survey_whitelist: [] }]) {
    refuseOtherKind(content, "v.json");
  }
});

Deno.test("refuseOtherKind() takes nothing for a setup node's but a setup node's", () => {
  refuseOtherKind(recorded("setup-node-config-2024"), "s.json", "a setup node");
  refuseOtherKind({ secret_key: key.secret_key }, "s.json", "a setup node");
  const others = [
    ...OTHERS.map(([content]) => content).filter((content) => content !== OTHERS[4]![0]),
    recorded("visor-config-2024-http"),
    { sk: key.secret_key },
    {},
    { log_level: "info" },
    { dmsg },
  ];
  assert.equal(others.length, OTHERS.length + 4);
  for (const content of others) {
    assert.throws(
      () => refuseOtherKind(content, "s.json", "a setup node"),
      (error) =>
        error instanceof ConfigError && /no configuration of a setup node$/.test(error.message) &&
        /^leave it as it is, and name that of the setup node/.test(error.hint!),
      JSON.stringify(content).slice(0, 60),
    );
  }
});
