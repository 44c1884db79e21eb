/** Fills the cells of our commands at a whole deployment. @module */
import assert from "node:assert/strict";
import { silentLog } from "../../lib/base/mod.ts";
import { generateKeyPair } from "../../lib/crypto/mod.ts";
import {
  joinNetwork,
  networkOfFile,
  type ServiceHealth,
  TransportDiscoveryClient,
} from "../../lib/directory/mod.ts";
import { systemWorld } from "../../lib/runtime/mod.ts";
import { transportId } from "../../lib/transport/mod.ts";
import { textOf } from "./build.ts";
import type { FillCell } from "./cells.ts";
import type { LiveOptions } from "./live.ts";
import { OurBuild } from "./ours.ts";
import type { WholeDeployment } from "./service_build.ts";
import type { CommandRole, ServiceRole } from "./service_rows.ts";

/** Exit codes: something is down; a service says no. */
const [DOWN, NOT_THERE] = [3, 4];

/** One cell each. */
export async function tryCommands(
  deployment: WholeDeployment,
  { lab, ours, theirs }: LiveOptions,
  cell: FillCell<ServiceRole>,
): Promise<void> {
  const { file, services } = deployment;
  const network = ["--deployment", file];
  const run = async (...args: string[]) => await ours.run([...args, "--home", lab.path("home"), "--json"]);
  const json = async (...args: string[]) =>
    JSON.parse(textOf(`skyctl ${args.join(" ")}`, await run(...args)));
  const tell = (role: CommandRole, work: () => Promise<string>) => cell(role, "ours", work);
  const isControl = theirs instanceof OurBuild;

  await tell("command: svc health", async () => {
    const { code, stdout } = await run("svc", "health", ...network);
    const rows: ServiceHealth[] = JSON.parse(stdout);
    const down = rows.filter(({ isUp }) => !isUp);
    // The transport setup node of 2024 has no web server on dmsg, and so nothing that could say how it is.
    const expected = isControl ? [] : ["transport-setup"];
    assert.deepEqual(down.map(({ service }) => service), expected, JSON.stringify(down));
    assert.ok(down.every(({ way, failure }) => way === "dmsg" && failure !== undefined));
    assert.equal(code, down.length === 0 ? 0 : DOWN);
    const ways = (name: ServiceHealth["way"]) => rows.filter(({ way, isUp }) => way === name && isUp).length;
    assert.equal(ways("http"), Object.keys(deployment.overDmsg).length);
    return `${ways("http")} by HTTP and ${ways("dmsg")} over dmsg are up, ${down.length} cannot be asked`;
  });

  await tell("command: svc ls", async () => {
    const text = textOf("skyctl svc ls", await ours.run(["svc", "ls", ...network, "--json"]));
    const named = [services.transport_discovery, services.service_discovery, services.uptime_tracker];
    const keys = Object.values(deployment.overDmsg).map((url) => url.slice("dmsg://".length, -":80".length));
    for (const part of [...named, services.conf, ...keys]) {
      assert.ok(text.includes(part), `${part} is not in ${text}`);
    }
    return "all of them";
  });

  await tell("command: dmsg servers", async () => {
    const servers: unknown[] = await json("dmsg", "servers", ...network);
    assert.equal(servers.length, services.dmsg_servers.length);
    const text = JSON.stringify(servers);
    for (const server of services.dmsg_servers) assert.ok(text.includes(server.static), text);
    return `${servers.length}`;
  });

  await tell("command: dmsg entry", async () => {
    const [setupNode] = services.route_setup_nodes;
    const { client } = await json("dmsg", "entry", setupNode!, ...network);
    const known = services.dmsg_servers.map((server) => server.static);
    assert.ok(client.delegatedServers.length > 0);
    for (const server of client.delegatedServers) assert.ok(known.includes(server), server);
    const nobody = generateKeyPair(systemWorld().random).publicKey;
    assert.equal((await run("dmsg", "entry", nobody, ...network)).code, NOT_THERE);
    return "the setup node's";
  });

  await tryTransportCommands();

  await tell("command: conf gen", async () => {
    const out = lab.path("generated.json");
    const made = await ours.run([
      ...["conf", "gen", "--url", services.conf, "--out", out, "--http", "--home", lab.path("home")],
    ]);
    textOf("skyctl conf gen", made);
    const config = JSON.parse(await Deno.readTextFile(out));
    assert.deepEqual(config.routing.route_setup_nodes, services.route_setup_nodes);
    assert.deepEqual(config.transport.transport_setup, services.transport_setup);
    const told = [config.dmsg.discovery, config.transport.discovery, config.transport.address_resolver];
    const others = [config.routing.route_finder, config.launcher.service_discovery];
    const urls = [...told, ...others, config.uptime_tracker.addr];
    const domain = isControl ? new URL(services.service_discovery).hostname : "interop.test";
    for (const url of urls) assert.ok(new URL(url).hostname.endsWith(domain), url);
    return `services at ${config.transport.discovery}`;
  });

  await tell("command: conf pull", async () => {
    const pulled = lab.path("pulled.json");
    const list = (servers: string) => `{\n    "x" : 1e3 ,\n  "prod": {"dmsg_servers":${servers},"z":[ ] }}`;
    await Deno.writeTextFile(pulled, list("[]"));
    const result = await ours.run(["conf", "pull", "-c", pulled, ...network]);
    textOf("skyctl conf pull", result);
    const text = await Deno.readTextFile(pulled);
    const servers = JSON.parse(text).prod.dmsg_servers;
    const keys = (all: { static: string }[]) => all.map((each) => each.static).sort();
    assert.deepEqual(keys(servers), keys([...services.dmsg_servers]));
    const [head, tail] = list("[]").split("[]");
    assert.ok(text.startsWith(head!) && text.endsWith(tail!), text);
    return `${servers.length} servers`;
  });

  /** A transport of nobody, for as long as it is asked for. */
  async function tryTransportCommands(): Promise<void> {
    const world = systemWorld();
    const [here, there] = [generateKeyPair(world.random), generateKeyPair(world.random)];
    const keys = [here, there].map(({ publicKey }) => publicKey).sort();
    const edges = [keys[0]!, keys[1]!] as const;
    const id = transportId(...edges, "sudph") as string;
    await using client = joinNetwork({
      world,
      local: here,
      network: networkOfFile(await Deno.readTextFile(file), file),
      log: silentLog,
      userAgent: "interop",
      publish: false,
    });
    const http = services.transport_discovery;
    const discovery = new TransportDiscoveryClient(client.askService("transport discovery", { http }));
    await discovery.register([{ id, edges, type: "sudph", label: "user" }]);
    await tell("command: tp disc", async () => {
      const idsOf = (records: { id: string }[]) => records.map((record) => record.id);
      assert.deepEqual(idsOf(await json("tp", "disc", "-p", there.publicKey, ...network)), [id]);
      assert.deepEqual(idsOf(await json("tp", "disc", "-i", id, ...network)), [id]);
      const none = transportId(...edges, "stcpr");
      assert.equal((await run("tp", "disc", "-i", none, ...network)).code, NOT_THERE);
      return id;
    });
    await tell("command: route find", async () => {
      const found = await json("route", "find", here.publicKey, there.publicKey, ...network);
      const text = JSON.stringify(found);
      assert.equal(text.split(id).length, 3, `there and back: ${text}`);
      const nobody = generateKeyPair(world.random).publicKey;
      assert.equal((await run("route", "find", here.publicKey, nobody, ...network)).code, NOT_THERE);
      return "there and back";
    });
    await discovery.remove([id]);
  }
}
