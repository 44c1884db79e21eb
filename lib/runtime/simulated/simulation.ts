/**
 * `Simulation`: many nodes in one process, in virtual time, the same way for the same seed.
 *
 *     take the earliest event -> run it -> let the loop run dry -> hand in one result from outside -> dry -> ...
 *
 * @module
 */
import { Ledger } from "../../base/mod.ts";
import { BadAddressError } from "../errors.ts";
import type { World } from "../world.ts";
import { SimulationError } from "./errors.ts";
import { EventQueue } from "./event_queue.ts";
import { type DatagramCounts, Fabric } from "./fabric.ts";
import { type Guard, installGuard } from "./guard.ts";
import type { LinkProfile } from "./links.ts";
import type { NatBox, NatKind } from "./nat.ts";
import { SimulatedNode } from "./node.ts";
import { OutsideWork } from "./outside_work.ts";
import { DRY_TURNS, runDry } from "./run_dry.ts";
import { SeededRandom } from "./seeded.ts";
import { Trace } from "./trace.ts";
import { VIRTUAL_START_MS } from "./virtual_clock.ts";

/** Virtual time that a scenario has unless told: an hour. */
const UNTIL_MS = 3_600_000;
/** Virtual time after the scenario in which closed sockets may still say good-bye. */
const SETTLE_MS = 120_000;
/** Events at one instant: a fleet of thousands that starts at once needs some ten thousands. */
const EVENTS_AT_ONCE_MAX = 300_000;

export interface SimulationOptions {
  /** Everything random comes from it. */
  readonly seed: number | string;
  /** Macrotask turns after each event beyond those needed: a run must not depend on them. */
  readonly extraTurns?: number;
  /** Of every link that says nothing else. */
  readonly link?: Partial<LinkProfile>;
  /** Unix time of the start. */
  readonly startWallMs?: number;
}

export interface NodeOptions {
  /** How far the node's wall clock is ahead (or, negative, behind). */
  readonly skewMs?: number;
  /** Its IP address. Default 10.0.x.y, in the order of the nodes; 192.168.1.x behind a NAT box. */
  readonly address?: string;
  /** The name of the NAT box that it is behind; as before for a node that is started again. Default none. */
  readonly behind?: string;
  /** Names that resolve to it, besides its own. */
  readonly hostnames?: readonly string[];
  /** Counts what is alive in it. Default one of its own. */
  readonly ledger?: Ledger;
}

export interface NatOptions {
  readonly kind: NatKind;
  /** How long it remembers what went out. Default `NAT_MAPPING_MS`. */
  readonly mappingMs?: number;
  /** Its public address. Default 203.0.113.x, in the order of the boxes. */
  readonly address?: string;
}

export interface RunOptions {
  /** Virtual time that the scenario may take. Default an hour. */
  readonly untilMs?: number;
  /** Virtual time that what it leaves behind may then go on for, good-byes of closed sockets above all. */
  readonly settleMs?: number;
}

export class Simulation {
  readonly seed: string;
  readonly trace = new Trace();
  readonly random: SeededRandom;
  readonly #queue = new EventQueue();
  readonly #outside = new OutsideWork();
  readonly #fabric: Fabric;
  readonly #nodes = new Map<string, SimulatedNode>();
  readonly #turns: number;
  readonly #startWallMs: number;
  #natBoxes = 0;
  #nowMs = 0;
  #atThisInstant = 0; // events since virtual time last moved

