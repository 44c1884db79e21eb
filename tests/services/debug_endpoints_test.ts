/** SV-5 over dmsg: every service, the setup node, a dmsg server and visors, asked by whom they trust and by others. */
import assert from "node:assert/strict";
import { LogRing, logTo, silentLog } from "../../lib/base/mod.ts";
import { type KeyPair, keyPairFromSeed, type PublicKey } from "../../lib/crypto/mod.ts";
import {
  joinNetwork,
  type KnownServer,
  networkOfFile,
  renderDeploymentFile,
} from "../../lib/directory/mod.ts";
import type { World } from "../../lib/runtime/mod.ts";
import { parseDmsgServerConfig, runDmsgServer } from "../../lib/services/dmsg_server/mod.ts";
import { attachService } from "../../lib/services/hosting/mod.ts";
import { runSetupNode } from "../../lib/services/setup_node/mod.ts";
import { runTransportDiscovery } from "../../lib/services/transport_discovery/mod.ts";
import { HttpClient } from "../../lib/http/mod.ts";
import { withSimulation } from "../support/world.ts";
import { type Fleet, keyOf, withFleet } from "../visor/_fleet.ts";
import { HOST, planOf, startAssembly, until } from "./assembly/support.ts";
import { inNet, key, pair, PORT } from "./dmsg_server/support.ts";

const keysOf = (name: string) => keyPairFromSeed(new TextEncoder().encode(name));

async function asked(fleet: Fleet, by: string, key: PublicKey, path: string): Promise<[number, string]> {
  const response = await fleet.running(by).visor.http.send({ url: `http://${key}${path}` });
  return [response.status, await response.text(1 << 20)];
}

Deno.test("SV-5: services and a setup node open their debug endpoints to the deployment's survey whitelist, over dmsg alone", () =>
  withFleet(380, ["A", "B"], async (fleet) => {
    const world = fleet.simulation.node("services", { address: "198.51.100.7" });
    const network = { ...fleet.network.network, surveyWhitelist: [keyOf("A")] };
    const ring = new LogRing();
    const log = logTo(({ message }) => ring.push(message), () => 0, undefined, ring);
    const common = { world, network, log, userAgent: "skyctl/1.2.3" };
    const discovery = await runTransportDiscovery({
      world,
      log,
      settings: { address: { hostname: "198.51.100.7", port: 9091 }, store: "memory", mode: "dual" },
      dmsg: attachService({ ...common, local: keysOf("tpd") }),
    });
    const setup = await runSetupNode({
      ...common,
      keys: keysOf("setup"),
      settings: { address: { hostname: "198.51.100.7", port: 9094 } },
    });
    await fleet.sleep(5_000);
    for (const [name, port] of [["tpd", 9091], ["setup", 9094]] as const) {
      const { publicKey } = keysOf(name);
      const [status, text] = await asked(fleet, "A", publicKey, "/debug/log");
      assert.equal(status, 200, name);
      assert.match(text, /Service is serving/, name);
      assert.equal((await asked(fleet, "A", publicKey, "/debug/pprof/goroutine"))[0], 200);
      assert.equal((await asked(fleet, "A", publicKey, "/debug/pprof/none"))[0], 404);
      assert.deepEqual(await asked(fleet, "B", publicKey, "/debug/log"), [401, "401 Unauthorized"], name);
      assert.equal((await asked(fleet, "B", publicKey, "/health"))[0], 200, "what is open stays so");
      const plain = new HttpClient({
        clock: world.clock,
        dial: (_authority, signal) => world.network.dial({ hostname: "198.51.100.7", port }, { signal }),
      });
      for (const path of ["/debug/log", "/debug/pprof/", "/debug/pprof/heap"]) {
        const response = await plain.send({ url: `http://198.51.100.7:${port}${path}` });
        assert.equal(response.status, 404, `${name} over plain HTTP: ${path}`);
        await response.discard();
      }
      await plain.close();
    }
    await discovery.close();
    await setup.close();
  }));

Deno.test("SV-5: services of a deployment without a whitelist, and its visors, refuse strangers", () =>
  withFleet(381, ["A", "B"], async (fleet) => {
    await fleet.sleep(5_000);
    const keys = fleet.network.services().map(({ publicKey }) => publicKey as PublicKey);
    assert(keys.length >= 6);
    let refused = 0;
    for (const key of [...keys, keyOf("A")]) {
      const [status, text] = await asked(fleet, "B", key, "/debug/log");
      assert.deepEqual([status, text], [401, "401 Unauthorized"], key);
      refused++;
    }
    assert.equal(refused, keys.length + 1);
  }, {}));

Deno.test("SV-5: a visor's log and profiles are for the keys of its survey whitelist, and log tail reads them", () =>
  withFleet(382, ["A", "B", "C"], async (fleet) => {
    await fleet.sleep(2_000);
    const [status, log] = await asked(fleet, "A", keyOf("B"), "/visor.log?grep=Visor+started");
    assert.deepEqual([status, log.trimEnd().split("\n").length], [200, 1]);
    assert.match(log, /INFO \[skyctl\]: Visor started key=/);
    assert.equal((await asked(fleet, "A", keyOf("B"), "/debug/pprof/profile?seconds=2"))[0], 200);
    assert.match((await asked(fleet, "A", keyOf("B"), "/debug/log"))[1], /Visor started/);
    for (const path of ["/visor.log", "/skywire.log", "/debug/log", "/debug/pprof/heap"]) {
      assert.deepEqual(await asked(fleet, "C", keyOf("B"), path), [401, "401 Unauthorized"], path);
    }
    const { ControlClient } = await import("../../lib/control/mod.ts");
    await using client = await ControlClient.open("/home", fleet.world("A"));
    const never = new AbortController().signal;
    const lines: string[] = [];
    for await (const told of client.stream("log", { key: keyOf("B"), grep: "Visor started" }, never)) {
      if ("lines" in told) lines.push(...told.lines);
    }
    assert.equal(lines.length, 1);
    await assert.rejects(
      client.stream("log", { key: keyOf("C") }, never).next(),
      { code: "LOG_REFUSED", hint: /survey_whitelist/ },
    );
  }, { configs: { B: { survey_whitelist: [keyOf("A")] } } }));

