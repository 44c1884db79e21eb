/** A visor beside others in virtual time: who has its key, whose clock is off, what it serves. */
import assert from "node:assert/strict";
import { silentLog } from "../../lib/base/mod.ts";
import { runDmsgDiscovery } from "../../lib/services/dmsg_discovery/mod.ts";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import { generateConfig, renderConfig } from "../../lib/visor/mod.ts";
import type { Simulation } from "../../lib/runtime/simulated/mod.ts";
import type { RunningVisor } from "../../lib/visor/mod.ts";
import { STREAM_BEAT_MS } from "../../lib/control/mod.ts";
import { sleep, type World } from "../../lib/runtime/mod.ts";
import { OPEN_DISCOVERY, ownDeployment, startServerOfHost } from "../support/own_network.ts";
import { withSimulation } from "../support/world.ts";
import { type Heard, never, startVisor, statusThat, textOf, withControl } from "./_nodes.ts";

const encode = (text: string) => new TextEncoder().encode(text);

/** A host with a local network, and what a visor of the same machine needs to join it. */
async function withHost(
  simulation: Simulation,
  test: (host: RunningVisor, world: World, heard: Heard) => Promise<void>,
): Promise<void> {
  const world = simulation.node("alice");
  await simulation.run(async () => {
    const heard: Heard = { steps: [], records: [] };
    const host = await startVisor(world, {}, heard);
    await host.whenReady(never);
    await test(host, world, heard);
    await host.close();
  });
}

const GUEST = { local: false, deploymentFile: "/home/local/deployment.json" };

Deno.test("two visors with one key: the server's log says so, and so does visor status", () =>
  withSimulation(31, async (simulation) => {
    await withHost(simulation, async (_host, world, heard) => {
      const { secretKey, publicKey } = keyPairFromSeed(encode("shared"));
      const text = renderConfig(generateConfig(secretKey, {}));
      await world.files.write("/shared.json", encode(text));
      const options = { ...GUEST, configFile: "/shared.json" };
      const one = await startVisor(world, { ...options, home: "/one" });
      await one.whenReady(never);
      const two = await startVisor(world, { ...options, home: "/two" });
      const warningOf = (running: RunningVisor) =>
        running.visor.status().warnings.find(({ code }) => code === "DUPLICATE_KEY");
      await statusThat(one, world, () => (warningOf(one) ?? warningOf(two)) !== undefined);
      const { text: said, hint } = (warningOf(one) ?? warningOf(two))!;
      assert.match(said, /process/);
      assert.match(hint ?? "", /skyctl keys gen/);
      const line = heard.records.find(({ message }) => message.includes("are two processes using this key?"));
      assert.equal(line?.level, "warn");
      assert.equal(line?.fields.key, publicKey);
      await Promise.all([one.close(), two.close()]);
    });
  }));

Deno.test("a visor alone with its key has no such warning", () =>
  withSimulation(32, async (simulation) => {
    await withHost(simulation, async (host, world) => {
      const guest = await startVisor(world, { ...GUEST, home: "/guest" });
      await guest.whenReady(never);
      await statusThat(guest, world, ({ uptimeMs }) => uptimeMs > 120_000);
      assert.deepEqual(guest.visor.status().warnings, []);
      assert.deepEqual(host.visor.status().warnings, []);
      await guest.close();
    });
  }));

Deno.test("a visor whose network restarts soon after its start has no such warning either", () =>
  withSimulation(35, async (simulation) => {
    const [host, guest] = [simulation.node("host"), simulation.node("guest")];
    await simulation.run(async () => {
      const first = await startNetworkFor(host);
      await guest.files.write("/net.json", encode(first.file));
      const running = await startVisor(guest, { local: false, deploymentFile: "/net.json" });
      await running.whenReady(never);
      await first.close();
      await statusThat(running, guest, ({ ready }) => !ready);
      const second = await startNetworkFor(host);
      await statusThat(running, guest, ({ ready }) => ready);
      const codes = running.visor.status().warnings.map(({ code }) => code);
      assert(!codes.includes("DUPLICATE_KEY"), codes.join());
      await running.close();
      await second.close();
    });
  }));

