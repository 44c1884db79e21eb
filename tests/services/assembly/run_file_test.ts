/** parseRunFile(): both forms of the file of `svc run` (services.md 13.3, 13.4), and the defaults of what it leaves open. */
import assert from "node:assert/strict";
import { ConfigError, DeploymentError } from "../../../lib/deployment/mod.ts";
import {
  ALL_TYPES,
  findServiceType,
  parseRunFile,
  SERVICE_KINDS,
  servicesOfTypes,
  serviceTypeOf,
} from "../../../lib/services/assembly/mod.ts";
import { renderDmsgServerConfig } from "../../../lib/services/dmsg_server/mod.ts";
import { pair } from "../service_support.ts";
import { FOLDER, HOST, planOf, planOfFiled } from "./support.ts";
import ports from "../../vectors/deployment/service-defaults.json" with { type: "json" };

const keys = pair("tpd");
const never = (file: string) => Promise.reject(new Error(`${file} is not read`));
const parse = (value: unknown, read: (file: string) => Promise<string> = never) =>
  parseRunFile(typeof value === "string" ? value : JSON.stringify(value), "services.json", { read });

Deno.test("default ports are those of the network", () => {
  const { http, dmsg } = ports;
  const recorded: [type: string, port: string | undefined][] = [
    ["dmsg-discovery", http.dmsg_discovery],
    ["dmsg-server", http.dmsg_server],
    ["transport-discovery", http.transport_discovery],
    ["address-resolver", http.address_resolver],
    ["route-finder", http.route_finder],
    ["setup-node", undefined],
    ["service-discovery", http.service_discovery],
    ["uptime-tracker", http.uptime_tracker],
    ["transport-setup", http.transport_setup],
    ["config-bootstrapper", http.config_bootstrapper],
  ];
  assert.deepEqual(
    SERVICE_KINDS.map(({ type, port }) => [type, port === undefined ? undefined : `:${port}`]),
    recorded,
  );
  assert.equal(serviceTypeOf("setup-node").dmsgPort, dmsg.route_setup_node);
  assert.equal(serviceTypeOf("transport-setup").dmsgPort, dmsg.transport_setup_service_2026);
  const [first, second] = planOf(["dmsg-server"], { hostname: HOST });
  assert.deepEqual(first!.address, { hostname: HOST, port: 8081 });
  assert.equal(`:${first!.settings.server!.health!.port}`, http.dmsg_server_health);
  assert.deepEqual([second!.address!.port, second!.settings.server!.health!.port], [8083, 8084]);
});

Deno.test("services go by the names of files and of Skywire's programs", () => {
  for (const { type, aliases } of SERVICE_KINDS) {
    for (const name of [type, type.replaceAll("-", "_"), type.toUpperCase(), ` ${type} `, ...aliases]) {
      assert.equal(findServiceType(name)?.type, type, name);
    }
  }
  for (const name of ["", "tp", "__proto__", "constructor", "visor"]) {
    assert.equal(findServiceType(name), undefined);
  }
});

