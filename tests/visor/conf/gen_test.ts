/** `conf gen`: settings, where they come from, and what a configuration made anew keeps. */
import assert from "node:assert/strict";
import { keyPairFromSeed, toHex } from "../../../lib/crypto/mod.ts";
import { ConfigError, embeddedDeployment } from "../../../lib/deployment/mod.ts";
import {
  checkConfig,
  fileFor,
  newConfig,
  type NewConfigOptions,
  newSetupNodeConfig,
  parseSkyenv,
  resolveSettings,
} from "../../../lib/visor/conf/mod.ts";
import { APPS_DEFAULT, parseVisorConfig, renderConfig } from "../../../lib/visor/config/mod.ts";
import { networkOfConfig } from "../../../lib/visor/mod.ts";

const { secretKey } = keyPairFromSeed(new TextEncoder().encode("generated"));
const world = { random: { bytes: (length: number) => new Uint8Array(length).fill(7) } };
const key = (name: string) => keyPairFromSeed(new TextEncoder().encode(name)).publicKey;
const deployment = embeddedDeployment();

// deno-lint-ignore no-explicit-any
type Loose = Record<string, any>;

interface Given {
  readonly flags?: Record<string, unknown>;
  readonly env?: Record<string, string>;
  readonly skyenv?: string;
}

const resolve = ({ flags = {}, env = {}, skyenv = "" }: Given) =>
  resolveSettings({
    flags,
    env: (name) => env[name],
    skyenv: parseSkyenv(skyenv, "sky.conf"),
    skyenvFile: "sky.conf",
  });

function made(given: Given, options: Partial<NewConfigOptions> = {}) {
  const { config, origins } = newConfig({
    world,
    secretKey,
    resolved: resolve(given),
    deployment,
    ...options,
  });
  const text = renderConfig(config);
  assert.deepEqual(checkConfig(text, "v.json").filter(({ severity }) => severity === "error"), []);
  return { config: config as Loose, origins, read: parseVisorConfig(text, "v.json") };
}

Deno.test("newConfig() without any setting: the deployment's services, dmsg first and HTTP besides, apps that are off", () => {
  const { config, read, origins } = made({});
  assert.equal(config.dmsg.discovery, "http://dmsgd.skywire.skycoin.com");
  assert.match(config.dmsg.discovery_dmsg, /^dmsg:\/\/022e607e/);
  assert.equal(read.dmsg.servers.length, 9);
  assert.equal(read.surveyWhitelist.length, 7);
  // Skywire's form of apps that are within its one program: its visor starts with the file, too.
  assert.deepEqual(
    read.apps,
    APPS_DEFAULT.map((app) => ({ ...app, binary: "skywire", args: ["app", app.name, ...app.args] })),
  );
  assert.equal(networkOfConfig(read).name, "production");
  assert.deepEqual(Object.keys(config).slice(0, 5), ["version", "sk", "pk", "dmsg", "transport"]);
  assert.equal(origins.get("dmsg.servers"), "deployment");
});

Deno.test("newConfig(): services over dmsg alone, or over HTTP alone", () => {
  const dmsg = made({ flags: { dmsghttp: true } }).config;
  assert.deepEqual([dmsg.dmsg.discovery, dmsg.transport.discovery], ["", ""]);
  assert.match(dmsg.routing.route_finder_dmsg, /^dmsg:/);
  const http = made({ flags: { http: true } }).config;
  assert.deepEqual([http.dmsg.discovery_dmsg, http.transport.discovery_dmsg], ["", ""]);
});

