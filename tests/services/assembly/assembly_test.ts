/** Assembly: a deployment in one process, cold, watched, ended (SV-1, SV-6, DS-4, DS-7). */
import assert from "node:assert/strict";
import { type LogRecord, logTo } from "../../../lib/base/mod.ts";
import { readDeployments } from "../../../lib/deployment/mod.ts";
import { checkHealth, networkOfFile, TransportDiscoveryClient } from "../../../lib/directory/mod.ts";
import { AddressInUseError, FileNotFoundError, type World } from "../../../lib/runtime/mod.ts";
import { silentLog } from "../../../lib/base/mod.ts";
import { ALL_TYPES, type ServiceTypeName } from "../../../lib/services/assembly/mod.ts";
import { InvalidServiceSettingError } from "../../../lib/services/hosting/mod.ts";
import { StoreError } from "../../../lib/services/store/mod.ts";
import { withSimulation } from "../../support/world.ts";
import { joinAs } from "../dmsg_network_support.ts";
import { pair, transportOf } from "../service_support.ts";
import { FOLDER, get, HOST, planOf, startAssembly, until } from "./support.ts";

const file = `${FOLDER}/deployment.json`;
const [alice, bob] = [pair("alice"), pair("bob")];

/** Runs `test` on a machine that others reach at {@link HOST}, and on another one. */
function onTwoMachines(seed: number, test: (here: World, there: World) => Promise<void>): Promise<void> {
  return withSimulation(seed, async (simulation) => {
    const [here, there] = [simulation.node("here", { address: HOST }), simulation.node("there")];
    await simulation.run(() => test(here, there));
  });
}

const health = async (world: World, text: string) =>
  await checkHealth({
    world,
    network: networkOfFile(text, file),
    log: silentLog,
    userAgent: "test/1",
    timeoutMs: 5_000,
  });

Deno.test("every service in one process, cold: found by HTTP and by dmsg from another machine, and ended in 2 s", () =>
  onTwoMachines(1, async (here, there) => {
    const assembly = await startAssembly(here, planOf(), { file });
    assert.deepEqual(assembly.services.map(({ plan }) => plan.name), [
      "dmsg-discovery",
      "dmsg-server-1",
      "dmsg-server-2",
      ...ALL_TYPES.slice(2),
    ]);
    const tookMs = await until(here, () => assembly.services.every((service) => service.isReady()));
    assert(tookMs < 5_000, `${tookMs} ms until all were ready`);
    const text = new TextDecoder().decode(await here.files.read(file));
    assert.equal(text, assembly.deployment);
    const rows = await health(there, text);
    assert.deepEqual(rows.filter(({ isUp }) => !isUp), []);
    assert.deepEqual(rows.map(({ service, way }) => `${service} ${way}`), [
      ...[
        "dmsg-discovery",
        "transport-discovery",
        "address-resolver",
        "route-finder",
        "service-discovery",
        "uptime-tracker",
        "config-bootstrapper",
      ].flatMap((name) => [`${name} http`, `${name} dmsg`]),
      "setup-node dmsg",
      "transport-setup dmsg",
      "dmsg-server dmsg",
      "dmsg-server dmsg",
    ]);
    for (const { service, version, dmsgServers } of rows) {
      if (service === "dmsg-server") continue;
      assert.deepEqual([version, dmsgServers], ["1.2.3", service === "setup-node" ? undefined : 2], service);
    }
    const closing = there.clock.monotonicMs();
    await assembly.close();
    assert(there.clock.monotonicMs() - closing < 2_000, "closed within 2 s");
    for (const { isUp, failure = "" } of await health(there, text)) assert(!isUp && failure !== "");
  }));

