/**
 * A network on one simulated machine, and whole visors on others: each `visor run` with its own disk, its control
 * API and its public address, so that any of them can be killed.
 *
 * @module
 */
import assert from "node:assert/strict";
import { type Conn, type LogRecord, logTo } from "../../lib/base/mod.ts";
import {
  ControlClient,
  type ControlInput,
  type ControlName,
  type ControlOutput,
} from "../../lib/control/mod.ts";
import { keyPairFromSeed, type PublicKey } from "../../lib/crypto/mod.ts";
import { renderDeploymentFile, type TransportRecord } from "../../lib/directory/mod.ts";
import { connectSocks } from "../../lib/proxy/mod.ts";
import { sleep, type SocketAddress, type World } from "../../lib/runtime/mod.ts";
import type { Simulation, SimulationOptions } from "../../lib/runtime/simulated/mod.ts";
import { LocalNetwork } from "../../lib/visor/local/mod.ts";
import type { RunningVisor } from "../../lib/visor/mod.ts";
import { withSimulation } from "../support/world.ts";
import { never, startVisor } from "./_nodes.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);

/** The pair of a visor, by its name. */
export function pairOf(name: string) {
  return keyPairFromSeed(utf8(`visor ${name}`));
}

export function keyOf(name: string): PublicKey {
  return pairOf(name).publicKey;
}

/** Arguments of a skysocks client on port 1080. */
export function proxyArgs(server: string, ...more: string[]): string[] {
  return ["--srv", keyOf(server), "--addr", "127.0.0.1:1080", ...more];
}

/** Configurations of visors by name; what is given is laid over a default with the visor's keys. */
export type Configs = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

export class Fleet {
  readonly records: LogRecord[] = [];
  readonly #running = new Map<string, RunningVisor>();
  readonly #worlds = new Map<string, World>();

  constructor(readonly simulation: Simulation, readonly network: LocalNetwork, readonly netWorld: World) {}

  world(name: string): World {
    return this.#worlds.get(name)!;
  }

  running(name: string): RunningVisor {
    return this.#running.get(name)!;
  }

  node(name: string) {
    return this.running(name).visor.node;
  }

  sleep(ms: number): Promise<void> {
    return sleep(this.netWorld.clock, ms);
  }

  get nowMs(): number {
    return this.simulation.nowMs;
  }