/** A setting in SKYENV, the same as a flag, and what becomes of it. */
const SETTINGS:
  readonly (readonly [skyenv: string, flags: Record<string, unknown>, path: string, value: unknown])[] = [
    ["MINDMSGSESS=4", { minsess: "4" }, "dmsg.sessions_count", 4],
    ["LOGLVL=debug", { loglvl: "debug" }, "log_level", "debug"],
    ["VISORISPUBLIC=true", { public: true }, "is_public", true],
    ["DISABLEPUBLICAUTOCONN=true", { autoconn: true }, "transport.public_autoconnect", false],
    ["DISPLAYNODEIP=true", { publicip: true }, "launcher.display_node_ip", true],
    ["STCPRPORT=7001", { stcpr: "7001" }, "transport.stcpr_port", 7001],
    ["SUDPHPORT=7002", { sudph: "7002" }, "transport.sudph_port", 7002],
    [`HYPERVISORPKS=('${key("a")}' '${key("b")}')`, { hvpks: `${key("a")},${key("b")}` }, "hypervisors", [
      key("a"),
      key("b"),
    ]],
    [`SURVEYPKS=('${key("a")}')`, { survey: key("a") }, "user_survey_whitelist", [key("a")]],
    [`ROUTESETUPPKS='${key("a")}'`, { routesetup: key("a") }, "routing.user_route_setup_nodes", [key("a")]],
    [`TPSETUPPKS="${key("a")}"`, { tpsetup: key("a") }, "transport.user_transport_setup", [key("a")]],
    [`DMSGPTYPKS=(${key("a")})`, { dmsgpty: key("a") }, "dmsgpty.whitelist", [key("a")]],
    ["BINPATH=/apps", { binpath: "/apps" }, "launcher.bin_path", "/apps"],
  ];

const at = (config: Loose, path: string) => path.split(".").reduce((value, name) => value[name], config);

for (const [skyenv, flags, path, value] of SETTINGS) {
  Deno.test(`newConfig(): ${skyenv.split("=")[0]} is ${path}, by file, environment or flag`, () => {
    const variable = skyenv.split("=")[0]!;
    const text = String(Object.values(flags)[0]);
    const ways = [made({ skyenv }), made({ env: { [variable]: text } }), made({ flags })];
    for (const { config } of ways) assert.deepEqual(at(config, path), value);
    const field = path.replace("dmsgpty", "pty");
    assert.deepEqual(ways.map(({ origins }) => origins.get(field)), ["SKYENV", "environment", "flag"]);
  });
}

Deno.test("resolveSettings(): flags beat the environment, and that beats SKYENV; empty says nothing", () => {
  const all = { flags: { loglvl: "warn" }, env: { LOGLVL: "info" }, skyenv: "LOGLVL=debug" };
  const of = (given: Given) => {
    const { settings, origins } = resolve(given);
    return [settings.loglvl, origins.loglvl];
  };
  assert.deepEqual(of(all), ["warn", "flag"]);
  assert.deepEqual(of({ ...all, flags: {} }), ["info", "environment"]);
  assert.deepEqual(of({ ...all, flags: {}, env: { LOGLVL: "" } }), ["debug", "SKYENV"]);
  assert.deepEqual(of({ skyenv: "LOGLVL=''" }), [undefined, undefined]);
  assert.deepEqual(resolve({ skyenv: "HYPERVISORPKS=('')\nLEGACYHVUI=true\nRESTART_SERVICES=false" }), {
    settings: {},
    origins: {},
    withoutUse: ["LEGACYHVUI"],
  });
});

Deno.test("resolveSettings() names flag, variable or file, the value and the rule, and no password", () => {
  const message = (given: Given) => {
    try {
      resolve(given);
    } catch (error) {
      assert(error instanceof ConfigError);
      return error.message;
    }
    assert.fail("taken");
  };
  assert.match(
    message({ skyenv: "PKGENV=maybe" }),
    /^sky\.conf: field PKGENV: value "maybe": it must be true or false/,
  );
  assert.match(
    message({ env: { STCPRPORT: "x" } }),
    /^environment: field STCPRPORT: value "x": .*whole number/,
  );
  assert.match(message({ flags: { hvpks: "x" } }), /^command line: field --hvpks: value "x": .*public key/);
});

