import assert from "node:assert/strict";
import type { Conn } from "../../lib/base/mod.ts";
import { Scope } from "../../lib/base/mod.ts";
import { sleep, withTimeout, type World } from "../../lib/runtime/mod.ts";
import { Simulation } from "../../lib/runtime/simulated/mod.ts";

const SEEDS = 25;
const CLIENTS = 3;
const ROUNDS = 4;

/** Gives every byte back, each connection on its own. */
async function serveEcho(world: World, scope: Scope): Promise<void> {
  const listener = await world.network.listen({ hostname: "0.0.0.0", port: 7 });
  scope.signal.addEventListener("abort", () => listener.close());
  scope.spawn("accept", async () => {
    for (let conn = await listener.accept(); conn !== null; conn = await listener.accept()) {
      const accepted = conn;
      scope.spawn("echo", () => echo(accepted, scope.signal));
    }
  });
}

async function echo(conn: Conn, signal: AbortSignal): Promise<void> {
  const onAbort = () => conn.close(signal.reason);
  signal.addEventListener("abort", onAbort);
  try {
    for (let view = await conn.read(); view !== null; view = await conn.read()) await conn.write(view);
    conn.close();
  } catch (reason) {
    conn.close(reason); // a reset is what this scenario is about
  } finally {
    signal.removeEventListener("abort", onAbort);
    await conn.closed;
  }
}

/** Sends random bytes, hashes what comes back outside of the simulation; true when it is the same. */
async function ask(world: World, bytes: Uint8Array<ArrayBuffer>): Promise<boolean> {
  let conn: Conn | undefined;
  try {
    return await withTimeout(world.clock, { what: "the echo", afterMs: 20_000 }, async (signal) => {
      const dialled = conn = await world.network.dial({ hostname: "server", port: 7 }, { signal });
      signal.addEventListener("abort", () => dialled.close(signal.reason));
      const writing = dialled.write(bytes).then(() => dialled.closeWrite());
      writing.catch(() => {});
      const back = new Uint8Array(bytes.length);
      let filled = 0;
      for (let view = await dialled.read(); view !== null; view = await dialled.read()) {
        back.set(view, filled);
        filled += view.length;
      }
      await writing;
      assert.equal(filled, bytes.length);
      const [sent, received] = await Promise.all(
        [bytes, back].map((part) => world.outside(() => crypto.subtle.digest("SHA-256", part))),
      );
      return new Uint8Array(sent!).toHex() === new Uint8Array(received!).toHex();
    });
  } catch {
    return false;
  } finally {
    conn?.close();
    await conn?.closed;
  }
}

/** One server, some clients, loss, a partition, resets, a slow reader, work outside. */
async function scenario(seed: number, extraTurns: number) {
  const simulation = new Simulation({ seed, extraTurns, link: { lossPct: 5, jitterMs: 15, latencyMs: 30 } });
  const server = simulation.node("server");
  const clients = Array.from({ length: CLIENTS }, (_, index) => simulation.node(`client${index}`));
  const answers = await simulation.run(async () => {
    await using scope = new Scope();
    await serveEcho(server, scope);
    await using faults = new Scope();
    faults.spawn("faults", async (signal) => {
      const { random } = simulation;
      for (;;) {
        await sleep(server.clock, random.integer(50, 1_500), signal);
        const name = `client${random.integer(0, CLIENTS - 1)}`;
        const fault = random.integer(0, 4);
        if (fault === 0) simulation.reset(name, "server");
        if (fault === 1) simulation.partition(name, "server");
        if (fault === 2) simulation.blackHole("server", name);
        if (fault === 3) simulation.slowReader(name, 100_000);
        await sleep(server.clock, random.integer(50, 3_000), signal);
        simulation.heal(name, "server");
        simulation.slowReader(name, Infinity);
      }
    });
    const rounds = clients.map(async (client) => {
      let right = 0;
      for (let round = 0; round < ROUNDS; round++) {
        const size = simulation.random.integer(1, 200_000);
        if (await ask(client, client.random.bytes(size) as Uint8Array<ArrayBuffer>)) right++;
      }
      return right;
    });
    return await Promise.all(rounds);
  });
  return { simulation, right: answers.reduce((sum, count) => sum + count, 0) };
}

/** Keeps the loop busy with macrotasks of its own while `work` runs. */
async function underLoad<T>(work: () => Promise<T>): Promise<T> {
  const { port1, port2 } = new MessageChannel();
  let isOver = false;
  port2.onmessage = () => {
    for (let spin = 0; spin < 500; spin++) Math.sqrt(spin);
    if (!isOver) port1.postMessage(null);
  };
  port1.postMessage(null);
  try {
    return await work();
  } finally {
    isOver = true;
    port1.close();
    port2.close();
  }
}

const hashes = new Set<string>();
let rightInAll = 0;

for (let seed = 1; seed <= SEEDS; seed++) {
  Deno.test(`a fleet of echoes does the same twice, idle and under load (seed ${seed})`, async () => {
    const first = await scenario(seed, 0);
    const second = await underLoad(() => scenario(seed, 3));
    assert.equal(second.simulation.hash, first.simulation.hash, first.simulation.report());
    assert.equal(second.right, first.right);
    assert.deepEqual(first.simulation.live(), {}, first.simulation.report());
    assert.deepEqual(second.simulation.live(), {});
    console.log(`seed ${seed} hash ${first.simulation.hash} events ${first.simulation.trace.count}`);
    hashes.add(first.simulation.hash);
    rightInAll += first.right;
  });
}

Deno.test("another seed gives another hash, and most echoes come through", () => {
  assert.equal(hashes.size, SEEDS);
  const asked = SEEDS * CLIENTS * ROUNDS;
  assert.ok(rightInAll > asked / 2 && rightInAll < asked, `${rightInAll} of ${asked} came back`);
});
