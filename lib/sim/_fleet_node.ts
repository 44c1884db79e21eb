/**
 * A member of a fleet: a machine with a disk and keys, on which one program is started, stopped or killed.
 *
 *     down --start--> up --stop--> down        stop: in order, everything is joined
 *                     up --kill--> dead        kill: none of its code runs again
 *                     dead --start--> up       same name, address, disk and keys
 *
 * @module
 */
import type { Log } from "../base/mod.ts";
import type { KeyPair, PublicKey } from "../crypto/mod.ts";
import type { World } from "../runtime/mod.ts";
import type { NodeOptions, Simulation } from "../runtime/simulated/mod.ts";
import type { Timeline } from "./timeline.ts";

export interface FleetNodeOptions {
  readonly simulation: Simulation;
  readonly timeline: Timeline;
  readonly name: string;
  readonly keys: KeyPair;
  /** Where its machine is, when not just anywhere. */
  readonly machine?: Pick<NodeOptions, "address" | "behind">;
}

export type NodeState = "down" | "up" | "dead";

export abstract class FleetNode {
  readonly name: string;
  readonly keys: KeyPair;
  protected readonly log: Log;
  protected readonly timeline: Timeline;
  readonly #simulation: Simulation;
  #machine: NodeOptions | undefined;
  #world: World | undefined;
  #state: NodeState = "down";
  #killed = Promise.withResolvers<void>();
  #startedMs = 0;

  constructor({ simulation, timeline, name, keys, machine }: FleetNodeOptions) {
    this.#simulation = simulation;
    this.#machine = machine;
    this.timeline = timeline;
    this.name = name;
    this.keys = keys;
    this.log = timeline.logOf(name);
  }

  get publicKey(): PublicKey {
    return this.keys.publicKey;
  }
  get state(): NodeState {
    return this.#state;
  }
  get isUp(): boolean {
    return this.#state === "up";
  }
  get isBehindNat(): boolean {
    return this.#machine?.behind !== undefined;
  }
  /** Virtual time of the last start. */
  get startedMs(): number {
    return this.#startedMs;
  }

  /** Resolves when the running program is killed. What waits for its code must wait for this too. */
  get killed(): Promise<void> {
    return this.#killed.promise;
  }

  /** Its machine, switched on at the first mention. */
  get world(): World {
    this.#world ??= this.#simulation.node(this.name, this.#machine);
    return this.#world;
  }

  /** Puts its machine somewhere else. Only before the first mention of it. */
  place(machine: FleetNodeOptions["machine"]): void {
    if (this.#world !== undefined) throw new TypeError(`${this.name} has its place already`);
    this.#machine = machine;
  }

  /** Starts the program, which is no promise that it is ready. */
  async start(): Promise<void> {
    if (this.#state === "up") throw new TypeError(`${this.name} runs already`);
    if (this.#state === "dead") this.#world = this.#simulation.node(this.name, this.#machine);
    this.#killed = Promise.withResolvers();
    this.#state = "up";
    this.#startedMs = this.#simulation.nowMs;
    this.timeline.add(this.name, "started");
    await this.boot(this.world);
  }

  /** Ends the program in order, and joins it. */
  async stop(): Promise<void> {
    if (this.#state !== "up") throw new TypeError(`${this.name} does not run`);
    this.timeline.add(this.name, "told to stop");
    await this.shutdown();
    this.#state = "down";
    this.timeline.add(this.name, "stopped");
  }

  /** `reset`: the program is gone, its machine resets its connections. `silent`: the machine is gone. */
  kill(how: "reset" | "silent"): void {
    if (this.#state !== "up") throw new TypeError(`${this.name} does not run`);
    this.#simulation.halt(this.name, how);
    this.#state = "dead";
    this.#killed.resolve();
    this.timeline.add(
      this.name,
      how === "reset" ? "killed; its machine resets its connections" : "died in silence",
    );
  }

  protected abstract boot(world: World): Promise<void>;
  protected abstract shutdown(): Promise<void>;
}