Deno.test("newConfig(): apps of the proxy by their settings", () => {
  const apps = (given: Given) =>
    made(given).read.apps.map(({ name, args, autoStart }) => `${name} ${autoStart} ${args.join(" ")}`.trim());
  assert.deepEqual(apps({ skyenv: "NOPROXYSERVER=false\nPROXYSEVERPASS=word" }), [
    "skysocks true app skysocks --passcode word",
    "skysocks-client false app skysocks-client --addr 127.0.0.1:1080",
  ]);
  assert.deepEqual(
    apps({
      flags: {
        startproxyclient: true,
        proxyclientpk: key("a"),
        proxyclientpass: "w",
        noproxyserver: true,
        proxyserverpass: "x",
      },
    }),
    [
      "skysocks false app skysocks --passcode x",
      `skysocks-client true app skysocks-client --addr 127.0.0.1:1080 --srv ${key("a")} --passcode w`,
    ],
  );
  assert.deepEqual(
    apps({ flags: { proxyserver: true, disableapps: "skysocks,other" } })[0],
    "skysocks false app skysocks",
  );
});

/** Of each setting for Skywire's VPN the app that it makes. */
const VPN: readonly (readonly [skyenv: string, flags: Record<string, unknown>, app: string])[] = [
  ["VPNSERVER=true", { servevpn: true }, "vpn-server true app vpn-server"],
  ["VPNSEVERPASS=word", { vpnserverpass: "word" }, "vpn-server false app vpn-server --passcode word"],
  ["VPNSEVERSECURE=false", { secure: "false" }, "vpn-server false app vpn-server --secure false"],
  ["VPNSEVERNETIFC=eth0", { netifc: "eth0" }, "vpn-server false app vpn-server --netifc eth0"],
  [
    `ADDVPNPK=${key("a")}`,
    { addvpn: key("a") },
    `vpn-client false app vpn-client --dns 1.1.1.1 --srv ${key("a")}`,
  ],
  [
    "VPNCLIENTPASS=word",
    { vpnpass: "word" },
    "vpn-client false app vpn-client --dns 1.1.1.1 --passcode word",
  ],
  ["VPNKS=true", { killsw: "true" }, "vpn-client false app vpn-client --dns 1.1.1.1 --killswitch true"],
];

for (const [skyenv, flags, app] of VPN) {
  Deno.test(`newConfig(): ${skyenv.split("=")[0]} is ${app.replace(key("a"), "KEY")}, by file or flag`, () => {
    for (const given of [{ skyenv }, { flags }]) {
      const { read, origins } = made(given);
      const { name, args, autoStart, binary } = read.apps[2]!;
      assert.equal(`${name} ${autoStart} ${args.join(" ")}`, app);
      assert.deepEqual([binary, read.apps.length], ["skywire", 3]);
      assert.equal(origins.get("launcher.apps"), "flags" in given ? "flag" : "SKYENV");
    }
  });
}

Deno.test("newConfig(): ports of Skywire's apps, the example, and apps that are turned off", () => {
  const { apps } = made({ flags: { servevpn: true, killsw: "true", exampleApps: true } }).read;
  assert.deepEqual(apps.map(({ name, port }) => `${name} ${port}`), [
    "skysocks 3",
    "skysocks-client 13",
    "vpn-client 43",
    "vpn-server 44",
    "example-server-app 45",
  ]);
  assert.equal(
    made({ flags: { servevpn: true, disableapps: "vpn-server" } }).read.apps.at(-1)!.autoStart,
    false,
  );
});

