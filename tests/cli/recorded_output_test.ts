/**
 * `tests/vectors/services/cli-output.json`: what commands of 2024 print, beside ours of the same state. The names and
 * the output of `skyctl` are its own (cli.md): what is held is that each fact which an operator read there is in ours,
 * as text or in JSON, and that exit codes differ only where that is said. `route find` prints the same text.
 */
import assert from "node:assert/strict";
import { PeerError } from "../../lib/base/mod.ts";
import { failureOf } from "../../lib/cli/failure.ts";
import type { AppSummary, TransportSummary, VisorStatus } from "../../lib/control/mod.ts";
import { parsePublicKey } from "../../lib/crypto/mod.ts";
import { newCounters } from "../../lib/routing/counters.ts";
import { newSetupCounters } from "../../lib/routing/setup/counters.ts";
import { parseTransportId, parseTransportType, transportId } from "../../lib/transport/mod.ts";
import { HttpStatusError } from "../../commands/dmsg/_curl.ts";
import { renderRoutes } from "../../commands/route/_render_routes.ts";
import { withControlDouble } from "./_control_double.ts";
import keys from "../vectors/services/keys.json" with { type: "json" };
import recorded from "../vectors/services/cli-output.json" with { type: "json" };
import http from "../vectors/services/visor-http.json" with { type: "json" };

const A = keys.visorA.pk;
const B = keys.visorB.pk;

type Sample = (typeof recorded.samples)[number];
/** Samples that a test below has looked at. */
const seen = new Set<string>();

function sample(name: string): Sample {
  const found = recorded.samples.find((each) => each.name === name);
  assert.ok(found, name);
  seen.add(name);
  return found;
}

/** The cells of a table's lines, by the names at its head. */
function rowsOf(table: string): Record<string, string>[] {
  const [head, ...lines] = table.trimEnd().split("\n").map((line) => line.trim().split(/ {2,}/));
  return lines.map((cells) => Object.fromEntries(cells.map((cell, index) => [head![index], cell])));
}

/** What ours has of a recorded row of `tp`. */
function transportOf(row: Record<string, string>): TransportSummary {
  return {
    id: row["id"]!,
    type: row["type"]!,
    remote: row["remote_pk"]!,
    label: row["label"]!,
    initiator: row["label"] === "user",
    latency: null,
    bytesSent: 0,
    bytesReceived: 0,
    uptimeMs: 0,
  };
}

/** `mode` is "regular" always; the rest is in ours, too. */
function factsOf({ id, type, remote, label }: TransportSummary): object {
  return { type, id, remote_pk: remote, mode: "regular", label };
}

const APPS: readonly AppSummary[] = rowsOf(sample("app-ls").output).map((row) => ({
  name: row["app"]!,
  app: row["app"]!,
  builtIn: true,
  args: [],
  port: Number(row["port"]),
  autoStart: row["auto_start"] === "true",
  status: row["status"] as AppSummary["status"],
  detailedStatus: row["detailed_status"] ?? "",
  restarts: 0,
}));
const CLIENT = APPS[1]!;
const PROXY = {
  server: A,
  address: "127.0.0.1:1080",
  direct: false,
  connected: true,
  connections: 0,
  bytesIn: 0,
  bytesOut: 0,
  latencyMs: null,
  sessions: 1,
};

/** The fields of a recorded `proxy status`. */
function proxyFields(output: string): Record<string, string> {
  return Object.fromEntries(
    output.split("\n").flatMap((line) => {
      const match = /^(\w+): (.*)$/.exec(line);
      return match === null ? [] : [[match[1], match[2]]];
    }),
  );
}

class Refused extends PeerError {
  readonly code = "SETTLEMENT_FAILED";
}