Deno.test("a visor ends well within 2 s although its network is silent and callers of its control API hang", () =>
  withSimulation(36, async (simulation) => {
    const [host, guest] = [simulation.node("host"), simulation.node("guest")];
    await simulation.run(async () => {
      const network = await startNetworkFor(host);
      await guest.files.write("/net.json", encode(network.file));
      await guest.files.makeDirectory("/site");
      const running = await startVisor(guest, { local: false, deploymentFile: "/net.json" });
      await running.whenReady(never);
      const { port } = running.control;
      const { token } = JSON.parse(await textOf(guest, "/home/control.json"));
      const body = '{"folder":"/site","port":80}';
      const head = `POST /v1/dmsg/serve HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n` +
        `Content-Length: ${body.length}\r\n\r\n`;
      const call = async (text: string) => {
        const caller = await guest.network.dial({ hostname: "127.0.0.1", port });
        await caller.write(encode(text));
        return caller;
      };
      const question = `GET /v1/status HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n\r\n`;
      const follow = '{"follow":true,"minLevel":"debug"}';
      // One holds its lease, one never sends the rest of its question, one reads none of its many answers, and one follows
      // the log and reads none of it.
      const callers = [
        await call(head + body),
        await call(head + body.slice(0, 9)),
        await call(question.repeat(1_000)),
        await call(
          `POST /v1/log HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n` +
            `Content-Length: ${follow.length}\r\n\r\n${follow}`,
        ),
      ];
      await statusThat(running, guest, ({ serving }) => serving.length === 1);
      simulation.blackHole("guest");
      const startedMs = guest.clock.monotonicMs();
      await running.close();
      const tookMs = guest.clock.monotonicMs() - startedMs;
      assert(tookMs < 1_000, `${tookMs} ms`); // the waits for both are not added up
      for (const caller of callers) caller.close(new Error("done"));
      await Promise.all(callers.map(({ closed }) => closed));
      simulation.heal("guest");
      await network.close();
    });
  }));