Deno.test("newConfig(): the user interface of a hypervisor; what an older file has of it goes on", () => {
  const { hypervisor } = made({ flags: { ishv: true } }).config;
  assert.deepEqual(hypervisor, {
    db_path: "./users.db",
    enable_auth: false,
    cookies: {
      hash_key: toHex(world.random.bytes(64)),
      block_key: toHex(world.random.bytes(32)),
      expires_duration: 43_200_000_000_000,
      path: "/",
      domain: "",
    },
    dmsg_port: 46,
    http_addr: ":8000",
    enable_tls: false,
    tls_cert_file: "./ssl/cert.pem",
    tls_key_file: "./ssl/key.pem",
  });
  assert.equal(made({}).config.hypervisor, undefined);
  const old = {
    hypervisor: { ...hypervisor, http_addr: ":9", enable_auth: true, cookies: { hash_key: "ab" }, more: 1 },
  };
  const kept = made({ skyenv: "ISHYPERVISOR=true" }, { old }).config.hypervisor;
  assert.deepEqual([kept.http_addr, kept.enable_auth, kept.cookies.hash_key, kept.more], [
    ":9",
    true,
    "ab",
    1,
  ]);
  assert.equal(made({ flags: { ishv: true, noauth: true } }, { old }).config.hypervisor.enable_auth, false);
  assert.equal(made({ flags: { ishv: true, auth: true } }).config.hypervisor.enable_auth, true);
  const folder = (flags: Record<string, unknown>) =>
    made({ flags: { ishv: true, ...flags } }, { userFolder: "/home/me" }).config.hypervisor.db_path;
  assert.deepEqual([folder({ pkg: true }), folder({ user: true })], [
    "/opt/skywire/users.db",
    "/home/me/.skywire/users.db",
  ]);
  assert.deepEqual(made({}, { old }).config.hypervisor, old.hypervisor, "not asked for: kept as it is");
});

Deno.test("newConfig(): ports beside a visor of production, proxies for names, routes, a version", () => {
  const { config, read } = made({ flags: { testenv: true, ishv: true, dmsgweb: true, skynetweb: true } });
  assert.deepEqual([config.cli_addr, config.launcher.server_addr, config.hypervisor.http_addr], [
    "127.0.0.1:13435",
    "localhost:15505",
    ":18000",
  ]);
  assert(read.apps[1]!.args.includes("127.0.0.1:11080"));
  assert.deepEqual(config.dmsg_web, {
    enable: true,
    proxy_port: 4445,
    web_port: 8080,
    domain_suffix: ".dmsg",
  });
  assert.deepEqual(config.skynet_web, {
    enable: true,
    proxy_port: 4446,
    web_port: 8081,
    domain_suffix: ".skynet",
  });
  const { routing, version } = made({
    flags: { calculateRoutes: true, muxroutes: "3" },
    skyenv: "VERSION=v1.4.0",
  }).config;
  assert.deepEqual([routing.calculate_routes, routing.mux_routes, version], [true, 3, "v1.4.0"]);
});

Deno.test("newConfig(): the remote shell under its name of 2024, unless the older file has that of 2026", () => {
  const shell = {
    dmsg_port: 22,
    cli_network: "unix",
    cli_address: "/tmp/dmsgpty.sock",
    whitelist: [key("a")],
  };
  const { config } = made({ flags: { dmsgpty: key("a") } });
  assert.deepEqual([config.dmsgpty, config.pty], [shell, undefined]);
  const newer = made({ flags: { dmsgpty: key("a") } }, { old: { pty: { whitelist: [], ssh_listen: ":2" } } });
  assert.deepEqual([newer.config.dmsgpty, newer.config.pty], [undefined, { ...shell, ssh_listen: ":2" }]);
});

Deno.test("newConfig(): over HTTP alone no server is named: the discovery names them", () => {
  const { config } = made({ flags: { http: true } });
  assert.deepEqual(config.dmsg.servers, []);
  assert.equal(made({ flags: { dual: true } }).config.dmsg.servers.length, 9);
});

