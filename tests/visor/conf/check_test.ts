/** `conf check`: everything that is wrong at once, with field, value and remedy. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { keyPairFromSeed } from "../../../lib/crypto/mod.ts";
import { ConfigError } from "../../../lib/deployment/mod.ts";
import { checkConfig, type Finding, setField } from "../../../lib/visor/conf/mod.ts";
import { generateConfig, parseVisorConfig, renderConfig } from "../../../lib/visor/config/mod.ts";

const { secretKey, publicKey } = keyPairFromSeed(new TextEncoder().encode("checked"));
const vectors = new URL("../../vectors/deployment/", import.meta.url);
const base = { sk: secretKey.reveal(), pk: publicKey };

const check = (content: object, mode?: number) =>
  checkConfig(JSON.stringify({ ...base, ...content }), "v.json", { mode });
const short = (findings: readonly Finding[]) => findings.map(({ severity, field }) => `${severity} ${field}`);

Deno.test("checkConfig() finds nothing in what conf gen makes", () => {
  assert.deepEqual(checkConfig(renderConfig(generateConfig(secretKey, {})), "v.json", { mode: 0o600 }), []);
});

for (const name of ["http", "dmsghttp", "hypervisor"]) {
  Deno.test(`checkConfig() finds no error and no unknown field in the recorded visor-config-2024-${name}.json`, async () => {
    const text = await Deno.readTextFile(new URL(`visor-config-2024-${name}.json`, vectors));
    const findings = checkConfig(text, name);
    assert.deepEqual(findings.filter(({ severity }) => severity !== "note"), []);
    // The apps of Skywire that are not built in, and the discovery that -d names over dmsg.
    const isExpected = ({ field }: Finding) => /^launcher\.apps\[[014]\]\.binary$/.test(field);
    assert.deepEqual(findings.filter((finding) => !isExpected(finding)), []);
    assert.equal(findings.length, 3);
  });
}

Deno.test("checkConfig() finds nothing in the fields of 2026, with durations as text or nanoseconds", () => {
  const findings = check({
    version: "v1.3.60",
    pty: { dmsg_port: 22, whitelist: [publicKey], ssh_listen: ":2222" },
    dmsgscp: { disabled: false, dmsg_port: 23, root_dir: "/srv", whitelist: [] },
    ui_server: { enable: true, local_addr: "localhost:8081", dmsg_port: 81, dmsg_whitelist: [] },
    dmsg_web: {
      enable: true,
      proxy_port: 4445,
      web_port: 8080,
      domain_suffix: ".dmsg",
      alias: { home: publicKey },
    },
    skynet_web: { enable: false, route_timeout: 30_000_000_000 },
    stats: { path: "", sample_interval: "1m", retention_days: 30, cxo_publish_window: 7, disabled: false },
    public_visor: { registration_timeout: "10m", max_transports: 1_000 },
    user_survey_whitelist: [publicKey],
    conf_service: "",
    conf_service_dmsg: `dmsg://${publicKey}:80`,
    transport: {
      discovery: "",
      discovery_dmsg: `dmsg://${publicKey}:80`,
      log_store: { rotation_interval: 6.048e14 },
    },
    routing: { route_finder_timeout: 10_000_000_000, policy_per_dial: false, mux_routes: 2 },
    launcher: {
      heartbeat_interval: "1m30s",
      apps: [{ name: "skysocks", binary: "skywire", args: "app skysocks", port: 3 }],
    },
    dmsg: {
      sessions_count: 2,
      carriers: ["quic", "tcp"],
      configs: [{ url: "http://x" }],
      server: { config_path: "" },
    },
    rewards: { enable: false, work_dir: "" },
    memory_limit: "512MiB",
    geoip: { a: 1 },
    shutdown_timeout: 10_000_000_000,
  });
  assert.deepEqual(findings, []);
});

Deno.test("checkConfig() warns of a name that stands twice in one object, wherever it is; the last one counts", () => {
  const text =
    `{"sk":"${base.sk}","pk":"${base.pk}","dmsg":{"sessions_count":2},"mine":[{"a":1,"b":2,"a":3}],` +
    `"dmsg":{"sessions_count":3,"sessions\\u005fcount":4}}`;
  const findings = checkConfig(text, "v.json").filter(({ severity }) => severity !== "note");
  assert.deepEqual(short(findings), ["warning mine[0].a", "warning dmsg", "warning dmsg.sessions_count"]);
  for (const { problem } of findings) assert.match(problem, /more than once: the last one counts/);
  const deep = `{"sk":"${base.sk}","pk":"${base.pk}","x":${"[".repeat(300)}${"]".repeat(300)}}`;
  assert.deepEqual(short(checkConfig(deep, "v.json")), ["warning ", "note x"]);
});

const CASES: readonly (readonly [content: object, finding: string, problem: RegExp, remedy: RegExp])[] = [
  [
    { dmsg: { sessions_count: -1 } },
    "error dmsg.sessions_count",
    /value -1: .*0 to 2048/,
    /conf set dmsg\.sessions_count/,
  ],
  [
    { dmsg: 3 },
    "error dmsg",
    /must be an object, not 3/,
    /^remove it, or empty it: .* dmsg '\{\}' --force -c v/,
  ],
  [
    {
      launcher: { apps: [{ name: "a", binary: "skysocks" }, { name: "b", binary: "skysocks", port: 99999 }] },
    },
    "error launcher.apps[1].port",
    /value 99999/,
    /^skyctl conf set 'launcher\.apps\[1\]\.port' VALUE -c v\.json, where VALUE is a whole number from 0 to 65535$/,
  ],
  [
    { dmsg: { servers: [{ static: publicKey, server: { address: "nowhere" } }] } },
    "error dmsg.servers[0].server.address",
    /value "nowhere"/,
    /^skyctl conf set 'dmsg\.servers\[0\]\.server\.address' VALUE -c v\.json, where VALUE is host:port$/,
  ],
  [
    { dmsg: { servers: [7] } },
    "error dmsg.servers[0]",
    /must be an object/,
    /^remove it, or write an object there$/,
  ],
  [
    { "skywire-tcp": { pk_table: { [publicKey]: "x" } } },
    `error skywire-tcp.pk_table.${publicKey}`,
    /value "x"/,
    /^skyctl conf set skywire-tcp\.pk_table\.\w{66} VALUE .* host:port$/,
  ],
  [
    { "skywire-tcp": { pk_table: { me: "127.0.0.1:1" } } },
    "error skywire-tcp.pk_table.me",
    /must be a public key/,
    /^rename it, or remove it$/,
  ],
  [
    { persistent_transports: [{ pk: publicKey, type: "dmsg" }, { pk: publicKey, type: "foo" }] },
    "warning persistent_transports[1].type",
    /value "foo": it is no type of a transport, and the transport is never made/,
    /conf set 'persistent_transports\[1\]\.type' TYPE -c v\.json, where TYPE is one of stcpr, sudph, stcp, dmsg$/,
  ],
  [
    { persistent_transports: [{ pk: publicKey, type: "squicr" }] },
    "warning persistent_transports[0].type",
    /value "squicr": it is not built in, and the transport is never made/,
    /TYPE is one of/,
  ],
  [{ log_level: "loud" }, "error log_level", /value "loud"/, /one of debug/],
  [
    { routing: { route_finder_timeout: "1y" } },
    "error routing.route_finder_timeout",
    /value "1y"/,
    /nanoseconds/,
  ],
  [
    { dmsgscp: { disabled: "yes" } },
    "warning dmsgscp.disabled",
    /value "yes": it must be true or false/,
    /true or false/,
  ],
  [
    { transport: { log_store: { type: "disk" } } },
    "warning transport.log_store.type",
    /file, memory/,
    /conf set/,
  ],
  [
    { hypervisor: { cookies: { expires_duration: -5 } } },
    "warning hypervisor.cookies.expires_duration",
    /-5/,
    /12h0m0s/,
  ],
  [{ cli_addr: "0.0.0.0:3435" }, "error cli_addr", /for this machine alone/, /conf set cli_addr 127/],
  [
    { launcher: { apps: [{ name: "skysocks" }, { name: "skysocks" }] } },
    "error launcher.apps[1].name",
    /another app/,
    /^skyctl conf set 'launcher\.apps\[1\]\.name' VALUE -c v\.json/,
  ],
  [
    { launcher: { apps: [{ name: "skysocks", port: 3 }, { name: "b", binary: "skysocks", port: 3 }] } },
    "warning launcher.apps[1].port",
    /skysocks has it too/,
    /conf set 'launcher\.apps\[1\]\.port'/,
  ],
  [
    { "skywire-tcp": { listening_address: ":80" }, transport: { stcpr_port: 80 } },
    "error transport.stcpr_port",
    /same port/,
    /0 -c v\.json$/,
  ],
  [{ dmsg: { sesions_count: 3 } }, "note dmsg.sesions_count", /unknown/, /dmsg\.sessions_count is meant/],
  [{ sessions_count: 3 }, "note sessions_count", /unknown/, /dmsg\.sessions_count is meant/],
  [{ mine: { a: 1 } }, "note mine", /kept/, /none is needed/],
  [{ dmsgpty: { whitelst: [] } }, "note dmsgpty.whitelst", /unknown/, /pty\.whitelist/],
  [{ dmsgpty: { dmsg_port: "x" } }, "warning dmsgpty.dmsg_port", /value "x"/, /dmsgpty\.dmsg_port/],
  [
    { launcher: { apps: [{ name: "skysocks", prot: 3 }] } },
    "note launcher.apps[0].prot",
    /unknown/,
    /launcher\.apps\[0\]\.port/,
  ],
  [{ launcher: { apps: [{ name: "skychat" }] } }, "note launcher.apps[0].binary", /not built in/, /none/],
  [{ sk: "0".repeat(64), pk: "" }, "warning sk", /no secret key/, /conf gen -r/],
  [
    { dmsg: { discovery_dmsg: `dmsg://${publicKey}:80` } },
    "note dmsg.servers",
    /over dmsg alone/,
    /dmsg\.discovery/,
  ],
  [{ version: "v2.0.0" }, "error version", /only major version 1/, /conf gen -r/],
];

for (const [content, finding, problem, remedy] of CASES) {
  Deno.test(`checkConfig(): ${finding} of ${JSON.stringify(content).slice(0, 60)}`, () => {
    const findings = check(content);
    assert.deepEqual(short(findings), [finding]);
    assert.match(findings[0]!.problem, problem);
    assert.match(findings[0]!.remedy, remedy);
  });
}

Deno.test("checkConfig() tells of a file that others may read, and not where a system has no modes", () => {
  assert.deepEqual([0o600, 0o400, 0].flatMap((mode) => check({}, mode)), []);
  for (const mode of [0o644, 0o640, 0o604]) assert.deepEqual(short(check({}, mode)), ["warning "]);
});

Deno.test("checkConfig() says all that is wrong at once, errors first, and no field twice", () => {
  const findings = check({
    dmsgscp: { disabled: 1 },
    extra: 1,
    log_level: "x",
    dmsg: { sessions_count: "2", servers_type: "y" },
  });
  assert.deepEqual(short(findings), [
    "error dmsg.sessions_count",
    "error dmsg.servers_type",
    "error log_level",
    "warning dmsgscp.disabled",
    "note extra",
  ]);
});

Deno.test("checkConfig() of what is no configuration says so, and never the secret", () => {
  for (const text of ["", "[]", `{"sk": "${secretKey.reveal()}`, "null"]) {
    const [finding, ...more] = checkConfig(text, "v.json");
    assert.deepEqual(more, []);
    assert.equal(finding?.severity, "error");
    assert(!JSON.stringify(finding).includes(secretKey.reveal()));
  }
});

Deno.test("checkConfig() has an error exactly where a visor would not start", () => {
  const odd = fc.oneof(fc.jsonValue({ maxDepth: 1 }), fc.constantFrom("info", ":80", [], {}, 2, "10s", null));
  const any = fc.record({
    version: odd,
    log_level: odd,
    cli_addr: fc.oneof(fc.constantFrom("127.0.0.1:1", ":1", ""), fc.integer()),
    dmsg: fc.oneof(
      odd,
      fc.record({ sessions_count: odd, servers: odd, servers_type: odd, discovery: odd }, {
        requiredKeys: [],
      }),
    ),
    routing: fc.oneof(odd, fc.record({ min_hops: odd, route_finder_timeout: odd }, { requiredKeys: [] })),
    launcher: fc.oneof(odd, fc.record({ apps: odd })),
    is_public: odd,
  }, { requiredKeys: [] });
  let faulty = 0;
  fc.assert(
    fc.property(any, (content) => {
      const text = JSON.stringify({ ...base, ...content });
      const errors = checkConfig(text, "v.json").filter(({ severity }) => severity === "error");
      let refusal: unknown;
      try {
        parseVisorConfig(text, "v.json");
      } catch (error) {
        refusal = error;
        assert(error instanceof ConfigError);
      }
      if (refusal !== undefined) faulty++;
      assert.equal(errors.length > 0, refusal !== undefined, JSON.stringify(errors));
    }),
    { seed: 11, numRuns: 500 },
  );
  assert(faulty > 50, `${faulty} faulty`);
});

Deno.test("checkConfig(): pk is the one of sk, or the command that makes it so is named", () => {
  const other = keyPairFromSeed(new TextEncoder().encode("other")).publicKey;
  const found = (config: Record<string, unknown>) =>
    checkConfig(JSON.stringify(config), "my v.json").filter(({ field }) => field === "pk")
      .map(({ severity, problem, remedy }) => `${severity}: ${problem}; ${remedy}`);
  const remedy =
    `it must be ${publicKey}, which belongs to sk; skyctl conf set pk ${publicKey} -c 'my v.json'`;
  assert.deepEqual(found({ ...base, pk: other }), [`error: value "${other}": ${remedy}`]);
  assert.deepEqual(found({ ...base, pk: "00" }), [`warning: value "00": ${remedy}`]);
  assert.deepEqual(found({ ...base, pk: "" }), [`warning: value "": ${remedy}`]);
  assert.deepEqual(found({ ...base, pk: publicKey.toUpperCase() }), []);
  assert.deepEqual(found({ sk: base.sk }), [], "it is made of sk");
  const [alone] = found({ pk: other });
  assert.match(
    alone!,
    /^warning: .*there is no sk that it belongs to.*; skyctl conf set sk SECRET_KEY -c 'my v/,
  );
  const [secret] = found({ ...base, pk: base.sk });
  assert.match(secret!, /^error: /);
  assert(!secret!.includes(base.sk));
});

Deno.test("checkConfig() says of an interval which one holds, or that it is too long; setField() refuses both", () => {
  const problem = (heartbeat_interval: unknown) =>
    check({ launcher: { heartbeat_interval } }).map(({ severity, problem }) => `${severity}: ${problem}`);
  const [short, long] = [
    "the visor registers every 5s all the same",
    "the service discovery forgets a service after 300s",
  ];
  assert.deepEqual(problem("1ns"), [`warning: value "1ns": ${short}`]);
  assert.deepEqual(problem(4_999_000_000), [`warning: value 4999000000: ${short}`]);
  assert.deepEqual(problem("500h"), [`warning: value "500h": ${long}`]);
  assert.deepEqual(problem("5m"), [`warning: value "5m": ${long}`]);
  for (const good of [0, "0s", "", null, "5s", "90s", "4m59s"]) {
    assert.deepEqual(problem(good), [], `${good}`);
  }
  for (const given of ["1ns", "500h"]) {
    const [{ remedy } = assert.fail()] = check({ launcher: { heartbeat_interval: given } });
    assert.equal(remedy, "skyctl conf set launcher.heartbeat_interval 90s -c v.json");
    assert.throws(
      () => setField(JSON.stringify(base), "v.json", { field: "launcher.heartbeat_interval", given }),
      (error) => error instanceof ConfigError && error.hint === remedy,
    );
  }
});

/** What is in the file, and what it is called. */
const OTHERS: readonly (readonly [name: string, content: object, kind: RegExp])[] = [
  ["a bare deployment", { dmsg_discovery: "http://127.0.0.1:1", dmsg_servers: [] }, /a deployment file/],
  [
    "a deployment",
    { own: { route_finder: "http://127.0.0.1:1" }, stun_servers: ["127.0.0.1:3"] },
    /a deployment/,
  ],
  [
    "a setup node's",
    {
      public_key: publicKey,
      secret_key: base.sk,
      dmsg: { discovery: "http://127.0.0.1:1", sessions_count: 2, servers: [] },
      transport_discovery: "http://127.0.0.1:2",
      log_level: "info",
    },
    /of a setup node/,
  ],
  [
    "a dmsg server's",
    { public_key: publicKey, secret_key: base.sk, public_address: "127.0.0.1:8081", log_level: "info" },
    /of a dmsg server/,
  ],
  ["services", { services: [{ type: "route-finder" }], log_level: "info" }, /a file of services/],
];