Deno.test("visor pk, info, ports, ping, ver and hv pk of 2024: the key, the time and the ports are told by ours", async () => {
  const info = JSON.parse(sample("visor-info-json").output).output;
  const key = sample("visor-pk").output.trim();
  const status = { publicKey: key, version: "unknown", uptimeMs: info.time_online * 1_000 };
  assert.deepEqual([info.public_key, info.visor_version], [key, "unknown"]);
  const text = sample("visor-info").output;
  assert.match(text, new RegExp(`Public key: "${key}"\\n[^]*Visor Version: unknown\\n`));
  const ports = sample("visor-ports").output;
  const pings = [...sample("visor-ping").output.matchAll(/Latency: ([\d.]+) ms/g)].map(([, ms]) =>
    Number(ms)
  );
  const transport = transportId(parsePublicKey(A), parsePublicKey(B), parseTransportType("stcpr"));
  const hop = { transport, from: B, to: A, latencyMs: null };
  const actions = {
    status: () => ({ ...STATUS, ...status }),
    apps: () => [...APPS],
    visorPing: () =>
      Promise.resolve({ key: A, dialMs: 1, roundTripsMs: pings, forward: [hop], reverse: [hop] }),
  };
  await withControlDouble(actions, async ({ run }) => {
    const told = JSON.parse((await run("visor", "status", "--json")).stdout);
    assert.deepEqual([told.publicKey, told.version, told.uptimeMs], Object.values(status));
    assert.match((await run("visor", "status")).stdout, new RegExp(`public key: +${key}\\n[^]*up for: +1m`));
    // The ports of apps; those of the visor itself are of its configuration.
    const [, port] = /skysocks +\| SKYNET +\| +(\d+) /.exec(ports)!;
    assert.equal(rowsOf((await run("app", "ls")).stdout)[0]!["port"], port);
    const pinged = await run("visor", "ping", A, "-n", "2", "--json");
    assert.deepEqual(JSON.parse(pinged.stdout).roundTripsMs, [0.94, 0.94]);
    assert.match(sample("ver").output, /^Version "unknown"/); // of the program: `skyctl --version` (cases/version)
  });
  assert.equal(sample("hvpk").output, "[]\n"); // of the configuration: `conf show` has `hypervisors`
});