Deno.test("what a client registers over HTTP is found over dmsg, and paths lead over it", () =>
  onTwoMachines(2, async (here, there) => {
    await using assembly = await startAssembly(here, planOf());
    const network = networkOfFile(assembly.deployment, file);
    const { transportDiscovery } = network;
    const [first, second] = [await joinAs(alice, there, network), await joinAs(bob, there, network)];
    const record = transportOf(alice, bob);
    const overHttp = first.askService("transport discovery", { http: transportDiscovery!.http });
    await new TransportDiscoveryClient(overHttp).register([record]);
    const overDmsg = second.askService("transport discovery", { dmsg: transportDiscovery!.dmsg });
    const [found] = await new TransportDiscoveryClient(overDmsg).all();
    assert.equal(found?.id, record.id);
    const finder = assembly.services.find(({ plan }) => plan.type === "route-finder")!;
    assert.deepEqual(await finder.kept(), { transports: 1 }); // told by the discovery beside it, not polled
    await Promise.all([first.close(), second.close()]);
  }));

Deno.test("the config bootstrapper tells what runs beside it, itself included", () =>
  onTwoMachines(3, async (here, there) => {
    await using assembly = await startAssembly(here, planOf(), {
      base: { stun_servers: ["192.0.2.1:3478"], dmsg_discovery: "http://gone.example", services: {} },
    });
    const told = readDeployments(JSON.parse((await get(there, `http://${HOST}:9082/`)).text))["local"]!;
    const written = readDeployments(JSON.parse(assembly.deployment))["local"]!;
    assert.deepEqual({ ...told }, { ...written });
    assert.equal(written.conf, `http://${HOST}:9082`);
    assert.equal(written.dmsgDiscovery, `http://${HOST}:9090`);
    assert.deepEqual([written.stunServers, written.dmsgServers.length], [["192.0.2.1:3478"], 2]);
    assert.deepEqual([written.routeSetupNodes.length, written.transportSetup.length], [1, 1]);
    assert.equal("services" in JSON.parse(assembly.deployment).local, false);
  }));

Deno.test("on every address of the machine, others are told the host that they know", () =>
  onTwoMachines(4, async (here, there) => {
    await using assembly = await startAssembly(
      here,
      planOf(["dmsg-discovery", "dmsg-server", "transport-discovery", "transport-setup"], {
        hostname: "0.0.0.0",
        publicHost: HOST,
      }),
    );
    const { network } = assembly;
    assert.equal(network.discoveryHttp, `http://${HOST}:9090`);
    assert.deepEqual(network.servers.map(({ address }) => address), [`${HOST}:8081`, `${HOST}:8083`]);
    assert.equal(network.transportDiscovery!.http, `http://${HOST}:9091`);
    assert.equal(network.allowLoopbackAddresses, false);
    const setup = assembly.services.find(({ plan }) => plan.type === "transport-setup")!;
    assert.equal(setup.bound!.hostname, "127.0.0.1"); // it does what anybody asks
    await until(here, () => assembly.services.every((service) => service.isReady()));
    assert.deepEqual((await health(there, assembly.deployment)).filter(({ isUp }) => !isUp), []);
  }));

Deno.test("keys are made once, for their owner alone; the next run has them again", () =>
  onTwoMachines(5, async (here) => {
    const types: ServiceTypeName[] = ["dmsg-discovery", "dmsg-server", "setup-node"];
    const keys: unknown[] = [];
    for (let run = 0; run < 2; run++) {
      await using assembly = await startAssembly(here, planOf(types));
      keys.push(assembly.services.map(({ publicKey }) => publicKey));
    }
    assert.deepEqual(keys[0], keys[1]);
    for (const name of ["dmsg-discovery", "dmsg-server-1", "dmsg-server-2", "setup-node"]) {
      assert.equal((await here.files.info(`${FOLDER}/${name}.key`))!.mode, 0o600, name);
    }
  }));