Deno.test("a list of services, each with the fields of its own file", async () => {
  const { services, passedOver, metricsAddress, deployment } = await parse({
    services: [
      {
        type: "dmsg-discovery",
        addr: ":9090",
        entry_timeout: 3_600_000_000_000,
        testing: true,
        mode: "both",
      },
      {
        type: "dmsg-server",
        local_address: ":30081",
        public_address: "203.0.113.9:30081",
        max_sessions: 100,
      },
      { type: "dmsg_server", keyfile: "two.key" },
      {
        type: "tpd",
        public_key: keys.publicKey,
        secret_key: keys.secretKey.reveal(),
        addr: "127.0.0.1:9191",
        redis: "redis://127.0.0.1:6379",
        redis_pool_size: 150,
        entry_timeout: "2m",
        whitelist_keys: [keys.publicKey],
        survey_whitelist: [keys.publicKey],
        metrics_addr: ":2121",
        pprof_addr: "localhost:6060",
        enable_cxo: true,
        tag: "x",
        public_url: "https://tpd.example/",
      },
      { type: "rf", transport_discovery: `dmsg://${keys.publicKey}:80`, poll: "10s", mode: "HTTP" },
      { type: "ut", private_addr: ":9086", lists_per_minute: 0, geoip: "http://ip.example" },
    ],
  });
  assert.equal(deployment, undefined);
  assert.deepEqual(metricsAddress, { hostname: "0.0.0.0", port: 2121 });
  assert.deepEqual(passedOver, ["services[3].pprof_addr", "services[3].tag", "services[3].enable_cxo"]);
  const [disc, one, two, tpd, rf, ut] = services;
  assert.deepEqual(disc, {
    type: "dmsg-discovery",
    name: "dmsg-discovery",
    mode: "dual",
    address: { hostname: "0.0.0.0", port: 9090 },
    settings: {
      store: "memory",
      entryTimeoutMs: 3_600_000,
      clientTtlMs: 3_600_000,
      allowLoopbackAddresses: true,
    },
  });
  assert.deepEqual([one!.name, one!.address!.port, one!.publicAddress], [
    "dmsg-server",
    30_081,
    "203.0.113.9:30081",
  ]);
  assert.deepEqual(one!.settings.server, { sessionsMax: 100 });
  assert.deepEqual([two!.name, two!.key], ["dmsg-server-2", { file: "two.key" }]);
  const { key, settings, publicAddress } = tpd!;
  assert("secretKey" in key! && key.secretKey.publicKey === keys.publicKey);
  assert.equal(publicAddress, "https://tpd.example");
  assert.deepEqual(settings, {
    store: "redis://127.0.0.1:6379",
    redisPoolSize: 150,
    entryTimeoutMs: 120_000,
    whitelistKeys: [keys.publicKey],
    surveyWhitelist: [keys.publicKey],
  });
  assert.equal(rf!.mode, "http");
  assert.equal(rf!.transportDiscovery!.dmsg!.publicKey, keys.publicKey);
  assert.equal(rf!.pollMs, 10_000);
  assert.deepEqual(ut!.settings, {
    privateAddress: { hostname: "127.0.0.1", port: 9086 },
    listsPerMinute: 0,
  });
  assert.equal(ut!.geoip, "http://ip.example");
});

