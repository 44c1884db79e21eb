/** The deployment file over restarts: what runs here is anew in it, what others run stays (SV-1, DS-4). */
import assert from "node:assert/strict";
import { type LogRecord, logTo } from "../../../lib/base/mod.ts";
import { networkOfFile } from "../../../lib/directory/mod.ts";
import type { World } from "../../../lib/runtime/mod.ts";
import type { AssemblyOptions } from "../../../lib/services/assembly/mod.ts";
import { withSimulation } from "../../support/world.ts";
import { pair } from "../service_support.ts";
import { FOLDER, get, HOST, planOf, startAssembly } from "./support.ts";

const file = `${FOLDER}/deployment.json`;
const MORE = "198.51.100.2";
const CORE = planOf(["dmsg-discovery", "dmsg-server"]);
const keyOf = (name: string) => pair(name).publicKey;

type Fields = Record<string, unknown> & { dmsg_servers: { static: string; server: { address: string } }[] };

const onTwoMachines = (test: (here: World, there: World) => Promise<void>) =>
  withSimulation(21, async (simulation) => {
    const [here, there] = [
      simulation.node("here", { address: HOST }),
      simulation.node("there", { address: MORE }),
    ];
    await simulation.run(() => test(here, there));
  });

async function readFile(world: World, name = "local"): Promise<Fields> {
  return JSON.parse(new TextDecoder().decode(await world.files.read(file)))[name];
}

async function writeFile(world: World, value: unknown): Promise<void> {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  await world.files.write(file, new TextEncoder().encode(text));
}

/** Starts `plan` for a moment. What its file says then, and what its log did. */
async function run(world: World, plan = CORE, more: Partial<AssemblyOptions> = {}) {
  const told: LogRecord[] = [];
  const log = logTo((record) => told.push(record), () => 0);
  await using _assembly = await startAssembly(world, plan, { file, keepsOthers: true, log, ...more });
  return {
    fields: await readFile(world),
    told: told.filter(({ message }) => /deployment file/.test(message)),
  };
}

/** By hand: services elsewhere, what no service of ours is, and old things of the services that run here. */
const BY_HAND = {
  transport_discovery: "http://tpd.example",
  transport_discovery_dmsg: `dmsg://${keyOf("tpd")}:80`,
  route_setup_nodes: [keyOf("sn")],
  transport_setup: [keyOf("tsn")],
  stun_servers: ["192.0.2.1:3478"],
  reward_system: "http://rewards.example",
};
const ELSEWHERE = { static: keyOf("server"), server: { address: "192.0.2.2:8081" } };
const AT_OUR_ADDRESS = { static: keyOf("old server"), server: { address: `${HOST}:8081` } };

Deno.test("a restart keeps what was added by hand, and has its own anew", () =>
  onTwoMachines(async (here) => {
    const { fields: first, told: atFirst } = await run(here);
    assert.deepEqual(atFirst, []);
    await writeFile(here, {
      local: {
        ...first,
        ...BY_HAND,
        dmsg_discovery: "http://moved.example",
        survey_whitelist: [keyOf("reader")],
        dmsg_servers: [
          ...first.dmsg_servers.map((server) => ({ ...server, server: { address: "192.0.2.9:1" } })),
          ELSEWHERE,
          AT_OUR_ADDRESS,
        ],
      },
    });
    const { fields, told } = await run(here);
    assert.deepEqual(fields, {
      ...first,
      ...BY_HAND,
      dmsg_servers: [...first.dmsg_servers, ELSEWHERE],
    });
    assert.deepEqual(told.map(({ level, fields }) => [level, fields]), [["info", {
      file,
      kept: `transport discovery, dmsg server ${keyOf("server")}, setup node ${keyOf("sn")}, ` +
        `transport setup node ${keyOf("tsn")}`,
    }]]);
    assert.deepEqual((await run(here)).fields, fields, "and again");
  }));

