/**
 * Every field of a visor's configuration that Skywire's programs of 2024 and 2026 or this one know (protocol: config,
 * sections 1 and 2): the one table behind reading, `conf show`, `conf check`, `conf set`, `conf gen` and
 * docs/configuration.md. In the order in which a new configuration has them.
 *
 * @module
 */
import type { Fields } from "../../deployment/mod.ts";
import {
  addressesByKey,
  anything,
  choice,
  dialled,
  duration,
  type FieldRow,
  type FieldTable,
  type FieldType,
  flag,
  hostPort,
  hostPorts,
  key,
  keys,
  list,
  logLevel,
  optionalKey,
  port,
  readAt,
  requiredText,
  secretKey,
  secretText,
  text,
  texts,
  url,
  type ValueOf,
  whatever,
  wholeNumber,
  words,
} from "./field_types.ts";

/** The generation of Skywire's format that is written; on load only the major number counts. */
export const CONFIG_VERSION = "v1.3.76";
/** Where the control API listens unless configured otherwise (`cli_addr`). */
export const CONTROL_ADDRESS_DEFAULT = "127.0.0.1:3435";
/** Where `stcp` listens unless configured otherwise (`skywire-tcp.listening_address`). */
export const STCP_ADDRESS_DEFAULT = ":7777";
/** Between two looks of the visor at itself. */
export const SAMPLE_INTERVAL_MS_DEFAULT = 60_000;
/** More often says nothing more, and costs. */
const SAMPLE_INTERVAL_MS_MIN = 1_000;
/** What is kept is kept by the hour. */
const SAMPLE_INTERVAL_MS_MAX = 3_600_000;
/** Between two registrations at the service discovery, which forgets after 5 min: three tries fit (SV-2). */
export const SERVICE_INTERVAL_MS_DEFAULT = 90_000;
const ROUTE_FINDER_TIMEOUT_DEFAULT_MS = 10_000;
/** `route_finder_timeout` beyond this is a slip of units. */
const ROUTE_FINDER_TIMEOUT_MAX_MS = 600_000;
const SESSIONS_MAX = 2_048;
const HOPS_MAX = 1_000;
/** Of what is kept for other programs: ten years, so that only a slip of units is told. */
const KEPT_DURATION_MAX_MS = 315_360_000_000;
/** Of what is kept for other programs. */
const KEPT_NUMBER_MAX = 100_000;

/** A field that this program uses. */
function used<T>(type: FieldType<T>, about: string, generated?: unknown): FieldRow<T> {
  return { type, about, generated, isUsed: true };
}

/** A field that is kept for Skywire's own programs. */
function kept<T>(type: FieldType<T>, about: string, generated?: unknown): FieldRow<T> {
  return { type, about, generated, isUsed: false };
}

/** As `v1.3.76`, or `unknown`, as builds without a version write it. */
function version(): FieldType<string | undefined> {
  return {
    ...text(),
    rule: `a version such as ${CONFIG_VERSION}`,
    read(fields, name) {
      const given = fields.text(name);
      if (given === undefined || given === "" || given === "unknown") return given;
      const major = /^v?(\d+)\./.exec(given)?.[1];
      if (major === undefined) fields.refuse(name, `it must look like ${CONFIG_VERSION}`);
      if (major !== "1") {
        fields.refuse(
          name,
          "only major version 1 is known",
          "skyctl conf gen -r makes one that keeps the keys",
        );
      }
      return given;
    },
  };
}

const http = () => url("http:", "https:", "dmsg:");
const overDmsg = () => url("dmsg:");
const count = (absent: number) => wholeNumber(absent, KEPT_NUMBER_MAX);
const period = (absent: string, absentMs: number) =>
  duration(absent, { absentMs, maxMs: KEPT_DURATION_MAX_MS });

const APP_FIELDS = {
  name: used(requiredText("the app's name"), "the app's name; each has its own"),
  binary: used(text(), "the program; with `skywire` the first arguments name the app (absent: the name)"),
  args: used(words(), "its arguments"),
  auto_start: used(flag(), "it starts with the visor"),
  port: used(port(), "its port among routes"),
} as const satisfies FieldTable;