Deno.test("tp, tp add and tp rm of 2024: ids are those of key and type, every cell is in ours, failures fail", async () => {
  const ofA = rowsOf(sample("tp-ls").output);
  const ofB = rowsOf(sample("tp-lsB").output);
  const asJson = JSON.parse(sample("tp-ls-json").output).output;
  assert.deepEqual(ofA, asJson);
  const [made] = rowsOf(sample("tp-add2").output.replace(/^\[.*\n/, ""));
  assert.deepEqual(made, ofB[0]);
  for (const [local, rows] of [[A, ofA], [B, [...ofB, made!]]] as const) {
    for (const row of rows) {
      const edges = [local, row["remote_pk"]!].sort().map(parsePublicKey) as [never, never];
      assert.equal(transportId(...edges, parseTransportType(row["type"]!)), parseTransportId(row["id"]!));
    }
  }
  const failed = sample("tp-add");
  const removed = sample("tp-rm");
  const id = removed.command.split(" ").at(-1)!;
  assert.equal(id, made!["id"]);
  for (const rows of [ofA, ofB]) {
    const transports = rows.map(transportOf);
    await withControlDouble({
      transports: () => [...transports],
      transportAdd: ({ type }) => {
        if (type === "sudph") throw new Refused("handshake failed: timeout");
        return transportOf(made!);
      },
      transportRemove: ({ id }) => ({ id, removed: true }),
    }, async ({ run }) => {
      const told: TransportSummary[] = JSON.parse((await run("tp", "ls", "--json")).stdout);
      assert.deepEqual(told.map(factsOf), rows);
      const table = rowsOf((await run("tp", "ls")).stdout);
      for (const [index, { type, id, remote_pk, label }] of rows.entries()) {
        assert.deepEqual(table[index], { ...table[index], type, id, "remote key": remote_pk, label });
      }
      const added = await run("tp", "add", "-t", "dmsg", A, "--json");
      assert.deepEqual([factsOf(JSON.parse(added.stdout)), added.code], [made, 0]);
      const not = await run("tp", "add", "-t", "sudph", A);
      assert.deepEqual([not.stdout, failed.exit], ["", 1]);
      assert.match(not.stderr, /handshake failed: timeout/);
      assert.equal(not.code, 4, "not 1: the exit code says whose move it is");
      assert.deepEqual(await run("tp", "rm", id), { code: 0, stdout: `${id} closed\n`, stderr: "" });
      assert.deepEqual([removed.output, removed.exit], ["OK\n", 0]);
    });
  }
});

Deno.test("route find of 2024: ours prints the same text, with an end of line", () => {
  const { output } = sample("rf");
  const TpID = "2c6a12ce-24fc-02de-ae38-1e95870b6684";
  const pair = { forward: [{ TpID, From: B, To: A }], reverse: [{ TpID, From: A, To: B }] };
  assert.equal(renderRoutes([pair]), output);
});

Deno.test("app ls and proxy status, start and stop of 2024: name, port, server, address and state are in ours", async () => {
  const rows = rowsOf(sample("app-ls").output);
  const stopped = proxyFields(sample("proxy-status").output);
  const running = proxyFields(sample("proxy-status2").output);
  const started = sample("proxy-start");
  assert.deepEqual([started.output, started.exit], ["Starting..\nRunning!\n", 0]);
  assert.deepEqual([sample("proxy-stop").output, stopped["Server"]], ["all skysocks clients stopped\n", ""]);
  let client: AppSummary = CLIENT;
  await withControlDouble({
    apps: () => [APPS[0]!, client],
    appStart: () =>
      Promise.resolve(client = { ...CLIENT, status: "running", detailedStatus: "Running", proxy: PROXY }),
    appStop: () => Promise.resolve(client = { ...CLIENT, status: "stopped", detailedStatus: "Stopped" }),
  }, async ({ run }) => {
    const list = rowsOf((await run("app", "ls")).stdout);
    assert.deepEqual(
      list.map(({ app, port, status }) => ({ app, port, status, auto: list[0]!["auto start"] })),
      rows.map(({ app, port, status }) => ({ app, port, status, auto: "yes" })),
    );
    const isSame = async (fields: Record<string, string>) => {
      const [told]: AppSummary[] = JSON.parse((await run("proxy", "status", "--json")).stdout);
      assert.deepEqual({
        Name: told!.name,
        Status: told!.status,
        Server: told!.proxy?.server ?? "",
        Address: told!.proxy?.address ?? fields["Address"], // of a stopped one it is where it would listen
        AppPort: `${told!.port}`,
        AutoStart: `${told!.autoStart}`,
      }, fields);
    };
    await isSame(stopped);
    assert.equal((await run("proxy", "start", "-k", A)).code, 0);
    await isSame(running);
    assert.match(
      (await run("proxy", "status")).stdout,
      new RegExp(`server: +${A}\n.*socks5h://127.0.0.1:1080`),
    );
    assert.equal((await run("proxy", "stop", "--all")).code, 0);
    await isSame(stopped);
  });
});

Deno.test("dmsg curl of 2024: the bodies are those of the visor's pages; what is no page is an error with ours", () => {
  const pages = [
    ["dcurl-health", "health (open)"],
    ["dcurl-nodeinfo-wl", "node-info, fetching key whitelisted"],
    ["dcurl-nodeinfo", "node-info, fetching key not whitelisted"],
    ["dcurl-404", "unknown file"],
  ] as const;
  let refused = 0;
  for (const [name, page] of pages) {
    const { output, exit, command } = sample(name);
    const { request, response } = http.exchanges.find((exchange) => exchange.name === page)!;
    assert.ok(command.endsWith(`dmsg://${A}:80${request.path}`));
    assert.equal(output, response.body || "\n");
    assert.equal(exit, 0);
    if (response.status === 200) continue;
    // The tool hides the status and ends with 0; ours tells it on stderr and ends with 4 (cli.md).
    const failure = failureOf(new HttpStatusError(response.status, "", request.path));
    assert.deepEqual([failure.exitCode, failure.code], [4, "HTTP_STATUS"]);
    refused++;
  }
  assert.equal(refused, 2);
  assert.equal(sample("dcurl-tpd").exit, 1); // no entry: an error with ours, too (tests/e2e, `dmsg curl`)
});

Deno.test("all 24 samples of cli-output.json are looked at", () => {
  assert.deepEqual(recorded.samples.map(({ name }) => name).filter((name) => !seen.has(name)), []);
  assert.deepEqual([recorded.samples.length, seen.size, recorded.case_counts.samples], [24, 24, 24]);
});

const STATUS: VisorStatus = {
  publicKey: A,
  version: "unknown",
  ready: true,
  startedAtMs: Date.parse("2026-11-21T07:21:34Z"),
  uptimeMs: 0,
  home: "/home/x",
  deployment: { name: "local" },
  dmsg: { ready: true, sessions: [], entry: { published: true, sequence: "3" } },
  node: {
    transports: { stcpr: 2 },
    rules: 0,
    routeGroups: 0,
    apps: { running: 1, known: 2 },
    presence: { services: [], autoconnect: { connected: 0, wanted: 0 } },
    counters: {
      transports: {},
      router: newCounters(),
      setup: newSetupCounters(),
      apps: { streamsRefused: 0 },
    },
  },
  services: [],
  serving: [],
  warnings: [],
};