  constructor({ seed, extraTurns = 0, link = {}, startWallMs = VIRTUAL_START_MS }: SimulationOptions) {
    this.seed = String(seed);
    this.random = new SeededRandom(seed).fork("scenario");
    this.#turns = DRY_TURNS + extraTurns;
    this.#startWallMs = startWallMs;
    this.#fabric = new Fabric({
      random: new SeededRandom(seed).fork("network"),
      link,
      nowMs: () => this.#nowMs,
      schedule: (delayMs, node, event, length, run) => this.#schedule(delayMs, node, event, length, run),
      trace: (node, event, length) => this.trace.add(this.#nowMs, node.name, event, length),
    });
  }

  /** Virtual milliseconds since the start. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** What became of all datagrams so far. */
  get datagrams(): Readonly<DatagramCounts> {
    return this.#fabric.datagrams;
  }

  /** Equal for two runs in which the same happened. */
  get hash(): string {
    return this.trace.hash();
  }

  // --- nodes -------------------------------------------------------------------------------------

  /**
   * A new node's World: a clock, randomness, files and an address of its own. The name of a halted node starts
   * it again: same address and files, nothing else.
   */
  node(name: string, { skewMs, address, behind, hostnames, ledger }: NodeOptions = {}): World {
    const old = this.#nodes.get(name);
    if (old !== undefined && !old.isHalted) throw new TypeError(`Node ${name} is running already`);
    const nat = behind === undefined ? old?.nat : this.#fabric.nat(behind);
    const node = new SimulatedNode({
      name,
      skewMs: skewMs ?? old?.skewMs ?? 0,
      address: address ?? old?.address ?? this.#nextAddress(nat),
      nat,
      random: new SeededRandom(this.seed).fork(`node/${name}/${(old?.incarnation ?? 0) + 1}`),
      incarnation: (old?.incarnation ?? 0) + 1,
      disk: old?.disk,
      ledger: ledger ?? new Ledger(),
      fabric: this.#fabric,
      startWallMs: this.#startWallMs,
      nowMs: () => this.#nowMs,
      schedule: (delayMs, owner, event, length, run) => this.#schedule(delayMs, owner, event, length, run),
      outside: (owner, work) => this.#outside.start(owner, work),
    });
    this.#fabric.attach(node, hostnames ?? []);
    this.#nodes.set(name, node);
    return node;
  }

  /**
   * A NAT box. Nodes that are started `behind` it reach each other, and whatever is outside; from outside only
   * what its kind lets in reaches them, datagrams alone.
   */
  nat(name: string, { kind, mappingMs, address = `203.0.113.${++this.#natBoxes}` }: NatOptions): void {
    this.#fabric.attachNat({ name, kind, address, mappingMs });
  }

  /** A NAT box loses its memory, as when its power fails for a moment. Connections through it break. */
  restartNat(name: string): void {
    this.#fabric.restartNat(this.#fabric.nat(name));
  }

  /**
   * Kills a node: none of its code runs again. `reset`: its machine lives on and resets its connections;
   * `silent`: the machine is gone, and its peers hear nothing at all.
   */
  halt(name: string, how: "reset" | "silent" = "reset"): void {
    const node = this.#find(name);
    node.isHalted = true;
    this.#fabric.halt(node, how);
  }

  /** Sends the node a Ctrl-C. */
  interrupt(name: string): void {
    const node = this.#find(name);
    this.#schedule(0, node, "interrupt", 0, () => node.interrupt());
  }

  /** Moves a node's wall clock. */
  setSkew(name: string, skewMs: number): void {
    this.#find(name).skewMs = skewMs;
  }

  // --- faults ------------------------------------------------------------------------------------

  /** Changes the link between two nodes, both ways. What is under way is not changed. */
  link(a: string, b: string, profile: Partial<LinkProfile>): void {
    this.#fabric.links.set(this.#find(a), this.#find(b), profile);
    this.#fabric.links.set(this.#find(b), this.#find(a), profile);
  }

  /** Nothing passes between two nodes, or between `a` and all others. TCP retries, and gives up late. */
  partition(a: string, b?: string): void {
    for (const other of this.#others(a, b)) {
      this.#fabric.links.block(this.#find(a), other);
      this.#fabric.links.block(other, this.#find(a));
    }
  }

  /** What `from` sends is lost on its way to `to` (or to all others); the other way works. */
  blackHole(from: string, to?: string): void {
    for (const other of this.#others(from, to)) this.#fabric.links.block(this.#find(from), other);
  }

  /** Undoes `partition` and `blackHole`. */
  heal(a: string, b?: string): void {
    for (const other of this.#others(a, b)) {
      this.#fabric.links.unblock(this.#find(a), other);
      this.#fabric.links.unblock(other, this.#find(a));
    }
  }

  /** Both ends of every connection between two nodes see a reset, now. */
  reset(a: string, b: string): void {
    this.#fabric.resetBetween(this.#find(a), this.#find(b));
  }

  /** The node takes no more bytes a second from its sockets than this; 0 none, Infinity all. */
  slowReader(name: string, bytesPerSecond: number): void {
    this.#fabric.setReadRate(this.#find(name), bytesPerSecond);
  }

  /** Ways that are cut and readers that are slow now: what a peer is told through them may come too late. */
  get hindrances(): number {
    return this.#fabric.links.blockedWays + this.#fabric.slowReaders;
  }

  // --- running -----------------------------------------------------------------------------------

  /**
   * Runs the scenario and what it leaves behind. Rejects with its failure, with what an event threw, or with
   * a {@link SimulationError}. May be called again: time goes on.
   */
  async run<T>(
    scenario: () => Promise<T>,
    { untilMs = UNTIL_MS, settleMs = SETTLE_MS }: RunOptions = {},
  ): Promise<T> {
    const guard = installGuard(() => this.#outside.pending > 0);
    try {
      const main = watch(scenario());
      await this.#drive(guard, main, this.#nowMs + untilMs);
      if (main.state === "pending") throw this.#notDone(untilMs);
      const value = main.value();
      await this.#drive(guard, undefined, this.#nowMs + settleMs);
      return value;
    } finally {
      guard.lift();
    }
  }

  /** What is alive in nodes that were not halted: `{ "alice socket": 2 }`. */
  live(): Record<string, number> {
    const left: Record<string, number> = {};
    for (const [name, node] of this.#nodes) {
      if (node.isHalted) continue;
      for (const [kind, count] of Object.entries(node.ledger.live())) left[`${name} ${kind}`] = count;
    }
    return left;
  }

  /** Seed, hash and the last events, for a failed test. */
  report(): string {
    const head = `seed ${this.seed}, hash ${this.hash}, ${this.trace.count} events, ${this.#nowMs} ms`;
    return [head, ...this.trace.recent()].join("\n");
  }

  /** Until `main` has settled, or, without one, until nothing is left to happen, or until `untilMs`. */
  async #drive(guard: Guard, main: Watched<unknown> | undefined, untilMs: number): Promise<void> {
    for (;;) {
      await runDry(this.#turns);
      if (guard.violation !== undefined) throw guard.violation;
      // Virtual time stands while something is outside; which of two comes back first must not matter.
      if (this.#outside.pending > 0) {
        const { node, settle } = await this.#outside.first();
        this.trace.add(this.#nowMs, node.name, "outside", 0);
        if (!node.isHalted) settle();
        continue;
      }
      if (main !== undefined && main.state !== "pending") return;
      const atMs = this.#queue.nextAtMs();
      if (atMs === undefined) {
        if (main === undefined) return;
        throw new SimulationError(
          "STALLED",
          `Nothing is left to happen, but the scenario waits: ${this.#waiting()}`,
        );
      }
      if (atMs > untilMs) return;
      this.#atThisInstant = atMs > this.#nowMs ? 1 : this.#atThisInstant + 1;
      if (this.#atThisInstant > EVENTS_AT_ONCE_MAX) throw this.#livelock();
      this.#nowMs = atMs;
      this.#queue.take()!.run();
    }
  }

  #livelock(): SimulationError {
    const what = `${EVENTS_AT_ONCE_MAX} events, and virtual time still stands`;
    return new SimulationError("LIVELOCK", `${what}: ${this.report()}`);
  }

  #notDone(untilMs: number): SimulationError {
    return new SimulationError(
      "OUT_OF_TIME",
      `The scenario did not end in ${untilMs} ms: ${this.#waiting()}`,
    );
  }

  #waiting(): string {
    return `alive ${JSON.stringify(this.live())}, ${this.report()}`;
  }

  #schedule(
    delayMs: number,
    node: SimulatedNode,
    event: string,
    length: number,
    run: () => void,
  ): () => void {
    const queued = this.#queue.schedule(this.#nowMs + delayMs, () => {
      if (node.isHalted) return;
      this.trace.add(this.#nowMs, node.name, event, length);
      run();
    });
    return () => this.#queue.cancel(queued);
  }

  #nextAddress(nat: NatBox | undefined): string {
    if (nat === undefined) {
      const index = this.#nodes.size + 1;
      return `10.0.${index >> 8}.${index & 255}`;
    }
    const behind = [...this.#nodes.values()].filter((node) => node.nat === nat).length;
    return `192.168.1.${behind + 2}`; // the first is the box itself
  }

  #find(name: string): SimulatedNode {
    const node = this.#nodes.get(name);
    if (node === undefined) throw new BadAddressError(`No simulated node is called ${name}`);
    return node;
  }

  #others(name: string, other: string | undefined): SimulatedNode[] {
    if (other !== undefined) return [this.#find(other)];
    return [...this.#nodes.values()].filter((node) => node.name !== name);
  }
}

/** A promise whose state can be asked. */
interface Watched<T> {
  readonly state: "pending" | "done" | "failed";
  /** Its result, thrown if it failed. */
  value(): T;
}

function watch<T>(promise: Promise<T>): Watched<T> {
  let state: Watched<T>["state"] = "pending";
  let result: T;
  let failure: unknown;
  promise.then((value) => {
    result = value;
    state = "done";
  }, (error) => {
    failure = error;
    state = "failed";
  });
  return {
    get state() {
      return state;
    },
    value() {
      if (state === "failed") throw failure;
      return result;
    },
  };
}