for (const skewMs of [-10 * 60_000, 10 * 60_000]) {
  Deno.test(`a clock that is off by ${skewMs / 60_000} min is said plainly, until it is set`, () =>
    withSimulation(33, async (simulation) => {
      // The network's machine has the right time; the visor, elsewhere, has not.
      const [host, late] = [simulation.node("host"), simulation.node("late", { skewMs })];
      await simulation.run(async () => {
        const network = await startNetworkFor(host);
        await late.files.write("/net.json", encode(network.file));
        const running = await startVisor(late, { local: false, deploymentFile: "/net.json" });
        const status = await statusThat(running, late, ({ warnings }) => warnings.length > 0);
        assert.deepEqual(status.warnings.map(({ code }) => code), ["CLOCK_OFF"]);
        assert.match(
          status.warnings[0]!.text,
          skewMs < 0 ? /clock is 600 s behind/ : /clock is (600|601) s ahead/,
        );
        assert.match(status.warnings[0]!.hint ?? "", /^set this machine's clock; it reads 20/);
        simulation.setSkew("late", 0);
        await running.visor.dmsg.connectAll(); // asks the discovery anew
        assert.deepEqual(running.visor.status().warnings, []);
        await running.close();
        await network.close();
      });
    }));
}

/** A dmsg discovery and server that are reached from other machines. */
async function startNetworkFor(world: World): Promise<{ file: string; close(): Promise<void> }> {
  const local = keyPairFromSeed(encode("server of a network"));
  const discovery = await runDmsgDiscovery({
    world,
    log: silentLog,
    settings: OPEN_DISCOVERY,
  });
  const server = await startServerOfHost(world, local);
  return {
    file: ownDeployment(local),
    async close() {
      await server.close();
      await discovery.close();
    },
  };
}

Deno.test("a visor without a reachable server is not ready, says why, and stops at once", () =>
  withSimulation(34, async (simulation) => {
    const world = simulation.node("alone");
    await simulation.run(async () => {
      const { publicKey } = keyPairFromSeed(encode("nobody"));
      const dmsg_servers = [{ static: publicKey, server: { address: "127.0.0.1:1" } }];
      await world.files.write(
        "/net.json",
        encode(JSON.stringify({ own: { dmsg_discovery: "http://127.0.0.1:2", dmsg_servers } })),
      );
      const running = await startVisor(world, { local: false, deploymentFile: "/net.json" });
      const status = await statusThat(running, world, ({ dmsg }) => dmsg.lastFailure !== undefined);
      assert.equal(status.ready, false);
      assert.match(status.dmsg.lastFailure!, /127\.0\.0\.1:1/);
      const startedMs = world.clock.monotonicMs();
      await running.close();
      assert(world.clock.monotonicMs() - startedMs < 2_000);
    });
  }));

Deno.test("mount() serves over dmsg on 80 and other ports, and takes each off again", () =>
  withSimulation(35, async (simulation) => {
    await withHost(simulation, async (host, world) => {
      await world.files.makeDirectory("/site");
      await world.files.write("/site/a.txt", encode("hello"));
      const guest = await startVisor(world, { ...GUEST, home: "/guest" });
      await guest.whenReady(never);
      const get = async (port: number) => {
        const url = `http://${host.visor.publicKey}:${port}/a.txt`;
        const response = await guest.visor.http.send({ url });
        return `${response.status} ${await response.text(100)}`;
      };
      assert.match(await get(80), /^404/);
      const off80 = await host.visor.mount({ folder: "/site", port: 80 });
      const off81 = await host.visor.mount({ folder: "site/", port: 81 });
      assert.equal(await get(80), "200 hello");
      assert.equal(await get(81), "200 hello");
      assert.deepEqual(host.visor.status().serving, [{ folder: "/site", port: 81 }, {
        folder: "/site",
        port: 80,
      }]);
      await assert.rejects(host.visor.mount({ folder: "/site", port: 81 }), { code: "DMSG_PORT_TAKEN" });
      await world.files.makeDirectory("/other");
      await world.files.write("/other/a.txt", encode("other"));
      for (const port of [80, 81]) {
        await assert.rejects(host.visor.mount({ folder: "/other", port }), {
          code: "DMSG_PORT_TAKEN",
          message: `Cannot serve on dmsg port ${port}: /site is served there`,
        });
      }
      const both = ["/site", "/other"].map((folder) => host.visor.mount({ folder, port: 83 }));
      assert.deepEqual((await Promise.allSettled(both)).map(({ status }) => status), [
        "fulfilled",
        "rejected",
      ]);
      (await both[0]!)();
      assert.equal(await get(80), "200 hello");
      await assert.rejects(host.visor.mount({ folder: "/site/a.txt", port: 82 }), { code: "NOT_A_FOLDER" });
      await assert.rejects(host.visor.mount({ folder: "/none", port: 82 }), { code: "NOT_A_FOLDER" });
      off80();
      off80(); // takes off only its own
      const offOther = await host.visor.mount({ folder: "/other", port: 80 });
      assert.equal(await get(80), "200 other", "the port is free again");
      offOther();
      assert.deepEqual(host.visor.status().serving, [{ folder: "/site", port: 81 }]);
      off81();
      assert.deepEqual(host.visor.status().serving, []);
      assert.match(await get(80), /^404/);
      await guest.close();
      await host.close();
      await assert.rejects(host.visor.mount({ folder: "/site", port: 83 }), { code: "DMSG_200" });
    });
  }));

Deno.test("a visor's port 80 tells its health to strangers and its log to itself alone", () =>
  withSimulation(36, async (simulation) => {
    await withHost(simulation, async (host, world) => {
      const guest = await startVisor(world, { ...GUEST, home: "/guest" });
      await guest.whenReady(never);
      const get = async (from: RunningVisor, path: string) => {
        const response = await from.visor.http.send({ url: `http://${host.visor.publicKey}:80${path}` });
        return { status: response.status, text: await response.text(1 << 20) };
      };
      const health = JSON.parse((await get(guest, "/health")).text);
      assert.equal(health.public_key, host.visor.publicKey);
      assert.equal(health.ready, true);
      assert.equal(health.dmsg_servers.length, 2);
      assert.equal((await get(guest, "/visor.log")).status, 401);
      const own = await get(host, "/visor.log?min-level=info&grep=Visor+started");
      assert.equal(own.status, 200);
      assert.match(own.text, /^\[\S+\] INFO \[skyctl\]: Visor started key=/);
      await guest.close();
    });
  }));

Deno.test("the control API's serve lease ends when its caller goes, and when the visor stops", () =>
  withSimulation(37, async (simulation) => {
    await withHost(simulation, async (host, world) => {
      await world.files.makeDirectory("/site");
      for (const port of [80, 8080]) {
        await withControl(world, async (client) => {
          const left = new AbortController();
          const lines = client.stream("serve", { folder: "/site", port }, left.signal);
          assert.deepEqual(await lines.next(), { value: { serving: true }, done: false });
          assert.deepEqual(host.visor.status().serving, [{ folder: "/site", port }]);
          const ended = assert.rejects(lines.next(), { name: "AbortError" }); // beats are no lines
          await sleep(world.clock, 4 * STREAM_BEAT_MS);
          left.abort(new DOMException("Interrupted", "AbortError"));
          await ended;
        });
        await statusThat(host, world, ({ serving }) => serving.length === 0);
      }
      await withControl(world, async (client) => {
        const lines = client.stream("serve", { folder: "/site", port: 80 }, never);
        await lines.next();
        const ended = lines.next().catch(() => ({ done: true }));
        const startedMs = world.clock.monotonicMs();
        await host.close();
        assert(world.clock.monotonicMs() - startedMs < 2_000);
        assert.equal((await ended).done, true);
      });
    });
  }));
