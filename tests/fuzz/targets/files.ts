/** Deployment files, configurations, the control file, the control API, units of the command line. @module */
import { silentLog, SkyError } from "../../../lib/base/mod.ts";
import { parseBytes, parseDuration } from "../../../lib/cli/units.ts";
import {
  CONTROL_CALLS,
  CONTROL_STREAMS,
  type ControlName,
  FETCH_PATH,
  readControlFile,
  type StreamName,
} from "../../../lib/control/mod.ts";
import { parsePublicKey } from "../../../lib/crypto/mod.ts";
import { applyEdits, serverArrayEdits } from "../../../lib/deployment/edit/mod.ts";
import { parseDeployments } from "../../../lib/deployment/mod.ts";
import { parseAuthority } from "../../../lib/directory/tcp_http.ts";
import type { World } from "../../../lib/runtime/mod.ts";
import { parseRunFile } from "../../../lib/services/assembly/mod.ts";
import { parseDmsgServerConfig } from "../../../lib/services/dmsg_server/mod.ts";
import {
  checkConfig,
  parseSkyenv,
  renderSkyenvTemplate,
  setField,
  showConfig,
} from "../../../lib/visor/conf/mod.ts";
import { parseVisorConfig } from "../../../lib/visor/mod.ts";
import {
  type ControlActions,
  controlHandler,
  type ControlHandlerOptions,
} from "../../../lib/visor/control_server.ts";
import { jsonMutants, textMutants } from "../_mutants.ts";
import type { FuzzTarget } from "../_target.ts";

const read = (name: string) =>
  Deno.readTextFileSync(new URL(`../../vectors/deployment/${name}.json`, import.meta.url));

const deployments = [
  "dmsghttp-config-2024-10",
  "services-config-2024-10",
  "services-config-2026-04",
  "services-config-2026-latest",
].map(read);
const bare = JSON.stringify(Object.values(JSON.parse(deployments[0]!))[0]);
const visors = ["visor-config-2024-dmsghttp", "visor-config-2024-http", "visor-config-2024-hypervisor"].map(
  read,
);
const servers = [
  read("dmsg-server-config-2024"),
  JSON.stringify({
    dmsg: { discovery: "http://127.0.0.1:9090" },
    peers: [{
      public_key: "025587506872328d3015a9116de41b0e5c3635e87b94a2470212fe7f886281bd1e",
      address: "127.0.0.1:1",
    }],
    max_peer_links: 4,
    registration: "http",
  }),
];
const runFiles = [
  JSON.stringify({
    services: [
      {
        type: "tpd",
        addr: ":9091",
        entry_timeout: 3e11,
        redis_pool_size: 10,
        mode: "dual",
        keyfile: "tpd.key",
      },
      {
        type: "rf",
        transport_discovery: "http://127.0.0.1:9091",
        poll: "5s",
        dmsg: { discovery: "http://127.0.0.1:1" },
      },
      { type: "dmsg-server", local_address: ":8081", max_sessions: 9, health_endpoint_address: ":8082" },
    ],
  }),
  JSON.stringify({
    prod: {
      dmsg_discovery: "http://127.0.0.1:9090",
      redis: "redis://127.0.0.1",
      services: { dmsg_discovery: { addr: ":9090", entry_timeout: "60m" }, ar: { udp_addr: ":30178" } },
      dmsg_server_instances: [{ name: "1", config_file: "1.json", public_port: 30081 }],
    },
  }),
];

const controlFile = JSON.stringify({
  address: { hostname: "127.0.0.1", port: 3435 },
  token: "ab".repeat(32),
  pid: 1,
  publicKey: "02".padEnd(66, "1"),
});

/** A disk with one file. */
function diskWith(text: string): World["files"] {
  const bytes = new TextEncoder().encode(text);
  return {
    info: () => Promise.resolve({ bytes: bytes.length }),
    read: () => Promise.resolve(bytes),
  } as unknown as World["files"];
}

const ANY_KEY = parsePublicKey("025587506872328d3015a9116de41b0e5c3635e87b94a2470212fe7f886281bd1e");
const TOKEN = "token";
/** Says back what it was given, as far as the schema let it through. */
const actions = Object.fromEntries(
  Object.keys(CONTROL_CALLS).map((name) => [name, (input: unknown) => ({ input })]),
) as unknown as ControlActions;
const control = controlHandler({
  token: TOKEN,
  actions,
  streams: Object.fromEntries(
    Object.keys(CONTROL_STREAMS).map((name) => [name, (_input: unknown, tell: (line: unknown) => void) => {
      tell({});
      return Promise.resolve();
    }]),
  ) as unknown as ControlHandlerOptions["streams"],
  fetch: () => Promise.reject(new RefusedCall("FETCHED")),
  stopping: new AbortController().signal,
  log: { ...silentLog, error: (message, fields) => failures.push(`${message} ${fields?.cause}`) },
  every: () => () => {},
});
const failures: string[] = [];

type CallName = ControlName | StreamName | "dmsgFetch";