Deno.test("a file of 2026 for a whole deployment, durations as text, with servers of their own files", async () => {
  const services = await Deno.readTextFile(
    new URL("../../vectors/deployment/services-config-2026-latest.json", import.meta.url),
  );
  const { prod } = JSON.parse(services);
  const server = pair("server");
  const file = {
    ...prod,
    redis: "redis://127.0.0.1:6379",
    postgres: "postgres://127.0.0.1",
    services: {
      dmsg_discovery: { addr: ":9090", keyfile: "dmsgd.key", pprof: ":6061", entry_timeout: "60m" },
      transport_discovery: { addr: ":9094", entry_timeout: 120_000_000_000 },
      address_resolver: { addr: ":9093", redis_pool_size: 150, entry_timeout: "2m" },
      route_finder: { addr: ":9092" },
      uptime_tracker: null,
    },
    dmsg_server_instances: [
      { name: "1", config_file: "dmsg-1.json", public_port: 30081, pprof: ":6071" },
      { name: "2", keyfile: "dmsg-2.key", addr: ":30082" },
    ],
  };
  const config = renderDmsgServerConfig(server, {
    listen: ":8081",
    public: "203.0.113.9:8081",
    health: "none",
  });
  for (const [name, value] of [["local", file], ["prod", { prod: file }]] as const) {
    const run = await parse(value, (path) => Promise.resolve(path === "dmsg-1.json" ? config : ""));
    assert.deepEqual(run.services.map(({ name }) => name), [
      "dmsg-discovery",
      "transport-discovery",
      "address-resolver",
      "route-finder",
      "uptime-tracker",
      "dmsg-server-1",
      "dmsg-server-2",
    ]);
    const [disc, tpd, ar, rf, _ut, one, two] = run.services;
    assert.deepEqual(disc!.key, { file: "dmsgd.key" });
    assert.equal(disc!.publicAddress, prod.dmsg_discovery);
    assert.deepEqual(
      [disc, tpd, ar].map((service) => service!.settings.entryTimeoutMs),
      [3_600_000, 120_000, 120_000],
    );
    assert.deepEqual([tpd, ar].map((service) => service!.settings.store), [file.redis, file.redis]);
    assert.deepEqual([ar!.settings.redisPoolSize, rf!.settings.store], [150, undefined]);
    assert.equal(tpd!.publicAddress, prod.transport_discovery);
    assert("secretKey" in one!.key! && one!.key.secretKey.publicKey === server.publicKey);
    assert.equal(one!.publicAddress, "203.0.113.9:30081");
    assert.deepEqual([two!.key, two!.address!.port], [{ file: "dmsg-2.key" }, 30_082]);
    assert.equal(run.deployment!.name, name);
    assert.equal(run.deployment!.network!.servers.length, prod.dmsg_servers.length);
    assert.deepEqual(run.deployment!.fields, prod);
    assert.deepEqual(
      run.passedOver.map((field) => field.replace(/^prod\./, "")),
      ["services.dmsg_discovery.pprof", "dmsg_server_instances[0].pprof", "postgres"],
    );
  }
});

Deno.test("of several places for metrics the first counts, and every other one is named", async () => {
  const of = async (...addresses: (string | undefined)[]) => {
    const services = addresses.map((metrics_addr, at) => ({
      type: ["tpd", "ar", "rf", "sd"][at],
      metrics_addr,
    }));
    const { metricsAddress, otherMetrics, passedOver } = await parse({ services });
    assert.deepEqual(passedOver, []);
    return { port: metricsAddress?.port, otherMetrics };
  };
  assert.deepEqual(await of(undefined, ""), { port: undefined, otherMetrics: [] });
  assert.deepEqual(await of(undefined, ":2121"), { port: 2121, otherMetrics: [] });
  assert.deepEqual(await of(":2121", "0.0.0.0:2121", ":2121"), { port: 2121, otherMetrics: [] }, "one place");
  assert.deepEqual(await of(undefined, ":2122", ":2121", "127.0.0.1:2122"), {
    port: 2122,
    otherMetrics: ["services[2].metrics_addr", "services[3].metrics_addr"],
  });
  const { metricsAddress, otherMetrics } = await parse({
    prod: {
      services: {
        transport_discovery: { metrics_addr: ":2121" },
        address_resolver: { metrics_addr: ":2122" },
      },
    },
  });
  assert.deepEqual([metricsAddress?.port, otherMetrics], [
    2121,
    ["prod.services.address_resolver.metrics_addr"],
  ]);
});