/** One port of a resolving proxy and its web server, of `dmsg_web` or `skynet_web`. */
function resolvingProxy(suffix: string, proxyPort: number, webPort: number) {
  return {
    enable: kept(flag(), `a resolving proxy for ${suffix}`),
    proxy_port: kept(port(proxyPort), "its SOCKS port"),
    web_port: kept(port(webPort), "its port for a browser without a proxy"),
    domain_suffix: kept(text(suffix), "names that it resolves"),
    upstream_socks: kept(text(), "a SOCKS proxy for every other name"),
    tls_mitm: kept(flag(), "TLS ends at the proxy, with certificates of its own"),
    tls_port: kept(port(443), "the port of TLS"),
    tls_ca_path: kept(text(), "certificate of its authority"),
    tls_ca_key_path: kept(text(), "key of its authority"),
    self_loopback: kept(flag(), "the visor's own key is reached without the network"),
    alias: kept(anything("an object"), "names of keys"),
  } as const;
}

function within<const Table extends FieldTable, const Prefix extends string>(
  prefix: Prefix,
  table: Table,
): { readonly [Name in keyof Table & string as `${Prefix}.${Name}`]: Table[Name] } {
  return Object.fromEntries(
    Object.entries(table).map(([name, row]) => [`${prefix}.${name}`, row]),
  ) as { [Name in keyof Table & string as `${Prefix}.${Name}`]: Table[Name] };
}

