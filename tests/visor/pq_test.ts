/** The post-quantum hybrid from the settings of a process to what its visor shows (PQ-1 to PQ-3). */
import assert from "node:assert/strict";
import { renderSessions } from "../../commands/_render_sessions.ts";
import { postQuantumOf } from "../../commands/_post_quantum.ts";
import { REQUIRE_VARIABLE } from "../../commands/post_quantum_option.ts";
import { renderStatus } from "../../commands/visor/_render_status.ts";
import { type LogRecord, logTo, silentLog } from "../../lib/base/mod.ts";
import { keyPairFromSeed, seededKem } from "../../lib/crypto/mod.ts";
import type { PostQuantumMode, PostQuantumSettings } from "../../lib/noise/mod.ts";
import type { World } from "../../lib/runtime/mod.ts";
import { attachDmsg, runDmsgDiscovery } from "../../lib/services/dmsg_discovery/mod.ts";
import { OPEN_DISCOVERY, ownDeployment, startServerOfHost } from "../support/own_network.ts";
import { withSimulation } from "../support/world.ts";
import { type Heard, never, startVisor, statusThat, withControl } from "./_nodes.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const REQUIRED = /^post-quantum required \(SKYWIRE_REQUIRE_PQ\)/;

Deno.test("a local network is hybrid throughout; status, sessions and log say so, also where it is required", () =>
  withSimulation(71, async (simulation) => {
    const world = simulation.node("alice");
    await simulation.run(async () => {
      for (const mode of [undefined, "require"] as const) {
        let made = 0;
        const kem = seededKem(world.random);
        const counting = { ...kem, generate: () => (made++, kem.generate()) };
        const heard: Heard = { steps: [], records: [] };
        const running = await startVisor(world, { postQuantum: { mode, kem: counting } }, heard);
        await running.whenReady(never);
        await statusThat(running, world, ({ dmsg }) => dmsg.sessions.length === 2);
        const { status, sessions } = await withControl(world, async (client) => ({
          status: await client.call("status", {}),
          sessions: await client.call("dmsgSessions", {}),
        }));
        assert.deepEqual(sessions.map(({ postQuantum }) => postQuantum), [true, true]);
        assert.deepEqual(status.dmsg.sessions.map(({ postQuantum }) => postQuantum), [true, true]);
        for (const text of [renderSessions(sessions), renderStatus(status)]) {
          assert.match(text, /post-quantum/i);
          assert.equal(text.match(/\byes\b/g)!.length >= 2, true);
        }
        const lines = heard.records.filter(({ message }) => message === "Session established");
        const modules = new Set(lines.map(({ module }) => module));
        assert.deepEqual([...modules].sort(), [
          "address-resolver.dmsg",
          "dmsg",
          "dmsg-discovery.dmsg",
          "dmsg-server-1",
          "dmsg-server-2",
          "route-finder.dmsg",
          "service-discovery.dmsg",
          "setup-node.dmsg",
          "transport-discovery.dmsg",
          "uptime-tracker.dmsg",
        ]);
        assert.ok(lines.every(({ fields }) => fields.post_quantum === true));
        assert.ok(made >= 4, `${made} key pairs: the visor's and the discovery's sessions, by the KEM given`);
        await running.close();
      }
    });
  }));

Deno.test("renderSessions() tells a classical session from a hybrid one", () => {
  const session = {
    server: "s",
    remote: "r",
    address: "a:1",
    streams: 0,
    uptimeMs: 1,
    bytesIn: 1,
    bytesOut: 1,
  };
  const lines = renderSessions([
    { ...session, postQuantum: false },
    { ...session, postQuantum: true },
  ]).split("\n");
  const [classical, hybrid] = lines.filter((line) => /a:1/.test(line));
  assert.match(classical!, /\bno\b/);
  assert.match(hybrid!, /\byes\b/);
});