Deno.test("two services at one place are named before anything is made", () =>
  onTwoMachines(6, async (here) => {
    const [discovery, finder] = planOf(["transport-discovery", "route-finder"]);
    const both = [discovery!, { ...finder!, address: { hostname: "0.0.0.0", port: 9091 } }];
    await assert.rejects(
      startAssembly(here, both),
      (error) =>
        error instanceof InvalidServiceSettingError &&
        /^transport-discovery and route-finder would both listen on TCP port 9091: /.test(error.message),
    );
    const alsoListening = [{
      who: "metrics",
      protocol: "TCP" as const,
      address: { hostname: HOST, port: 9091 },
    }];
    await assert.rejects(
      startAssembly(here, [discovery!], { alsoListening }),
      /and metrics would both listen/,
    );
    await assert.rejects(startAssembly(here, [discovery!, discovery!]), /Two services have the name/);
    await assert.rejects(startAssembly(here, []), /There is no service to run/);
    await assert.rejects(here.files.read(`${FOLDER}/transport-discovery.key`), FileNotFoundError);
  }));

Deno.test("a port of another program is told with the service that wanted it, and nothing is left", () =>
  onTwoMachines(7, async (here) => {
    for (const [listen, who] of [[9092, "route-finder"], [9093, "address-resolver"]] as const) {
      const place = { hostname: HOST, port: listen };
      const taken = listen === 9092 ? await here.network.listen(place) : await here.network.datagrams(place);
      await assert.rejects(
        startAssembly(here, planOf()),
        (error) =>
          error instanceof AddressInUseError && String(error.cause).includes(`${who} was to listen there`) &&
          /^stop the other program, or name another port$/.test(error.hint!),
      );
      taken.close();
    }
    await assert.rejects(here.files.read(`${FOLDER}/dmsg-discovery.key`), FileNotFoundError);
    await using _again = await startAssembly(here, planOf());
  }));

Deno.test("a broken key file leaves everything as it was", () =>
  onTwoMachines(8, async (here) => {
    await here.files.makeDirectory(FOLDER);
    await here.files.write(`${FOLDER}/transport-setup.key`, new TextEncoder().encode("no key\n"));
    await assert.rejects(startAssembly(here, planOf(), { file }), /transport-setup\.key/);
    assert.deepEqual(await here.files.list(FOLDER), ["transport-setup.key"]);
  }));

Deno.test("a service that cannot start ends those that had", () =>
  onTwoMachines(12, async (here, there) => {
    const services = planOf().map((service) =>
      service.type === "uptime-tracker"
        ? { ...service, settings: { ...service.settings, store: "/proc/no/such/folder.db" } }
        : service
    );
    await assert.rejects(startAssembly(here, services, { file }), StoreError);
    await assert.rejects(get(there, `http://${HOST}:9090/health`));
    await assert.rejects(here.files.read(file), FileNotFoundError);
  }));

Deno.test("who may read logs and profiles over dmsg: by the network, or by the service's own list", () =>
  onTwoMachines(13, async (here, there) => {
    const [carol, dave] = [pair("carol"), pair("dave")];
    const services = planOf(["dmsg-discovery", "dmsg-server", "transport-discovery", "route-finder"]).map((
      service,
    ) =>
      service.type === "route-finder"
        ? { ...service, settings: { ...service.settings, surveyWhitelist: [carol.publicKey] } }
        : service
    );
    await using assembly = await startAssembly(here, services, {
      network: {
        name: "local",
        file: undefined,
        servers: [],
        discoveryHttp: undefined,
        discoveryDmsg: undefined,
        surveyWhitelist: [alice.publicKey],
      },
      surveyWhitelist: [dave.publicKey, alice.publicKey],
    });
    const network = networkOfFile(assembly.deployment, file);
    assert.deepEqual(network.surveyWhitelist, [alice.publicKey, dave.publicKey]);
    const readers = await Promise.all([alice, carol, dave].map((reader) => joinAs(reader, there, network)));
    const statuses = await Promise.all(
      [network.discoveryDmsg!, network.transportDiscovery!.dmsg!, network.routeFinder!.dmsg!].map((dmsg) =>
        Promise.all(readers.map(async (reader) => {
          const { status } = await reader.askService("it", { dmsg })({ method: "GET", path: "/debug/log" });
          return status;
        }))
      ),
    );
    assert.deepEqual(statuses, [[200, 401, 200], [200, 401, 200], [401, 200, 401]]);
    await Promise.all(readers.map((reader) => reader.close()));
  }));

