/** `conf gen`: settings, where they come from, and what a configuration made anew keeps. */
import assert from "node:assert/strict";
import { keyPairFromSeed } from "../../../lib/crypto/mod.ts";
import { ConfigError, embeddedDeployment } from "../../../lib/deployment/mod.ts";
import {
  checkConfig,
  fileFor,
  newConfig,
  type NewConfigOptions,
  parseSkyenv,
  resolveSettings,
} from "../../../lib/visor/conf/mod.ts";
import { APPS_DEFAULT, parseVisorConfig, renderConfig } from "../../../lib/visor/config/mod.ts";
import { networkOfConfig } from "../../../lib/visor/mod.ts";

const { secretKey } = keyPairFromSeed(new TextEncoder().encode("generated"));
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
  const { config, origins } = newConfig({ secretKey, resolved: resolve(given), deployment, ...options });
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
  assert.deepEqual(read.apps, APPS_DEFAULT);
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
    [`DMSGPTYPKS=(${key("a")})`, { dmsgpty: key("a") }, "pty.whitelist", [key("a")]],
    ["BINPATH=/apps", { binpath: "/apps" }, "launcher.bin_path", "/apps"],
  ];

const at = (config: Loose, path: string) => path.split(".").reduce((value, name) => value[name], config);

for (const [skyenv, flags, path, value] of SETTINGS) {
  Deno.test(`newConfig(): ${skyenv.split("=")[0]} is ${path}, by file, environment or flag`, () => {
    const variable = skyenv.split("=")[0]!;
    const text = String(Object.values(flags)[0]);
    const ways = [made({ skyenv }), made({ env: { [variable]: text } }), made({ flags })];
    for (const { config } of ways) assert.deepEqual(at(config, path), value);
    assert.deepEqual(ways.map(({ origins }) => origins.get(path)), ["SKYENV", "environment", "flag"]);
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
  assert.deepEqual(resolve({ skyenv: "HYPERVISORPKS=('')\nVPNSERVER=true\nISHYPERVISOR=false" }), {
    settings: {},
    origins: {},
    withoutUse: ["VPNSERVER"],
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
    "skysocks true --passcode word",
    "skysocks-client false --addr 127.0.0.1:1080",
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
      "skysocks false --passcode x",
      `skysocks-client true --addr 127.0.0.1:1080 --srv ${key("a")} --passcode w`,
    ],
  );
  assert.deepEqual(
    apps({ flags: { proxyserver: true, disableapps: "skysocks,other" } })[0],
    "skysocks false",
  );
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