Deno.test("what cannot be is refused with its field", async () => {
  const cases: [value: unknown, expected: RegExp][] = [
    ["", /it is empty/],
    ["{", /not JSON/],
    ["[]", /no object/],
    [{}, /services: it is missing/],
    [{ services: 7 }, /services: it is missing/],
    [{ services: [7] }, /services\[0\]/],
    [{ services: [{ type: "tpx" }] }, /"tpx" is no type of a service/],
    [{ services: [{}] }, /"" is no type of a service/],
    [{ services: [{ type: "tpd", adr: ":1" }] }, /field services\[0\]\.adr: .*no service has this field/],
    [{ services: [{ type: "tpd" }], more: 1 }, /field more: .*no service has this field/],
    [{ services: [{ type: "tpd", addr: "x" }] }, /services\[0\]\.addr: .*host:port/],
    [{ services: [{ type: "tpd", mode: "fast" }] }, /services\[0\]\.mode: .*http, dmsg or dual/],
    [{ services: [{ type: "tpd", entry_timeout: "soon" }] }, /entry_timeout/],
    [{ services: [{ type: "tpd", entry_timeout: -1 }] }, /entry_timeout/],
    [{ services: [{ type: "tpd", secret_key: "x" }] }, /secret_key: .*value not shown/],
    [{ services: [{ type: "tpd", whitelist_keys: ["x"] }] }, /whitelist_keys: .*item 0/],
    [{ services: [{ type: "tpd", redis_pool_size: 1e9 }] }, /redis_pool_size/],
    [
      { services: [{ type: "tpd", entry_timeout: 500 }] },
      /services\[0\]\.entry_timeout: value 500: .*1 s to 366 days, or 0/,
    ],
    [{ services: [{ type: "sd", entry_timeout: "999ms" }] }, /services\[0\]\.entry_timeout: /],
    [{ services: [{ type: "dmsgd", entry_timeout: 0 }] }, /services\[0\]\.entry_timeout: .*1 s to 366 days$/],
    [{ services: [{ type: "rf", poll: 5 }] }, /services\[0\]\.poll: value 5: .*500 ms to 5 min/],
    [{ services: [{ type: "rf", poll: "0s" }] }, /services\[0\]\.poll: /],
    [
      { services: [{ type: "ar", public_udp_address: "nonsense" }] },
      /\[0\]\.public_udp_address: .*host:port/,
    ],
    [{ services: [{ type: "ar", public_udp_address: ":30178" }] }, /\[0\]\.public_udp_address: .*host:port/],
    [
      { services: [{ type: "tpd", redis: "redis://r", store: "x.db" }] },
      /services\[0\]\.store: .*has redis, too/,
    ],
    ...["../../x", "/x", "a/b", "a\\b", "..", ".x", " ", "a\u0000b", "a\nb", "x".repeat(101)].flatMap((
      name,
    ): [object, RegExp][] => [
      [{ services: [{ type: "tpd", name }] }, /services\[0\]\.name: .*files are called by it/],
      [{ dmsg_server_instances: [{ name }] }, /dmsg_server_instances\[0\]\.name: .*files are called by it/],
    ]),
    [{ services: { tpx: {} } }, /"tpx" is no type of a service/],
    [{ services: { tpd: { adr: 1 } } }, /services\.tpd\.adr/],
    [{ dmsg_server_instances: [{ public_port: 70_000 }] }, /public_port/],
  ];
  for (const [value, expected] of cases) {
    await assert.rejects(
      parse(value),
      (error) => error instanceof ConfigError && expected.test(error.message),
    );
  }
  await assert.rejects(parse({ services: { tpd: {} }, dmsg_servers: 7 }), DeploymentError);
  await assert.rejects(parse({ dmsg_server_instances: [{ config_file: "x.json" }] }), /x\.json is not read/);
});

Deno.test("a value that is refused is told with what to write, where that can be known", async () => {
  const unit = 'give the unit, as in "90s": a bare number is nanoseconds';
  const dmsgd = "leave it out: entries then live as long as they do by default";
  const cases: [object, string | undefined][] = [
    [{ type: "tpd", entry_timeout: 500 }, unit],
    [{ type: "tpd", entry_timeout: 300_000 }, unit],
    [{ type: "dmsgd", entry_timeout: 90 }, unit],
    [{ type: "rf", poll: 5 }, unit],
    [{ type: "tpd", entry_timeout: "999ms" }, undefined],
    [{ type: "rf", poll: "0s" }, undefined],
    [{ type: "dmsgd", entry_timeout: "0s" }, dmsgd],
    [{ type: "dmsgd", entry_timeout: 0 }, dmsgd],
    [{ type: "ar", public_udp_address: "bücher.example:3" }, "write xn--bcher-kva.example:3"],
    [{ type: "ar", public_udp_address: "nonsense" }, "write host:port: ar.example.net:30178"],
  ];
  for (const [service, hint] of cases) {
    await assert.rejects(
      parse({ services: [service] }),
      (error) => error instanceof ConfigError && error.hint === hint,
      JSON.stringify(service),
    );
  }
});

