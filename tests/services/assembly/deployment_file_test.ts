/** The deployment file over restarts: what runs here is anew in it, what others run stays (SV-1, DS-4). */
import assert from "node:assert/strict";
import { type LogRecord, logTo } from "../../../lib/base/mod.ts";
import { networkOfFile } from "../../../lib/directory/mod.ts";
import { sleep, type World } from "../../../lib/runtime/mod.ts";
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

/** The same type twice, by names of their own. */
const nodes = (type: "setup-node" | "transport-setup" | "dmsg-server", ...names: string[]) =>
  names.map((name) => {
    const [plan] = planOf([type], { freePorts: true });
    return { ...plan!, name, key: { file: `${FOLDER}/${name}.key` } };
  });

for (
  const [type, field] of [["setup-node", "route_setup_nodes"], [
    "transport-setup",
    "transport_setup",
  ]] as const
) {
  Deno.test(`${field} of a file have those of every process that is in it, whichever is started again`, () =>
    onTwoMachines(async (here) => {
      const title = type === "setup-node" ? "setup node" : "transport setup node";
      const first = [...CORE, ...nodes(type, "one")];
      const ofFirst = (await run(here, first)).fields[field] as string[];
      assert.equal(ofFirst.length, 1);
      {
        await using core = await startAssembly(here, first, { file, keepsOthers: true });
        const network = networkOfFile(core.deployment, file);
        const { fields, told } = await run(here, nodes(type, "two"), { network });
        const both = fields[field] as string[];
        assert.deepEqual([both.length, both[1]], [2, ofFirst[0]], "its own first");
        const servers = core.network.servers.map(({ publicKey }) => `dmsg server ${publicKey}`);
        assert.deepEqual(told.map(({ level, fields }) => [level, fields["kept"]]), [
          ["info", [...servers, `${title} ${ofFirst[0]}`].join(", ")],
          ["warn", `${title} ${ofFirst[0]}`],
        ], "it may be the first one, with a new key");
        assert.equal((await run(here, nodes(type, "two"), { network })).told.length, 1, "it is known by now");
      }
      const before = (await readFile(here))[field] as string[];
      const { fields, told } = await run(here, first);
      assert.deepEqual(fields[field], before.toReversed());
      assert.deepEqual(told.map(({ fields }) => fields["kept"]), [`${title} ${before[0]}`]);
      assert.deepEqual((await run(here, CORE)).fields[field], before.toReversed(), "none of them runs here");
    }));
}

Deno.test("who runs nodes of his own on another network means these alone", () =>
  onTwoMachines(async (here) => {
    const [sn, tsn] = [keyOf("their sn"), keyOf("their tsn")];
    const network = networkOfFile(
      JSON.stringify({
        theirs: {
          dmsg_discovery: "http://disc.example",
          dmsg_servers: [ELSEWHERE],
          route_setup_nodes: [sn],
          transport_setup: [tsn],
        },
      }),
      "/their.json",
    );
    const both = [...nodes("setup-node", "one"), ...nodes("transport-setup", "two")];
    const { fields, told } = await run(here, both, { network });
    for (const [field, theirs] of [["route_setup_nodes", sn], ["transport_setup", tsn]] as const) {
      const keys = fields[field] as string[];
      assert.deepEqual([keys.length, keys.includes(theirs)], [1, false], field);
    }
    assert.deepEqual(told, []);
    const { fields: one } = await run(here, nodes("setup-node", "one"), { network });
    assert.deepEqual(one["transport_setup"], [tsn], "who runs none has theirs");
  }));

Deno.test("what stands beside the deployment and is none stays, in its place", () =>
  onTwoMachines(async (here) => {
    const { fields } = await run(here);
    await writeFile(here, { _comment: "ours", _since: 2026, local: fields });
    await using core = await startAssembly(here, CORE, { file, keepsOthers: true });
    const text = JSON.stringify({ _comment: "ours", _since: 2026, local: fields }, null, 2) + "\n";
    assert.equal(core.deployment, text);
    assert.equal(networkOfFile(text, file).name, "local");
  }));

Deno.test("who joins by the file that it writes leaves in it what is of nobody", () =>
  onTwoMachines(async (here) => {
    const { fields } = await run(here);
    await using core = await startAssembly(here, CORE, { file, keepsOthers: true });
    const plan = planOf(["transport-discovery"]);
    await writeFile(here, { mine: { ...fields, stun_servers: ["192.0.2.1:3478"] } });
    const joined = networkOfFile(JSON.stringify({ mine: fields }), `${FOLDER}/../${file.slice(1)}`);
    await run(here, plan, { network: joined });
    const added = await readFile(here, "mine");
    assert.deepEqual(added["stun_servers"], ["192.0.2.1:3478"]);
    assert.equal(added["transport_discovery"], `http://${HOST}:9091`);
    const elsewhere = { ...core.network, file: `${FOLDER}/other.json` };
    const { fields: anew } = await run(here, plan, { network: elsewhere });
    assert.equal(anew["stun_servers"], undefined, "another file says what there is");
  }));

