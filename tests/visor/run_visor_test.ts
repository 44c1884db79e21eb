/** The whole of `visor run` in virtual time: a network of its own, its visor, their files, and their end. */
import assert from "node:assert/strict";
import { chosenNetwork } from "../../commands/_look_up.ts";
import { readControlFile } from "../../lib/control/mod.ts";
import { ConfigError } from "../../lib/deployment/mod.ts";
import { AddressInUseError, type World } from "../../lib/runtime/mod.ts";
import { KeyFileError } from "../../lib/crypto/mod.ts";
import { VisorRunningError } from "../../lib/visor/mod.ts";
import { withSimulation } from "../support/world.ts";
import { type Heard, never, startVisor, statusThat, textOf, withControl } from "./_nodes.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const heard = (): Heard => ({ steps: [], records: [] });

/** Every path on a simulated disk. */
async function allFiles({ files }: World, folder = "/"): Promise<string[]> {
  const found: string[] = [];
  for (const name of await files.list(folder)) {
    const path = `${folder === "/" ? "" : folder}/${name}`;
    if ((await files.info(path))?.isDirectory) found.push(...await allFiles({ files } as World, path));
    else found.push(path);
  }
  return found;
}

Deno.test("runVisor() --local becomes ready, says each step, and its status is true", () =>
  withSimulation(11, async (simulation) => {
    const world = simulation.node("alice");
    await simulation.run(async () => {
      const said = heard();
      let changes = 0;
      const running = await startVisor(world, { onChange: () => changes++ }, said);
      assert.equal(running.visor.status().ready, false); // true only once it is
      await running.whenReady(never);
      const status = await statusThat(running, world, ({ dmsg }) => dmsg.sessions.length === 2);
      assert.equal(status.ready, true);
      assert.deepEqual(status.warnings, []);
      assert.deepEqual(status.deployment, { name: "local", file: "/home/local/deployment.json" });
      assert.deepEqual(status.services.map(({ name }) => name), [
        "dmsg-discovery",
        "dmsg-server",
        "dmsg-server",
        "transport-discovery",
        "address-resolver",
        "route-finder",
        "setup-node",
        "service-discovery",
        "uptime-tracker",
      ]);
      const { address, udpAddress } = status.services.find(({ name }) => name === "address-resolver")!;
      assert.equal(`http://${udpAddress}`, address, "its UDP side has the number of its HTTP port");
      assert.equal(said.steps.filter((step) => step.startsWith("dmsg-server 0")).length, 2);
      assert(said.steps.includes("configuration made: /home/visor.json"));
      assert(!said.steps.some((step) => step.startsWith("it names production")), "--local brings its own");
      assert(changes >= 3, `${changes} changes: two sessions, one post`);
      const servers = status.services.slice(1, 3).map(({ publicKey }) => publicKey).sort();
      assert.deepEqual(status.dmsg.sessions.map(({ server }) => server).sort(), servers);
      await running.close();
    });
  }));

Deno.test("runVisor() makes configuration and keys at the first run, 0600, and keeps them at the second", () =>
  withSimulation(12, async (simulation) => {
    const world = simulation.node("alice");
    await simulation.run(async () => {
      const first = await startVisor(world);
      const config = await textOf(world, "/home/visor.json");
      const secrets = ["visor.json", "control.json", "local/dmsg-discovery.key", "local/dmsg-server-1.key"];
      for (const name of secrets) assert.equal((await world.files.info(`/home/${name}`))?.mode, 0o600, name);
      const { publicKey } = first.visor;
      const deployment = JSON.parse(await textOf(world, "/home/local/deployment.json"));
      await first.close();
      await first.close(); // the same end again
      assert.equal(await world.files.info("/home/control.json"), undefined);
      const second = await startVisor(world);
      assert.equal(second.visor.publicKey, publicKey);
      assert.equal(await textOf(world, "/home/visor.json"), config);
      const again = JSON.parse(await textOf(world, "/home/local/deployment.json"));
      const keys = (
        { local }: { local: { dmsg_servers: { static: string }[]; dmsg_discovery_dmsg: string } },
      ) => [
        local.dmsg_discovery_dmsg,
        ...local.dmsg_servers.map((server) => server.static),
      ];
      assert.deepEqual(keys(again), keys(deployment));
      await second.close();
    });
  }));