Deno.test("modes: HTTP alone, dmsg alone, and a discovery that cannot do without HTTP", () =>
  onTwoMachines(9, async (here, there) => {
    const records: LogRecord[] = [];
    const log = logTo((record) => records.push(record), () => here.clock.wallMs());
    const types: ServiceTypeName[] = ["dmsg-discovery", "dmsg-server", "transport-discovery"];
    {
      await using assembly = await startAssembly(here, planOf(types, { mode: "http" }), { log });
      assert.equal(assembly.network.discoveryDmsg, undefined);
      assert.equal(assembly.network.transportDiscovery!.dmsg, undefined);
      assert(records.some(({ message }) => /register over dmsg alone cannot reach it/.test(message)));
      await until(here, () => assembly.services.every((service) => service.isReady())); // servers register over HTTP
    }
    await assert.rejects(
      startAssembly(here, planOf(types, { forcedMode: "dmsg" })),
      /cannot run in mode dmsg/,
    );
    const services = planOf(types).map((service) =>
      service.type === "transport-discovery" ? { ...service, mode: "dmsg" as const } : service
    );
    await using assembly = await startAssembly(here, services);
    assert.equal(assembly.network.transportDiscovery!.http, undefined);
    await assert.rejects(get(there, `http://${HOST}:9091/health`));
    await until(here, () => assembly.services.every((service) => service.isReady()));
    assert.deepEqual((await health(there, assembly.deployment)).filter(({ isUp }) => !isUp), []);
  }));

Deno.test("a service of another deployment joins it by its file, servers over dmsg alone (SV-6, DS-4)", () =>
  withSimulation(10, async (simulation) => {
    const [core, more, there] = [
      simulation.node("core", { address: HOST }),
      simulation.node("more", { address: "198.51.100.2" }),
      simulation.node("there"),
    ];
    await simulation.run(async () => {
      await using first = await startAssembly(core, planOf(["dmsg-discovery", "dmsg-server"]));
      const { discoveryHttp: _, ...network } = networkOfFile(first.deployment, file);
      await using second = await startAssembly(
        more,
        planOf(["dmsg-server", "transport-discovery", "setup-node", "transport-setup"], {
          hostname: "198.51.100.2",
        }),
        { network: { ...network, discoveryHttp: undefined } },
      );
      await until(there, () => second.services.every((service) => service.isReady()), 120_000);
      assert.equal(second.network.servers.length, 4);
      const rows = await health(there, second.deployment);
      assert.deepEqual(rows.filter(({ isUp, way }) => !isUp && way === "dmsg"), []);
    });
  }));

Deno.test("the death of a plane is the deployment's, with its name; an orderly end is none (DS-7)", () =>
  onTwoMachines(11, async (here) => {
    const open: { port: number; close: () => void }[] = [];
    const world: World = {
      ...here,
      network: {
        ...here.network,
        addresses: () => here.network.addresses(),
        dial: (...given) => here.network.dial(...given),
        datagrams: (at) => here.network.datagrams(at),
        listen: async (at, options) => {
          const listener = await here.network.listen(at, options);
          open.push({ port: at.port, close: () => listener.close() });
          return listener;
        },
      },
    };
    for (
      const [port, expected] of [
        [9091, /^The HTTP side of the transport discovery \(transport-discovery\) ended by itself$/],
        [8083, /^The dmsg server \(dmsg-server-2\) ended by itself$/],
        [9090, /^The HTTP side of the dmsg discovery \(dmsg-discovery\) ended by itself$/],
      ] as const
    ) {
      open.length = 0;
      await using assembly = await startAssembly(world, planOf());
      open.findLast((listener) => listener.port === port)!.close();
      const failure = await assembly.failed;
      assert.match((failure as Error).message, expected);
    }
    const assembly = await startAssembly(world, planOf());
    let failed = false;
    void assembly.failed.then(() => failed = true);
    await assembly.close();
    await assembly.close();
    assert.equal(failed, false);
  }));