Deno.test("a name that is one, and durations that are not said", async () => {
  for (const name of ["tpd", "TPD 1", "a.b", "_x", "día", "x".repeat(100), "a..b"]) {
    const { services: [tpd] } = await parse({ services: [{ type: "tpd", name }] });
    assert.equal(tpd!.name, name);
  }
  const services = [{ type: "tpd", entry_timeout: "", name: "" }, { type: "rf", poll: "" }, {
    type: "ar",
    entry_timeout: null,
    public_udp_address: "ar.example:30178",
  }, { type: "sd", entry_timeout: 0 }];
  const [tpd, rf, ar, sd] = (await parse({ services })).services;
  assert.deepEqual([tpd!.name, tpd!.settings], ["transport-discovery", {}], "nothing is no life for ever");
  assert.equal(rf!.pollMs, undefined);
  assert.deepEqual(ar!.settings, { publicUdpAddress: "ar.example:30178" });
  assert.equal(sd!.settings.entryTimeoutMs, 0);
});

Deno.test("where a service keeps what it knows: what it says itself comes before the Redis of all", async () => {
  const file = {
    redis: "redis://all",
    services: {
      transport_discovery: { store: "own.db" },
      address_resolver: { redis: "redis://own", store_data_path: "/copies" },
      service_discovery: { store_data_path: "/copies" },
      uptime_tracker: {},
      route_finder: {},
    },
  };
  const { services, passedOver } = await parse(file);
  assert.deepEqual(services.map(({ settings }) => settings.store), [
    "own.db",
    "redis://own",
    "redis://all",
    "redis://all",
    undefined,
  ]);
  assert.deepEqual(passedOver, [
    "services.address_resolver.store_data_path",
    "services.service_discovery.store_data_path",
  ]);
  const list = await parse({ services: [{ type: "sd", store_data_path: "sd.db" }] });
  assert.deepEqual([list.services[0]!.settings.store, list.passedOver], ["sd.db", []]);
});

Deno.test("what is left open: names, keys and stores in the folder, ports, modes", () => {
  const plan = planOfFiled(servicesOfTypes(ALL_TYPES), { testing: false, entryTimeoutMs: 0 });
  for (const { type, name, key, mode, settings } of plan) {
    assert.deepEqual(key, { file: `${FOLDER}/${name}.key` });
    assert.equal(mode, type === "setup-node" ? "dmsg" : "dual", name);
    const { isKeeping } = serviceTypeOf(type);
    assert.equal(settings.store, isKeeping ? `${FOLDER}/${name}.db` : undefined);
    if (isKeeping) assert.equal(settings.entryTimeoutMs, 0);
    assert.equal(settings.allowLoopbackAddresses, undefined);
  }
  const loopback = planOf(ALL_TYPES, {
    hostname: "127.0.0.1",
    freePorts: true,
    redis: "redis://r",
    testing: false,
  });
  assert(loopback.every(({ address }) => address === undefined || address.port === 0));
  const [disc] = loopback;
  assert.deepEqual([disc!.settings.allowLoopbackAddresses, disc!.settings.store], [true, "redis://r"]);
  const forced = planOfFiled([{ type: "route-finder", name: "rf", mode: "dual", settings: {} }], {
    forcedMode: "http",
  });
  assert.equal(forced[0]!.mode, "http"); // the environment beats the file
  const filed = planOfFiled([{ type: "route-finder", name: "rf", mode: "http", settings: {} }], {
    mode: "dmsg",
  });
  assert.equal(filed[0]!.mode, "http"); // the file beats the option
});