const inputs: Record<CallName, string> = {
  status: "{}",
  stop: "{}",
  doctor: "{}",
  dmsgSessions: "{}",
  dmsgConnectAll: "{}",
  dmsgServers: "{}",
  dmsgEntry: "key=025587506872328d3015a9116de41b0e5c3635e87b94a2470212fe7f886281bd1e",
  dmsgPing: '{"key":"025587506872328d3015a9116de41b0e5c3635e87b94a2470212fe7f886281bd1e","count":3}',
  serve: '{"folder":"/srv","port":80}',
  visorPingWatch:
    '{"key":"025587506872328d3015a9116de41b0e5c3635e87b94a2470212fe7f886281bd1e","intervalMs":500,"forward":["a"]}',
  log: '{"minLevel":"warn","module":"dmsg","grep":"02ab","limit":10,"follow":true}',
  transports: "{}",
  transportAdd:
    '{"key":"025587506872328d3015a9116de41b0e5c3635e87b94a2470212fe7f886281bd1e","type":"stcpr","timeoutMs":9}',
  transportRemove: '{"id":"e2973841-33a2-0ed6-90cb-e777a6615a73"}',
  routeRules: "{}",
  routeRuleRemove: '{"id":7}',
  routeGroups: "{}",
  visorPing:
    '{"key":"025587506872328d3015a9116de41b0e5c3635e87b94a2470212fe7f886281bd1e","count":2,"forward":["a"]}',
  apps: "{}",
  appStart: '{"name":"skysocks-client","app":"skysocks-client","args":["--srv","02"]}',
  appStop: '{"name":"skysocks"}',
  appRemove: '{"name":"second"}',
  counters: "{}",
  serviceAsk: '{"service":"routeFinder","method":"POST","path":"/routes","body":"{}"}',
  serviceHealth: '{"timeoutMs":2000}',
  visorUptime: "{}",
  dmsgFetch: '{"url":"dmsg://02ab:80/x","method":"PUT","headers":[["X-Mine","1"]],"body":"aGFs"}',
};

function wayOf(name: CallName): { readonly method: string; readonly path: string } {
  if (name === "dmsgFetch") return { method: "POST", path: FETCH_PATH };
  return name in CONTROL_STREAMS
    ? { method: "POST", path: CONTROL_STREAMS[name as StreamName].path }
    : CONTROL_CALLS[name as ControlName];
}

/** Sends one call, as JSON body or as query; what is refused is refused with a reason, never with a failure of ours. */
async function call(text: string): Promise<unknown> {
  const name = /^\w+/.exec(text)?.[0] as CallName;
  const body = text.slice(name.length + 1);
  const known = wayOf(name);
  const headers = { Authorization: `Bearer ${TOKEN}` };
  const url = new URL(`http://127.0.0.1${known.path}`);
  if (known.method === "GET") url.search = body;
  const request = new Request(url, {
    method: known.method,
    headers,
    body: known.method === "GET" ? null : body,
  });
  const response = await control(request);
  if (response.headers.get("content-type") !== "application/json") {
    await response.body!.cancel();
    return "serving";
  }
  const answer = await response.json();
  if (response.status === 500 || failures.length > 0) {
    throw new Error(`${response.status} ${failures.splice(0)}`);
  }
  if (response.status !== 200) throw new RefusedCall(answer.error.code);
  return answer;
}

/** The API's own answer, as the error that it stands for. */
class RefusedCall extends SkyError {
  readonly fault = "caller";
  constructor(readonly code: string) {
    super("Refused by the control API");
  }
}

const json = (name: string, seeds: readonly string[], feed: (text: string) => unknown): FuzzTarget => ({
  name,
  inputs: jsonMutants(seeds),
  feed,
});

export const fileTargets: readonly FuzzTarget[] = [
  json("files/deployments", [...deployments, bare], parseDeployments),
  json("files/visor-config", visors, (text) => parseVisorConfig(text, "visor.json")),
  { ...json("files/visor-config-check", visors, (text) => checkConfig(text, "visor.json")), refuses: false },
  json("files/visor-config-show", visors, (text) => showConfig(text, "visor.json")),
  json(
    "files/visor-config-set",
    visors,
    (text) => setField(text, "visor.json", { field: "launcher.apps[1].port", given: "9" }),
  ),
  json("files/conf-pull", deployments, (text) => {
    const servers = [{ publicKey: ANY_KEY, address: "192.0.2.1:8081" }];
    return applyEdits(text, serverArrayEdits(text, servers, "services.json")).length;
  }),
  {
    name: "files/skyenv",
    inputs: textMutants([`# x\nexport A='b c'\nB=("d" e)\n`, renderSkyenvTemplate().replaceAll("\n#", "\n")]),
    feed: (text: string) => parseSkyenv(text, "skywire.conf"),
  },
  json("files/dmsg-server-config", servers, (text) => parseDmsgServerConfig(text, "server.json")),
  json(
    "files/run-file",
    runFiles,
    (text) => parseRunFile(text, "services.json", { read: () => Promise.resolve("{}") }),
  ),
  json("files/control-file", [controlFile], (text) => readControlFile(diskWith(text), "/home")),
  ...Object.entries(inputs).map(([name, input]): FuzzTarget => ({
    name: `control/${name}`,
    inputs: (input.startsWith("{") ? jsonMutants : textMutants)([input]).map((text) => `${name} ${text}`),
    feed: call,
    // A GET without members takes whatever its query says: they are unknown, and ignored.
    refuses: wayOf(name as CallName).method === "POST" || name === "dmsgEntry",
  })),
  {
    name: "cli/duration",
    inputs: textMutants(["1h30m", "250ms", "1.5s", "7d"]),
    feed: parseDuration,
    refuses: false,
  },
  {
    name: "cli/bytes",
    inputs: textMutants(["64KiB", "1.5 MB", "100", "2g"]),
    feed: parseBytes,
    refuses: false,
  },
  {
    name: "directory/authority",
    inputs: textMutants(["127.0.0.1:9090", "[::1]:80", "discovery.example"]),
    feed: (text: string) => parseAuthority(text, 80),
  },
];