Deno.test("a deployment file says who is in the survey whitelist, and keeps it", () => {
  const key = keyOf("A");
  const text = JSON.stringify({
    local: { dmsg_discovery: "http://127.0.0.1:1", dmsg_servers: [], survey_whitelist: [key] },
  });
  const network = networkOfFile(text, "deployment.json");
  assert.deepEqual(network.surveyWhitelist, [key]);
  assert.deepEqual(networkOfFile(renderDeploymentFile(network), "again.json").surveyWhitelist, [key]);
});

/** What a client of this key is answered by the dmsg server `server`, which it finds in a deployment's discovery. */
async function askedServer(
  world: World,
  local: KeyPair,
  { server, through, discovery }: {
    readonly server: PublicKey;
    readonly through: KnownServer;
    readonly discovery: string;
  },
): Promise<AsyncDisposable & { ask(path: string): Promise<[number, string]> }> {
  const client = joinNetwork({
    world,
    local,
    network: {
      name: "net",
      file: undefined,
      servers: [through],
      discoveryHttp: discovery,
      discoveryDmsg: undefined,
    },
    log: silentLog,
    userAgent: "skyctl/1",
    publish: false,
    sessionsMin: 1,
  });
  await client.dmsg.whenReady();
  return {
    async ask(path) {
      const response = await client.http.send({ url: `http://${server}${path}` });
      return [response.status, await response.text(1 << 20)];
    },
    [Symbol.asyncDispose]: () => client.close(),
  };
}

for (
  const [index, [registration, whitelist]] of ([
    ["dmsg", [key("reader")]],
    ["http", [key("reader")]],
    ["http", []],
  ] as const).entries()
) {
  const whom = whitelist.length === 0 ? "itself alone" : "whom it trusts";
  Deno.test(`SV-5: a dmsg server that registers over ${registration} has them on its own port 80 for ${whom}, beside its health`, () =>
    inNet(383 + index, async (net) => {
      const ring = new LogRing();
      await using _discovery = await net.discovery("dd", ["s1"]);
      await using _through = await net.server("s2", {
        discovery: "http://dd:9090",
        registration: "http",
      });
      const config = parseDmsgServerConfig(
        JSON.stringify({
          public_address: `s1:${PORT}`,
          health_endpoint_address: "none",
          discovery: "http://dd:9090",
          discovery_dmsg: `dmsg://${key("dd")}:80`,
          registration,
          survey_whitelist: whitelist,
        }),
        "server.json",
      );
      const running = await runDmsgServer({
        world: net.world("s1"),
        log: logTo(({ message }) => ring.push(message), () => 0, undefined, ring),
        keys: pair("s1"),
        version: "1",
        config,
      });
      await net.registered(running, 120_000);
      const isTrusted = (by: PublicKey) => by === key("s1") || whitelist.some((listed) => listed === by);
      let refusals = 0;
      for (const by of ["reader", "stranger", ...(registration === "http" ? ["s1"] : [])]) {
        await using asker = await askedServer(net.world("observer"), pair(by), {
          server: key("s1"),
          through: { publicKey: key("s2"), address: `s2:${PORT}` },
          discovery: "http://dd:9090",
        });
        const [code, text] = await asker.ask("/debug/log");
        if (isTrusted(key(by))) assert.match(text, /Session established/);
        else assert.deepEqual([code, text, ++refusals], [401, "401 Unauthorized", refusals]);
        assert.equal((await asker.ask("/debug/pprof/heap"))[0], isTrusted(key(by)) ? 200 : 401);
        const [status, health] = await asker.ask("/health");
        assert.deepEqual([status, JSON.parse(health).public_key], [200, key("s1")]);
      }
      assert.equal(refusals, whitelist.length === 0 ? 2 : 1);
      await running.close();
    }));
}

Deno.test("SV-5: the dmsg servers of an assembly are asked like its services, and by the same whitelist", () =>
  withSimulation(386, async (simulation) => {
    const world = simulation.node("core", { address: HOST });
    const observer = simulation.node("observer");
    await simulation.run(async () => {
      const plan = planOf(["dmsg-discovery", "dmsg-server"]);
      await using assembly = await startAssembly(world, plan, { surveyWhitelist: [key("reader")] });
      await until(world, () => assembly.services.every((service) => service.isReady()), 60_000);
      const { discoveryHttp, servers } = networkOfFile(assembly.deployment, "deployment.json");
      assert.ok(servers.length > 0);
      for (const { publicKey } of servers) {
        for (const [by, status] of [["reader", 200], ["stranger", 401]] as const) {
          await using asker = await askedServer(observer, pair(by), {
            server: publicKey,
            through: servers[0]!,
            discovery: discoveryHttp!,
          });
          assert.equal((await asker.ask("/debug/log"))[0], status, by);
          assert.equal((await asker.ask("/health"))[0], 200);
        }
      }
    });
  }));