Deno.test("runVisor() with a malformed configuration, deployment or address names it, and writes nothing", () =>
  withSimulation(13, async (simulation) => {
    const world = simulation.node("alice");
    await simulation.run(async () => {
      await world.files.makeDirectory("/home");
      await world.files.write("/home/visor.json", encode('{"dmsg":{"sessions_count":-1}}'));
      await world.files.write("/bad.json", encode('{"local":{"dmsg_servers":[{"static":"02"}]}}'));
      await world.files.write("/good.json", encode("{}"));
      const before = await allFiles(world);
      await assert.rejects(
        startVisor(world),
        (error) =>
          error instanceof ConfigError && error.field === "dmsg.sessions_count" &&
          error.file === "/home/visor.json",
      );
      const configFile = "/good.json";
      await assert.rejects(startVisor(world, { configFile, local: false, deploymentFile: "/bad.json" }), {
        code: "BAD_DEPLOYMENT",
      });
      await assert.rejects(startVisor(world, { configFile, local: false, deploymentFile: "/none.json" }), {
        code: "FILE_NOT_FOUND",
      });
      await assert.rejects(startVisor(world, { configFile, controlAddress: "not an address" }), {
        code: "BAD_URL",
      });
      assert.deepEqual(await allFiles(world), before);
    });
  }));

Deno.test("runVisor() --local with a broken key file says which, changes no key, and leaves nothing alive", () =>
  withSimulation(14, async (simulation) => {
    const world = simulation.node("alice");
    await simulation.run(async () => {
      await world.files.makeDirectory("/home/local");
      await world.files.write("/home/local/dmsg-server-2.key", encode("not a key\n"));
      await assert.rejects(startVisor(world), (error) => {
        assert(error instanceof KeyFileError);
        assert.equal(
          error.message,
          "Cannot read a secret key from /home/local/dmsg-server-2.key: it must be 64 hex digits",
        );
        assert.match(error.hint ?? "", /put the key back/);
        return true;
      });
      assert.equal(await textOf(world, "/home/local/dmsg-server-2.key"), "not a key\n");
      assert.equal(await world.files.info("/home/local/dmsg-server-1.key"), undefined, "nothing is made");
      assert.equal(await world.files.info("/home/local/dmsg-discovery.key"), undefined);
      assert.equal(await world.files.info("/home/visor.json"), undefined);
      assert.equal(await world.files.info("/home/control.json"), undefined);
    });
  }));

Deno.test("runVisor() --local that cannot write its deployment file ends what it had started", () =>
  withSimulation(19, async (simulation) => {
    const world = simulation.node("alice");
    await simulation.run(async () => {
      await world.files.makeDirectory("/home/local/deployment.json"); // a folder where the file should be
      await assert.rejects(startVisor(world), { code: "FILE_ERROR" });
      assert.equal(await world.files.info("/home/control.json"), undefined);
    });
  }));

Deno.test("runVisor() refuses a second visor of the home, and the first one's files stay as they are", () =>
  withSimulation(15, async (simulation) => {
    const world = simulation.node("alice");
    await simulation.run(async () => {
      const first = await startVisor(world);
      const deployment = await textOf(world, "/home/local/deployment.json");
      await assert.rejects(startVisor(world), (error) => {
        assert(error instanceof VisorRunningError);
        assert.match(error.message, /^A visor runs with home \/home already \(process 4711\)/);
        return true;
      });
      assert.equal(await textOf(world, "/home/local/deployment.json"), deployment);
      assert.equal(
        (await withControl(world, (client) => client.call("status", {}))).publicKey,
        first.visor.publicKey,
      );
      await first.close();
    });
  }));