Deno.test("dmsg servers that the folder numbers, and that are no more, are left out, and told of once", () =>
  onTwoMachines(async (here) => {
    const numbered = (count: number) =>
      planOf(["dmsg-discovery"]).concat(
        nodes("dmsg-server", ...["dmsg-server-1", "dmsg-server-2", "dmsg-server-3"].slice(0, count)),
      );
    const { fields: three } = await run(here, numbered(3));
    const [first, second, third] = three.dmsg_servers.map((server) => server.static);
    await writeFile(here, { local: { ...three, dmsg_servers: [...three.dmsg_servers, ELSEWHERE] } });
    await here.files.write(`${FOLDER}/dmsg-server-9.key`, new TextEncoder().encode("no key"));
    {
      await using core = await startAssembly(here, planOf(["dmsg-discovery"]), { file, keepsOthers: true });
      assert.equal(core.network.servers.length, 4, "who starts no server knows nothing of them");
    }
    const { fields: one, told } = await run(here, numbered(1));
    assert.deepEqual(one.dmsg_servers.map((server) => server.static), [first, ELSEWHERE.static]);
    assert.deepEqual(told.map(({ message, fields }) => [message, fields]), [
      ["The deployment file keeps what runs elsewhere", {
        file,
        kept: `dmsg server ${ELSEWHERE.static}`,
      }],
      ["The deployment file leaves out numbered dmsg servers of its folder that are not started", {
        file,
        servers: `${second}, ${third}`,
      }],
    ]);
    assert.equal((await run(here, numbered(1))).told.length, 1, "there is nothing more to leave out");
  }));

Deno.test("the own discovery dials no server that is no more", () =>
  onTwoMachines(async (here) => {
    const numbered = nodes("dmsg-server", "dmsg-server-1", "dmsg-server-2");
    const discovery = planOf(["dmsg-discovery"]);
    await run(here, [...discovery, ...numbered]);
    const told: LogRecord[] = [];
    const log = logTo((record) => told.push(record), () => 0);
    const plan = [...discovery, numbered[0]!];
    await using _assembly = await startAssembly(here, plan, { file, keepsOthers: true, log });
    await sleep(here.clock, 60_000);
    assert.deepEqual(told.filter(({ level }) => level === "warn").map(({ message }) => message), []);
  }));

Deno.test("a server that joins says nothing of those that are numbered beside it, and they nothing of it", () =>
  onTwoMachines(async (here) => {
    const two = planOf(["dmsg-discovery"]).concat(nodes("dmsg-server", "dmsg-server-1", "dmsg-server-2"));
    const { fields: first } = await run(here, two);
    {
      await using core = await startAssembly(here, two, { file, keepsOthers: true });
      const network = networkOfFile(core.deployment, file);
      await run(here, nodes("dmsg-server", "dmsg-server-7"), { network });
      await run(here, nodes("dmsg-server", "dmsg-server"), {
        network: networkOfFile(
          new TextDecoder().decode(await here.files.read(file)),
          file,
        ),
      });
    }
    const all = (await readFile(here)).dmsg_servers;
    assert.equal(all.length, 4);
    assert.deepEqual(all.slice(2).map((each) => each.static), first.dmsg_servers.map((each) => each.static));
    const { fields } = await run(here, two);
    assert.deepEqual(fields.dmsg_servers.map((each) => each.static), [
      ...first.dmsg_servers.map((each) => each.static),
      all[0]!.static,
    ], "the numbered one beside them is none of this run, which would number it itself");
  }));

Deno.test("a server with a name of its own stays while another one runs in its folder", () =>
  onTwoMachines(async (here) => {
    const discovery = planOf(["dmsg-discovery"]);
    const { fields: both } = await run(here, [
      ...discovery,
      ...nodes("dmsg-server", "dmsg-server-sea", "land"),
    ]);
    const { fields } = await run(here, [...discovery, ...nodes("dmsg-server", "dmsg-server-1")]);
    assert.deepEqual(
      fields.dmsg_servers.slice(1),
      both.dmsg_servers,
    );
  }));

Deno.test("the name of the deployment stays, and a file of several is refused before anything runs", () =>
  onTwoMachines(async (here) => {
    const { fields } = await run(here);
    const other = { dmsg_discovery: "http://other.example" };
    for (const name of ["mynet", "prod", "production"]) {
      await writeFile(here, { [name]: fields });
      await using core = await startAssembly(here, CORE, { file, keepsOthers: true });
      assert.deepEqual(JSON.parse(core.deployment), { [name]: fields });
      assert.equal(core.network.name, name);
    }
    await writeFile(here, fields);
    assert.deepEqual((await run(here)).fields, fields, "without a name it is called as it is asked");
    const joined = networkOfFile(JSON.stringify({ mynet: fields }), file);
    for (
      const content of [
        { mynet: fields, other },
        { other, local: fields },
      ]
    ) {
      await writeFile(here, content);
      const before = await here.files.read(file);
      for (const more of [{}, { network: joined }, { base: {} }]) {
        await assert.rejects(run(here, CORE, more), {
          code: "CONFIG",
          message: `${file}: it has ${
            Object.keys(content).join(", ")
          }, and would be written anew with one of them`,
          hint: /another file/,
        });
      }
      assert.deepEqual(await here.files.read(file), before);
    }
  }));

Deno.test("what a config bootstrapper tells is made once when everything runs", () =>
  onTwoMachines(async (here, there) => {
    let count = 0;
    const base = {
      get stun_servers() {
        count++;
        return ["192.0.2.1:3478"];
      },
    };
    const plan = planOf(["dmsg-discovery", "dmsg-server", "config-bootstrapper"]);
    await using _assembly = await startAssembly(here, plan, { base });
    const first = await get(there, `http://${HOST}:9082/`);
    const before = count;
    assert.deepEqual(await get(there, `http://${HOST}:9082/`), first);
    assert.deepEqual(JSON.parse(first.text).stun_servers, ["192.0.2.1:3478"]);
    assert.equal(count, before);
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
    await writeFile(here, { local: { ...fields, ...BY_HAND } });
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