  /** Starts a visor on a machine of its own, again after it was killed or closed. */
  async start(
    name: string,
    { config = {}, deployment = this.deployment, onWorld = () => {} }: {
      config?: Readonly<Record<string, unknown>>;
      deployment?: string;
      /** Told of a machine before its visor starts. */
      onWorld?: (world: World) => void;
    } = {},
  ): Promise<RunningVisor> {
    const index = [...this.#worlds.keys()].indexOf(name);
    const isDown = !this.#worlds.has(name) || this.#halted.has(name);
    const at = index < 0 ? this.#worlds.size + 1 : index + 1;
    const world = isDown ? this.simulation.node(name, { address: `203.0.113.${at}` }) : this.world(name);
    this.#halted.delete(name);
    this.#worlds.set(name, world);
    onWorld(world);
    await world.files.write("/deployment.json", utf8(deployment));
    const { publicKey, secretKey } = pairOf(name);
    if (await world.files.info("/visor.json") === undefined || Object.keys(config).length > 0) {
      const content = { pk: publicKey, sk: secretKey.reveal(), ...config };
      await world.files.write("/visor.json", utf8(JSON.stringify(content)));
    }
    const records = this.records;
    const running = await startVisor(world, {
      local: false,
      deploymentFile: "/deployment.json",
      configFile: "/visor.json",
      logLevel: "debug",
    }, { steps: [], records });
    this.#running.set(name, running);
    return running;
  }

  readonly #halted = new Set<string>();

  /** The machine of a visor is gone (`silent`), or its process alone (`reset`). */
  kill(name: string, how: "reset" | "silent" = "reset"): void {
    this.simulation.halt(name, how);
    this.#halted.add(name);
    this.#running.delete(name);
  }

  async stop(name: string): Promise<void> {
    const running = this.running(name);
    this.#running.delete(name);
    await running.close();
  }

  /** What a visor needs to join, as text. */
  get deployment(): string {
    return renderDeploymentFile(this.network.network);
  }

  /** One call of a visor's control API, over its socket. */
  async call<Name extends ControlName>(
    name: string,
    call: Name,
    input: ControlInput<Name>,
  ): Promise<ControlOutput<Name>> {
    await using client = await ControlClient.open("/home", this.world(name));
    return await client.call(call, input);
  }

  /** A transport by control call; its id. */
  async link(from: string, to: string, type = "stcpr"): Promise<string> {
    return (await this.call(from, "transportAdd", { key: keyOf(to), type })).id;
  }

  /** What the transport discovery has. */
  async registered(of: string): Promise<readonly TransportRecord[]> {
    const some = [...this.#running.values()][0]!;
    return await some.visor.node.services.transportDiscovery!.byEdge(keyOf(of));
  }

  /** Waits until `holds`, at most so long; the time that it took. */
  async until(what: string, holds: () => boolean | Promise<boolean>, withinMs = 60_000): Promise<number> {
    const startedMs = this.nowMs;
    while (!(await holds())) {
      if (this.nowMs - startedMs > withinMs) throw new Error(`Not within ${withinMs} ms: ${what}`);
      await this.sleep(100);
    }
    return this.nowMs - startedMs;
  }

  /** A connection of a program beside visor `name`, through its proxy on port 1080. */
  async browse(name: string, target: SocketAddress): Promise<Conn> {
    const world = this.world(name);
    const socket = await world.network.dial({ hostname: "127.0.0.1", port: 1080 });
    return (await connectSocks(socket, target, { clock: world.clock })).conn;
  }

  async closeAll(): Promise<void> {
    for (const name of [...this.#running.keys()]) await this.stop(name);
    await this.network.close();
  }
}

/** Runs `test` with a network and these visors, ready; at the end all is closed, and nothing may be alive. */
export async function withFleet(
  seed: number,
  names: readonly string[],
  test: (fleet: Fleet) => Promise<void>,
  { configs = {}, ...options }: Omit<SimulationOptions, "seed"> & { configs?: Configs } = {},
): Promise<void> {
  await withSimulation(seed, async (simulation) => {
    const net = simulation.node("net", { address: "198.51.100.1" });
    await simulation.run(async () => {
      await net.files.makeDirectory("/network");
      const records: LogRecord[] = [];
      const network = await LocalNetwork.start({
        world: net,
        log: logTo((record) => records.push(record), () => simulation.nowMs, "net"),
        folder: "/network",
        hostname: "198.51.100.1",
        version: "1.2.3",
      });
      const fleet = new Fleet(simulation, network, net);
      for (const name of names) await fleet.start(name, { config: configs[name] });
      await Promise.all(names.map((name) => fleet.running(name).whenReady(never)));
      try {
        await test(fleet);
      } catch (error) {
        console.error(fleet.records.slice(-60).map((record) => JSON.stringify(record)).join("\n"));
        throw error;
      }
      await fleet.closeAll();
    });
  }, options);
}

/** A web server of its own machine: answers each connection with what it reads, until the reader ends. */
export async function echoServer(
  fleet: Fleet,
): Promise<{ address: SocketAddress; close: () => Promise<void> }> {
  const world = fleet.simulation.node("web", { address: "198.51.100.80" });
  const listener = await world.network.listen({ hostname: "0.0.0.0", port: 80 });
  const serving = new Map<Conn, Promise<void>>();
  const loop = (async () => {
    for (let conn = await listener.accept(); conn !== null; conn = await listener.accept()) {
      const served = conn;
      serving.set(served, echo(served).finally(() => serving.delete(served)));
    }
    for (const conn of serving.keys()) conn.close(); // a reader may have gone without a word
    await Promise.all(serving.values());
  })();
  return {
    address: { hostname: "198.51.100.80", port: 80 },
    close: async () => {
      listener.close();
      await loop;
    },
  };
}

async function echo(conn: Conn): Promise<void> {
  try {
    for (let view = await conn.read(); view !== null; view = await conn.read()) {
      await conn.write(view.slice());
    }
  } catch { /* its other end is gone */ }
  conn.close();
  await conn.closed;
}

/** Sends `bytes` and reads as many back. */
export async function echoed(conn: Conn, bytes: Uint8Array): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const reading = (async () => {
    while (length < bytes.length) {
      const view = await conn.read();
      if (view === null) throw new Error(`The end after ${length} of ${bytes.length} bytes`);
      parts.push(view.slice());
      length += view.length;
    }
  })();
  await Promise.all([conn.write(bytes), reading]);
  assert.equal(length, bytes.length);
  return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
}

/** Nothing but the visor's own errands (a question to a service, its timers) may be alive besides what was. */
export function assertGrownLittle(
  before: Record<string, number>,
  now: Record<string, number>,
  most = 5,
): void {
  for (const [kind, count] of Object.entries(now)) {
    const was = before[kind] ?? 0;
    assert(count <= was + most, `${kind}: ${was} before, ${count} now`);
  }
}