Deno.test("runVisor() takes over the control file of a visor that was killed, also when its port is another's now", () =>
  withSimulation(16, async (simulation) => {
    const dead = simulation.node("alice");
    await simulation.run(() => startVisor(dead).then(() => {}));
    simulation.halt("alice");
    const world = simulation.node("alice");
    await simulation.run(async () => {
      const { address } = JSON.parse(await textOf(world, "/home/control.json"));
      const foreign = await startVisor(world, {
        home: "/other",
        controlAddress: `127.0.0.1:${address.port}`,
      });
      const running = await startVisor(world);
      assert.notEqual(running.control.port, address.port);
      await withControl(world, (client) => client.call("stop", {}));
      assert.equal(await running.ended, undefined);
      await running.close();
      assert.equal(
        (await withControl(world, (client) => client.call("status", {}), "/other")).home,
        "/other",
      );
      await foreign.close();
    });
  }));

Deno.test("runVisor() takes a free control port when the default one is taken, and fails for one that was asked for", () =>
  withSimulation(17, async (simulation) => {
    const world = simulation.node("alice");
    await simulation.run(async () => {
      const taken = await world.network.listen({ hostname: "127.0.0.1", port: 3435 });
      const running = await startVisor(world);
      assert.notEqual(running.control.port, 3435);
      assert.equal((await withControl(world, (client) => client.call("status", {}))).home, "/home");
      await running.close();
      for (const controlAddress of ["127.0.0.1:3435", "localhost:3435"]) {
        await assert.rejects(startVisor(world, { controlAddress }), AddressInUseError);
      }
      const configFile = "/localhost.json"; // as every file of 2024 says it: the default too
      await world.files.write(configFile, encode('{"cli_addr":"localhost:3435"}'));
      const second = await startVisor(world, { configFile });
      assert.notEqual(second.control.port, 3435);
      await second.close();
      taken.close();
    });
  }));

Deno.test("runVisor() with a configuration without keys says that they are of this run, and leaves the file alone", () =>
  withSimulation(18, async (simulation) => {
    const world = simulation.node("alice");
    await simulation.run(async () => {
      await world.files.write("/bare.json", encode("{}"));
      const said = heard();
      const running = await startVisor(world, { configFile: "/bare.json" }, said);
      assert(said.steps.includes("no secret key in /bare.json: a new one for this run"));
      await running.close();
      assert.equal(await textOf(world, "/bare.json"), "{}");
    });
  }));

Deno.test("runVisor() offers its control API to no other machine, and writes nothing when it is told to", () =>
  withSimulation(18, async (simulation) => {
    const world = simulation.node("alice");
    await simulation.run(async () => {
      for (const controlAddress of ["0.0.0.0:3435", "[::]:3435", "10.0.0.1:3435", "127.example.org:3435"]) {
        await assert.rejects(startVisor(world, { controlAddress }), {
          code: "CONTROL_NOT_LOCAL",
          fault: "caller",
        });
      }
      await world.files.write("/wide.json", encode('{"cli_addr":"0.0.0.0:3435"}'));
      await assert.rejects(startVisor(world, { configFile: "/wide.json" }), { code: "CONTROL_NOT_LOCAL" });
      assert.deepEqual(await allFiles(world), ["/wide.json"]);
    });
  }));

Deno.test("a visor's end deletes its entry within 2 s, and its control file goes last", () =>
  withSimulation(19, async (simulation) => {
    const alice = simulation.node("alice");
    await simulation.run(async () => {
      const host = await startVisor(alice);
      await host.whenReady(never);
      const [said, again] = [heard(), heard()];
      const joining = { home: "/guest", local: false, deploymentFile: "/home/local/deployment.json" };
      await (await startVisor(alice, joining, said)).close();
      assert.deepEqual(said.steps, [
        "configuration made: /guest/visor.json",
        "it names production: give --deployment at each start, or make this network its own: " +
        "skyctl conf gen -r -S /home/local/deployment.json -o /guest/visor.json",
      ]);
      const guest = await startVisor(alice, joining, again);
      assert.deepEqual(again.steps, []);
      await guest.whenReady(never);
      const key = guest.visor.publicKey;
      assert((await host.visor.dmsg.discovery.entry(key)) !== undefined);
      const startedMs = alice.clock.monotonicMs();
      await guest.close();
      assert(alice.clock.monotonicMs() - startedMs < 2_000);
      host.visor.dmsg.discovery.forget(key);
      assert.equal(await host.visor.dmsg.discovery.entry(key), undefined);
      const { files } = alice;
      const { remove } = files;
      let alive: Record<string, number> | undefined;
      const watched = (path: string) => {
        if (path === "/home/control.json") alive = alice.ledger.live();
        return remove(path);
      };
      Object.assign(files, { remove: watched });
      await host.close();
      assert.deepEqual(alive, {}); // its local network was over before the control file went
    });
  }));