for (const [name, content, kind] of OTHERS) {
  Deno.test(`checkConfig() calls ${name} file what it is, which no visor starts with, and would not have it overwritten`, () => {
    const text = JSON.stringify(content);
    const findings = checkConfig(text, "other.json", { mode: 0o600 });
    assert.deepEqual(short(findings), ["error "]);
    assert.match(findings[0]!.problem, kind);
    assert.match(findings[0]!.problem, /no configuration of a visor$/);
    assert.match(findings[0]!.remedy, /^leave it as it is, and name that of the visor; /);
    assert.doesNotMatch(findings[0]!.remedy, /other\.json|-o/);
    assert.throws(() => parseVisorConfig(text, "other.json"), ConfigError);
    assert.throws(
      () => setField(text, "other.json", { field: "log_level", given: "warn" }),
      (error) => error instanceof ConfigError && /no configuration of a visor/.test(error.message),
    );
  });
}

Deno.test("checkConfig() takes any file for a visor's that has what a visor alone has, or nothing that tells", () => {
  const services = { services: [], secret_key: "x", own: { dmsg_discovery: "http://x" } };
  assert.deepEqual(short(check(services)), ["note services", "note secret_key", "note own"]);
  assert.deepEqual(short(checkConfig("{}", "v.json")), ["warning sk"]);
  const noKey = { dmsg: { discovery: "http://127.0.0.1:1", sessions_count: 2 }, log_level: "info" };
  assert.deepEqual(short(checkConfig(JSON.stringify(noKey), "v.json")), ["warning sk"]);
});

Deno.test("checkConfig() never shows arguments that it refuses: a passcode may be among them", () => {
  for (const args of ["--passcode 'hunter2", ["--passcode", "hunter2", 3], '--passcode "hunter2']) {
    const findings = check({ launcher: { apps: [{ name: "skysocks", args }] } });
    assert.deepEqual(short(findings), ["error launcher.apps[0].args"]);
    assert(!JSON.stringify(findings).includes("hunter"), JSON.stringify(findings));
  }
});