for (const required of ["visor", "server", "discovery"] as const) {
  Deno.test(`PQ-3: a ${required} that requires the hybrid refuses the others, which are without it`, () =>
    withSimulation(72, async (simulation) => {
      const host = simulation.node("host");
      const alice = simulation.node("alice");
      await simulation.run(async () => {
        const mode = (who: string): PostQuantumMode => who === required ? "require" : "off";
        const network = await startNetwork(host, mode);
        await alice.files.write("/net.json", encode(network.file));
        const running = await startVisor(alice, {
          local: false,
          deploymentFile: "/net.json",
          postQuantum: { mode: mode("visor") },
        });
        const { visor } = running;
        if (required === "visor") {
          const status = await statusThat(running, alice, ({ dmsg }) => dmsg.lastFailure !== undefined);
          assert.match(status.dmsg.lastFailure!, REQUIRED);
          assert.equal(status.ready, false);
        } else if (required === "server") {
          await network.heard((record) => record.message === "Session refused", visor.publicKey);
          assert.equal(visor.status().ready, false);
          const { warnings } = await statusThat(running, alice, ({ uptimeMs }) => uptimeMs > 40_000);
          const refused = warnings.find(({ code }) => code === "SESSION_REFUSED");
          assert.match(
            refused!.text,
            /it may be full, or have a newer one of another process with this key, or refuse classical sessions.*SKYWIRE_REQUIRE_PQ/,
          );
          assert.match(refused!.hint!, /--post-quantum offer/);
          assert.ok(!warnings.some(({ code }) => code === "DUPLICATE_KEY"), "no second process is made up");
        } else {
          await running.whenReady(never); // over plain HTTP: the two do not meet
          assert.deepEqual(visor.status().dmsg.sessions.map(({ postQuantum }) => postQuantum), [false]);
          await network.heard((record) => REQUIRED.test(String(record.fields.cause)), undefined);
        }
        await running.close();
        await network.close();
      });
    }));
}

Deno.test("postQuantumOf() requires the hybrid for any value but none and an empty one", () => {
  const world: Pick<World, "outside"> = { outside: (work) => work() };
  for (const [value, mode] of [[undefined, "offer"], ["", "offer"], ["1", "require"], ["0", "require"]]) {
    const asked: string[] = [];
    const env = (name: string) => (asked.push(name), value);
    assert.equal(postQuantumOf({ env }, world).mode, mode, `${value}`);
    assert.deepEqual(asked, ["SKYWIRE_REQUIRE_PQ"]);
  }
  assert.equal(REQUIRE_VARIABLE, "SKYWIRE_REQUIRE_PQ");
});

Deno.test("postQuantumOf() lets --post-quantum beat the environment", () => {
  const world: Pick<World, "outside"> = { outside: (work) => work() };
  for (const postQuantum of ["off", "offer", "require"] as const) {
    for (const value of [undefined, "1"]) {
      assert.equal(postQuantumOf({ env: () => value }, world, { postQuantum }).mode, postQuantum);
    }
  }
});

Deno.test("postQuantumOf() has a KEM that waits outside of the event loop", async () => {
  let waited = 0;
  const world: Pick<World, "outside"> = { outside: (work) => (waited++, work()) };
  const { kem } = postQuantumOf({ env: () => undefined }, world);
  const pair = await kem!.generate();
  const { ciphertext, sharedSecret } = await kem!.encapsulate(pair.encapsulationKey);
  assert.deepEqual(await pair.decapsulate(ciphertext), sharedSecret);
  assert.equal(waited, 4);
});

/** A discovery and a server that are reached from other machines, each in a mode of its own. */
async function startNetwork(world: World, mode: (who: "server" | "discovery") => PostQuantumMode) {
  const server = keyPairFromSeed(encode("server of a network"));
  const local = keyPairFromSeed(encode("discovery of a network"));
  const records: LogRecord[] = [];
  const log = logTo((record) => records.push(record), () => world.clock.wallMs());
  const settings = (who: "server" | "discovery"): PostQuantumSettings => ({ mode: mode(who) });
  const about = {
    version: "0.0.1",
    sequence: 0n,
    timestamp: 0n,
    static: server.publicKey,
    server: { address: "host:8081", availableSessions: 1 },
  };
  const discovery = await runDmsgDiscovery({
    world,
    log: silentLog,
    settings: { ...OPEN_DISCOVERY, mode: "dual", publicKey: local.publicKey },
    dmsg: attachDmsg({ world, local, servers: [about], log, postQuantum: settings("discovery") }),
  });
  const running = await startServerOfHost(world, server, { log, postQuantum: settings("server") });
  return {
    file: ownDeployment(server),
    /** Waits, at most a virtual minute, for a warning about `key`. */
    async heard(isMeant: (record: LogRecord) => boolean, key: string | undefined): Promise<void> {
      for (let waitedMs = 0; waitedMs < 60_000; waitedMs += 500) {
        const found = records.filter((record) => record.level === "warn" && isMeant(record));
        if (found.some(({ fields }) => key === undefined || fields.key === key)) return;
        await new Promise<void>((resolve) => world.clock.timer(500, resolve));
      }
      assert.fail("it was never said");
    },
    async close() {
      await running.close();
      await discovery.close();
    },
  };
}