Deno.test("VI-1: a whole network and its visor, started and stopped 20 times, leave nothing", () =>
  withSimulation(20, async (simulation) => {
    const world = simulation.node("alice");
    await simulation.run(async () => {
      const keys = new Set<string>();
      for (let round = 0; round < 20; round++) {
        const running = await startVisor(world);
        if (round % 3 !== 0) await running.whenReady(never); // each third is stopped while it starts
        keys.add(running.visor.publicKey);
        await running.close();
        assert.deepEqual(await world.files.list("/home"), ["local", "log", "visor.json"]);
      }
      assert.equal(keys.size, 1);
    }, { untilMs: 20 * 60_000 });
    assert.deepEqual(simulation.live(), {});
  }));

Deno.test("runVisor() ends with the failure of a part that must live", () =>
  withSimulation(21, async (simulation) => {
    const world = simulation.node("alice");
    const listeners: { close(): void }[] = [];
    const listen = world.network.listen;
    world.network.listen = async (at) => {
      const listener = await listen(at);
      listeners.push(listener);
      return listener;
    };
    await simulation.run(async () => {
      const running = await startVisor(world);
      listeners[1]!.close(); // the first dmsg server's
      const failure = await running.ended;
      assert.match(String((failure as Error).message), /./);
      assert(failure instanceof Error);
      await running.close();
    });
  }));

Deno.test("every visor of a run has its own token; the control file holds no secret key", () =>
  withSimulation(22, async (simulation) => {
    const world = simulation.node("alice");
    await simulation.run(async () => {
      const tokens = new Set<string>();
      for (let round = 0; round < 2; round++) {
        const running = await startVisor(world);
        const text = await textOf(world, "/home/control.json");
        tokens.add(JSON.parse(text).token);
        const { sk } = JSON.parse(await textOf(world, "/home/visor.json"));
        assert(!text.includes(sk));
        assert(!(await textOf(world, "/home/log/skywire.log")).includes(sk));
        assert(!JSON.stringify(running.visor.status()).includes(sk));
        await running.close();
      }
      assert.equal(tokens.size, 2);
      assert([...tokens].every((token) => /^[0-9a-f]{64}$/.test(token)));
    });
  }));

Deno.test("a visor with its configuration elsewhere tells commands of its home where that is", () =>
  withSimulation(19, async (simulation) => {
    const world = simulation.node("alice");
    await simulation.run(async () => {
      await world.files.makeDirectory("/etc");
      await world.files.write("/etc/mine.json", new TextEncoder().encode("{}"));
      const running = await startVisor(world, { local: false, configFile: "/etc/mine.json" });
      assert.equal((await readControlFile(world.files, "/home")).configFile, "/etc/mine.json");
      const { network } = running;
      await running.close();
      const dmsg = { discovery: "http://127.0.0.1:9090" };
      await world.files.write("/etc/mine.json", new TextEncoder().encode(JSON.stringify({ dmsg })));
      const again = await startVisor(world, { local: false, configFile: "/etc/mine.json" });
      const chosen = await chosenNetwork(world, { home: "/home" });
      assert.equal(network.name, "production");
      assert.equal(chosen.discoveryHttp, "http://127.0.0.1:9090");
      await again.close();
    });
  }));