Deno.test("what another process added over the same file stays, until it runs here", () =>
  onTwoMachines(async (here) => {
    await run(here);
    {
      await using core = await startAssembly(here, CORE, { file, keepsOthers: true });
      const joined = networkOfFile(core.deployment, file);
      const plan = planOf(["transport-discovery", "setup-node"]);
      await using _rest = await startAssembly(here, plan, { file, network: joined, keepsOthers: true });
    }
    const added = await readFile(here);
    assert.equal(added["transport_discovery"], `http://${HOST}:9091`);
    {
      await using core = await startAssembly(here, CORE, { file, keepsOthers: true });
      assert.deepEqual(await readFile(here), added, "the first one was started again");
      assert.equal(core.network.transportDiscovery!.http, `http://${HOST}:9091`);
      assert.equal(core.network.setupNodes!.length, 1);
    }
    const moved = planOf(["dmsg-discovery", "dmsg-server", "transport-discovery"]).map((plan) =>
      plan.type === "transport-discovery" ? { ...plan, mode: "http" as const } : plan
    );
    const { fields, told } = await run(here, moved);
    assert.deepEqual([fields["transport_discovery"], fields["transport_discovery_dmsg"]], [
      `http://${HOST}:9091`,
      "",
    ]);
    assert.deepEqual(told.map(({ fields }) => fields["kept"]), [`setup node ${added["route_setup_nodes"]}`]);
  }));

Deno.test("the config bootstrapper tells what the file keeps", () =>
  onTwoMachines(async (here, there) => {
    const { fields } = await run(here);
    await writeFile(here, { local: { ...fields, ...BY_HAND } });
    const plan = planOf(["dmsg-discovery", "dmsg-server", "config-bootstrapper"]);
    await using _assembly = await startAssembly(here, plan, { file, keepsOthers: true });
    const told = JSON.parse((await get(there, `http://${HOST}:9082/`)).text);
    for (const [name, value] of Object.entries(BY_HAND)) assert.deepEqual(told[name], value, name);
  }));

Deno.test("a file that cannot be used, and would be written anew, is refused before anything runs, and keeps its bytes", () =>
  onTwoMachines(async (here) => {
    await run(here);
    for (const content of ["{", "[]", {}, { local: BY_HAND }]) {
      await writeFile(here, content);
      const before = await here.files.read(file);
      await assert.rejects(run(here), {
        code: "CONFIG",
        message: `${file}: it would be written anew, and cannot be used as it is`,
        hint: "put it right, or move it away",
      });
      assert.deepEqual(await here.files.read(file), before);
    }
  }));

Deno.test("nothing is kept of another network, or where the caller says what there is", () =>
  onTwoMachines(async (here) => {
    const { fields: own } = await run(here);
    const other = { ...own, ...BY_HAND, dmsg_discovery_dmsg: `dmsg://${keyOf("other discovery")}:80` };
    for (const content of [{ local: other }, { local: { ...other, dmsg_discovery_dmsg: "" } }]) {
      await writeFile(here, { local: { ...content.local, dmsg_discovery: "http://other.example" } });
      assert.deepEqual(await run(here), { fields: own, told: [] });
    }
    const nothing = {
      name: "local",
      file: undefined,
      servers: [],
      discoveryHttp: undefined,
      discoveryDmsg: undefined,
    };
    for (const more of [{ network: nothing }, { base: {} }, { keepsOthers: false }]) {
      await writeFile(here, { local: { ...own, ...BY_HAND } });
      assert.deepEqual((await run(here, CORE, more)).fields, own, Object.keys(more)[0]);
    }
  }));

Deno.test("a discovery over HTTP alone knows its network by its address", () =>
  onTwoMachines(async (here) => {
    const plan = planOf(["dmsg-discovery", "dmsg-server"], { mode: "http" });
    const { fields } = await run(here, plan);
    assert.equal(fields["dmsg_discovery_dmsg"], "");
    await writeFile(here, { prod: { ...fields, ...BY_HAND } });
    assert.deepEqual((await run(here, plan)).fields, { ...fields, ...BY_HAND });
    await writeFile(here, { local: { ...fields, ...BY_HAND, dmsg_discovery: `http://${HOST}:9999` } });
    assert.deepEqual((await run(here, plan)).fields, fields);
  }));

Deno.test("a config bootstrapper on any free port tells its own address, over HTTP and over dmsg", () =>
  onTwoMachines(async (here, there) => {
    const plan = planOf(["dmsg-discovery", "dmsg-server", "config-bootstrapper"], { freePorts: true });
    await using assembly = await startAssembly(here, plan);
    const { conf } = assembly.network;
    assert.match(conf!.http!, /^http:\/\/198\.51\.100\.1:[1-9][0-9]*$/);
    const told = JSON.parse((await get(there, `${conf!.http}/`)).text);
    assert.deepEqual([told.conf, told.conf_dmsg], [
      conf!.http,
      `dmsg://${conf!.dmsg!.publicKey}:80`,
    ]);
    assert.equal(told.dmsg_discovery, assembly.network.discoveryHttp);
    const over = JSON.parse((await get(there, `${conf!.http}/dmsghttp`)).text);
    assert.equal(over.dmsg_servers.length, 2);
  }));