export const VISOR_FIELDS = {
  version: used(version(), "generation of the format; only major version 1 is known", CONFIG_VERSION),
  sk: used(secretKey("pk"), "the visor's secret key; absent or zeros: another one at every start"),
  pk: used(optionalKey(), "the visor's public key; it must belong to `sk`"),

  "dmsg.discovery": used(http(), "the dmsg discovery; empty: the deployment's"),
  "dmsg.discovery_dmsg": used(overDmsg(), "the same over dmsg, asked first"),
  "dmsg.sessions_count": used(wholeNumber(1, SESSIONS_MAX), "sessions with dmsg servers; 0: with each", 2),
  "dmsg.servers": used(
    list({ static: used(key(), "the server's key"), "server.address": used(dialled(), "where it is") }),
    "dmsg servers to start from; empty: the deployment's",
  ),
  "dmsg.servers_type": used(choice("all", "official", "community"), "which servers are used", "all"),
  "dmsg.protocol": kept(whatever(), "carrier of dmsg that is preferred"),
  "dmsg.carriers": kept(texts(), "carriers of dmsg in their order"),
  "dmsg.lan_servers": kept(whatever(), "dmsg servers of the own network"),
  "dmsg.configs": kept(anything("a list"), "further deployments"),
  "dmsg.server.config_path": kept(text(), "a dmsg server inside the visor, by this configuration"),

  "pty.dmsg_port": kept(port(22), "remote shell: its dmsg port (2024: `dmsgpty`, as all of `pty`)"),
  "pty.cli_network": kept(text("unix"), "remote shell: network of its local address"),
  "pty.cli_address": kept(text("/tmp/dmsgpty.sock"), "remote shell: its local address"),
  "pty.whitelist": kept(keys(), "remote shell: who may use it"),
  "pty.ssh_listen": kept(text(), "remote shell: address for ssh"),
  "dmsgscp.disabled": kept(flag(), "no file copies over dmsg"),
  "dmsgscp.dmsg_port": kept(port(23), "file copies: their dmsg port"),
  "dmsgscp.root_dir": kept(text(), "file copies: the folder"),
  "dmsgscp.whitelist": kept(keys(), "file copies: who may make them"),

  "skywire-tcp.pk_table": used(addressesByKey(), "visors that `stcp` reaches, `host:port` by key"),
  "skywire-tcp.listening_address": used(
    hostPort(STCP_ADDRESS_DEFAULT),
    "where `stcp` listens; without `skywire-tcp` it is off",
  ),

  "transport.discovery": used(http(), "the transport discovery; empty: the deployment's"),
  "transport.discovery_dmsg": used(overDmsg(), "the same over dmsg, asked first"),
  "transport.address_resolver": used(http(), "the address resolver; empty: the deployment's"),
  "transport.address_resolver_dmsg": used(overDmsg(), "the same over dmsg, asked first"),
  "transport.public_autoconnect": used(flag(true), "transports to up to five public visors by itself", true),
  "transport.transport_setup": used(keys(), "who may make this visor add transports"),
  "transport.user_transport_setup": used(keys(), "more of them, kept by `conf gen -r`"),
  "transport.log_store.type": kept(choice("file", "memory"), "where traffic is noted", "file"),
  "transport.log_store.location": kept(
    text("./local/transport_logs"),
    "its folder",
    "./local/transport_logs",
  ),
  "transport.log_store.rotation_interval": kept(
    period("168h0m0s", 604_800_000),
    "how long it is kept",
    "168h0m0s",
  ),
  "transport.stcpr_port": used(port(), "port of `stcpr`; 0: any free one", 0),
  "transport.sudph_port": used(port(), "port of `sudph`; 0: any free one", 0),
  "transport.allow_loopback_addresses": used(
    flag(),
    "addresses of this machine count as public: a network on loopback",
  ),
  "transport.tps_sk": kept(secretText(), "secret key of an embedded transport set-up client"),
  "transport.tps_dmsg.min_sessions": kept(count(0), "its sessions"),
  "transport.tps_dmsg.server_type": kept(text(), "its servers"),
  "transport.ar_transport_limit": kept(whatever(), "transports by the address resolver"),

  "routing.route_setup_nodes": used(
    keys(),
    "setup nodes in the order in which they are asked; empty: the deployment's",
  ),
  "routing.user_route_setup_nodes": used(keys(), "more of them, kept by `conf gen -r`"),
  "routing.route_setup_sk": kept(secretText(), "secret key of an embedded setup node"),
  "routing.route_finder": used(http(), "the route finder; empty: the deployment's"),
  "routing.route_finder_dmsg": used(overDmsg(), "the same over dmsg, asked first"),
  "routing.route_finder_timeout": used(
    duration("10s", { absentMs: ROUTE_FINDER_TIMEOUT_DEFAULT_MS, maxMs: ROUTE_FINDER_TIMEOUT_MAX_MS }),
    "for one question to the route finder",
    "10s",
  ),
  "routing.min_hops": used(
    wholeNumber(1, HOPS_MAX),
    "transports of a route at least; 0 is 1, as files of 2024 say it",
    1,
  ),
  "routing.calculate_routes": kept(whatever(), "routes are computed here"),
  "routing.mux_routes": kept(whatever(), "routes of a multiplexed connection"),
  "routing.transport_preference": kept(whatever(), "types in their order"),
  "routing.policy_per_dial": kept(whatever(), "how a route is chosen"),

  "uptime_tracker.addr": used(http(), "the uptime tracker; empty: the deployment's"),
  "uptime_tracker.addr_dmsg": used(overDmsg(), "the same over dmsg, asked first"),

  "launcher.service_discovery": used(http(), "the service discovery; empty: the deployment's"),
  "launcher.service_discovery_dmsg": used(overDmsg(), "the same over dmsg, asked first"),
  "launcher.apps": used(list(APP_FIELDS), "apps of the visor"),
  "launcher.server_addr": kept(text("localhost:5505"), "where apps of Skywire connect", "localhost:5505"),
  "launcher.bin_path": kept(text("./"), "folder of apps of Skywire", "./"),
  "launcher.display_node_ip": used(flag(), "the service discovery shows its addresses to everybody", false),
  "launcher.heartbeat_interval": used(
    period("90s", SERVICE_INTERVAL_MS_DEFAULT),
    "between two registrations at the service discovery: from 5s to below 300s",
  ),

  survey_whitelist: used(keys(), "who may read log, uptime and survey over dmsg port 80"),
  user_survey_whitelist: used(keys(), "more of them, kept by `conf gen -r`"),
  hypervisors: used(keys(), "who may manage the visor; they read its log, too", []),
  cli_addr: used(
    hostPort(CONTROL_ADDRESS_DEFAULT, "127.0.0.1"), // without a host: whoever reaches it and has the token rules the visor
    "where the control API listens: on loopback only",
    CONTROL_ADDRESS_DEFAULT,
  ),
  log_level: used(logLevel(), "lines of the log", "info"),
  local_path: kept(text("./local"), "folder of the visor's state; here `--home` is", "./local"),
  dmsghttp_server_path: kept(
    text("./local/custom"),
    "files served on dmsg port 80; here `dmsg serve` does",
    "./local/custom",
  ),
  "log_server.local_addr": kept(text(), "a local address of the log server"),
  stun_servers: used(hostPorts(), "servers that tell a machine its address"),
  shutdown_timeout: kept(period("10s", 10_000), "for an end in order; here it has 2 s", "10s"),
  is_public: used(flag(), "the visor offers itself to all", false),
  "public_visor.registration_timeout": used(
    period("10m0s", 600_000),
    "a public visor that is refused for so long is not known as one",
  ),
  "public_visor.max_transports": used(
    count(1_000),
    "transports that others open to a public visor; 0: any visor's",
  ),
  persistent_transports: used(
    list({
      pk: used(key(), "the other visor"),
      type: used(requiredText("a transport type, such as stcpr"), "stcp, stcpr, sudph or dmsg"),
    }),
    "transports that are made again whenever they are gone",
    null,
  ),

  "stats.path": kept(text(), "file of the uptime; here `uptime.json` in the home"),
  "stats.sample_interval": used(
    duration("1m0s", {
      absentMs: SAMPLE_INTERVAL_MS_DEFAULT,
      minMs: SAMPLE_INTERVAL_MS_MIN,
      maxMs: SAMPLE_INTERVAL_MS_MAX,
    }),
    "between two looks of the visor at itself",
  ),
  "stats.retention_days": kept(count(30), "how long they are kept; here 30 days"),
  "stats.cxo_publish_window": kept(count(7), "days that are told to others"),
  "stats.disabled": used(flag(), "the visor does not note its uptime"),

  conf_service: used(http(), "the configuration service; empty: the deployment's"),
  conf_service_dmsg: used(overDmsg(), "the same over dmsg, asked first"),
  reward_address: used(text(), "who gets the rewards: told in the survey; empty: the survey is empty"),
  reward_system: kept(http(), "the reward system"),
  reward_system_dmsg: kept(overDmsg(), "the same over dmsg"),
  survey_client_sk: kept(secretText(), "secret key of the reader of surveys"),
  "rewards.enable": kept(flag(), "the reward site inside the visor"),
  "rewards.work_dir": kept(text(), "its folder"),
  "rewards.whitelist": kept(keys(), "who may use it"),
  "rewards.canonical_domain": kept(text(), "its domain"),
  "rewards.skycoin_node": kept(text(), "its Skycoin node"),
  "rewards.login_node": kept(text(), "its login node"),
  "skychat.group_history_db": kept(text(), "history of groups"),
  skymail_bridge: kept(whatever(), "mail over dmsg"),
  geoip: kept(whatever(), "where an IP address is"),
  memory_limit: kept(whatever(), "memory of the Go program"),
  "ui_server.enable": kept(flag(), "a user interface inside the visor"),
  "ui_server.local_addr": kept(text("localhost:8081"), "its local address"),
  "ui_server.dmsg_port": kept(port(81), "its dmsg port"),
  "ui_server.dmsg_whitelist": kept(keys(), "who may reach it over dmsg"),
  "ui_server.survey_dir": kept(text(), "its folder of surveys"),
  ...within("dmsg_web", resolvingProxy(".dmsg", 4445, 8080)),
  ...within("skynet_web", resolvingProxy(".skynet", 4446, 8081)),
  "skynet_web.route_timeout": kept(period("30s", 30_000), "for a route of its own"),
  "hypervisor.db_path": kept(text("./users.db"), "user interface of a hypervisor: its users"),
  "hypervisor.enable_auth": kept(flag(), "its users must log in"),
  "hypervisor.cookies.hash_key": kept(secretText(), "key of its cookies"),
  "hypervisor.cookies.block_key": kept(secretText(), "another key of its cookies"),
  "hypervisor.cookies.expires_duration": kept(period("12h0m0s", 43_200_000), "life of its cookies"),
  "hypervisor.cookies.path": kept(text("/"), "path of its cookies"),
  "hypervisor.cookies.domain": kept(text(), "domain of its cookies"),
  "hypervisor.dmsg_port": kept(port(46), "its dmsg port"),
  "hypervisor.http_addr": kept(text(":8000"), "its address"),
  "hypervisor.enable_tls": kept(flag(), "it speaks TLS"),
  "hypervisor.tls_cert_file": kept(text(), "its certificate"),
  "hypervisor.tls_key_file": kept(text(), "its key"),
} as const satisfies FieldTable;

/** The path of a field. */
export type VisorField = keyof typeof VISOR_FIELDS;

/** Objects of the top with another name in files of 2024. */
export const FORMER_NAMES: Readonly<Record<string, string>> = { pty: "dmsgpty" };

/** The path at which a file has a field: under its name of 2024 where it has only that one. */
export function pathIn(raw: Readonly<Record<string, unknown>>, path: string): string {
  const [first = "", ...rest] = path.split(".");
  const former = FORMER_NAMES[first];
  if (former === undefined || !isThere(raw[former]) || isThere(raw[first])) return path;
  return [former, ...rest].join(".");
}

function isThere(value: unknown): boolean {
  return value !== undefined && value !== null;
}

/** The value of a field, or what holds without it. Errors: `ConfigError`. */
export function readField<Path extends VisorField>(
  fields: Fields,
  path: Path,
): ValueOf<(typeof VISOR_FIELDS)[Path]> {
  return readAt(fields, path, VISOR_FIELDS[path].type) as ValueOf<(typeof VISOR_FIELDS)[Path]>;
}