Deno.test("newSetupNodeConfig(): the fields of a setup node and no other, by each way", () => {
  const setupNode = (flags: Record<string, unknown>) =>
    newSetupNodeConfig({ secretKey, settings: resolve({ flags }).settings, deployment }) as Loose;
  const { dmsg, ...rest } = setupNode({});
  assert.deepEqual(rest, {
    public_key: secretKey.publicKey,
    secret_key: secretKey.reveal(),
    transport_discovery: "http://tpd.skywire.skycoin.com",
    log_level: "info",
  });
  assert.deepEqual([dmsg.discovery, dmsg.sessions_count, dmsg.servers.length], [
    "http://dmsgd.skywire.skycoin.com",
    2,
    9,
  ]);
  const over = setupNode({ dmsghttp: true, minsess: "4", loglvl: "debug" });
  assert.match(over.dmsg.discovery, /^dmsg:\/\//);
  assert.match(over.transport_discovery, /^dmsg:\/\//);
  assert.deepEqual([over.dmsg.sessions_count, over.log_level], [4, "debug"]);
  assert.deepEqual(setupNode({ http: true }).dmsg.servers, []);
});

Deno.test("newConfig() with an older one: own lists, unknown fields and further apps go on, the rest is new", () => {
  const old = {
    version: "v1.3.29",
    dmsg: { discovery: "http://old", mine: 1 },
    dmsgpty: { dmsg_port: 22, whitelist: [key("a")] },
    user_survey_whitelist: [key("a")],
    survey_whitelist: [key("b")],
    hypervisors: [key("h")],
    reward_address: "2jBb",
    persistent_transports: [{ pk: key("a"), type: "stcpr" }],
    uptime_tracker: { addr: "http://ut.old" },
    log_level: "debug",
    future: { a: [1, { b: null }] },
    launcher: {
      apps: [{ name: "vpn-client", binary: "skywire", port: 43 }, { name: "skysocks", port: 9 }],
      also: true,
    },
  };
  const { config, read } = made({ flags: { survey: key("c") } }, { old });
  assert.equal(config.version, "v1.3.76");
  assert.equal(config.dmsg.discovery, "http://dmsgd.skywire.skycoin.com");
  assert.equal(config.dmsg.mine, 1);
  assert.deepEqual(config.dmsgpty, old.dmsgpty);
  assert.deepEqual(config.user_survey_whitelist, [key("a"), key("c")]);
  assert.equal(config.survey_whitelist.length, 7);
  assert.deepEqual(config.hypervisors, []);
  assert.equal(config.reward_address, "2jBb");
  assert.deepEqual(config.persistent_transports, old.persistent_transports);
  assert.equal(config.uptime_tracker, undefined, "of another deployment");
  assert.equal(config.log_level, "info");
  assert.deepEqual(config.future, old.future);
  assert.equal(config.launcher.also, true);
  assert.deepEqual(read.apps.map(({ name, port }) => `${name} ${port}`), [
    "skysocks 3",
    "skysocks-client 13",
    "vpn-client 43",
  ]);
  assert.deepEqual(made({}, { old, keepsHypervisors: true }).config.hypervisors, [key("h")]);
  assert.deepEqual(made({}, { old: config }).config, { ...config }, "again: the same");
});

Deno.test("newConfig() and fileFor(): paths of packages and users, by system", () => {
  const file = (given: Given, options: { system?: "linux" | "mac" | "win" } = {}) =>
    fileFor(resolve(given), { userFolder: "/home/me", ...options });
  assert.equal(file({}), undefined);
  assert.equal(file({ skyenv: "OUTPUT=x.json\nPKGENV=true" }), "x.json");
  assert.equal(file({ skyenv: "PKGENV=true" }), "/opt/skywire/skywire.json");
  assert.equal(file({ flags: { pkg: true } }, { system: "win" }), "C:/Program Files/Skywire/skywire.json");
  assert.equal(file({ flags: { user: true } }), "/home/me/skywire-config.json");
  const pkg = made({ flags: { pkg: true } }).config;
  assert.deepEqual([pkg.local_path, pkg.launcher.bin_path], ["/opt/skywire/local", "/opt/skywire/bin"]);
  const user = made({ skyenv: "USRENV=true" }, { userFolder: "/home/me" });
  assert.equal(user.config.local_path, "/home/me/.skywire/local");
  assert.equal(user.origins.get("local_path"), "SKYENV");
});
