/** One node of a simulation: its World. @module */
import type { Ledger } from "../../base/mod.ts";
import { sleep } from "../time.ts";
import type { Clock, Diagnostics, Files, Network, Random, Signals, Timer, World } from "../world.ts";
import { Disk, diskFiles } from "./disk.ts";
import type { Fabric } from "./fabric.ts";
import type { NatBox } from "./nat.ts";
import { nodeNetwork } from "./network.ts";

/** Runs something of a node's later; the returned function takes it back. */
export type Schedule = (
  delayMs: number,
  node: SimulatedNode,
  event: string,
  length: number,
  run: () => void,
) => () => void;

export interface SimulatedNodeOptions {
  readonly name: string;
  readonly address: string;
  /** The NAT box that it is behind. */
  readonly nat: NatBox | undefined;
  readonly skewMs: number;
  readonly random: Random;
  /** How often a node of this name was started. */
  readonly incarnation: number;
  /** What an earlier incarnation left. */
  readonly disk: Disk | undefined;
  readonly ledger: Ledger;
  readonly fabric: Fabric;
  readonly startWallMs: number;
  readonly nowMs: () => number;
  readonly schedule: Schedule;
  readonly outside: <T>(node: SimulatedNode, work: () => Promise<T>) => Promise<T>;
}

export class SimulatedNode implements World {
  readonly name: string;
  readonly address: string;
  readonly nat: NatBox | undefined;
  readonly incarnation: number;
  readonly disk: Disk;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly files: Files;
  readonly signals: Signals;
  readonly diagnostics: Diagnostics;
  skewMs: number;
  isHalted = false;
  readonly #interruptHandlers = new Set<() => void>();
  readonly #outside: SimulatedNodeOptions["outside"];

  constructor(options: SimulatedNodeOptions) {
    this.name = options.name;
    this.address = options.address;
    this.nat = options.nat;
    this.incarnation = options.incarnation;
    this.skewMs = options.skewMs;
    this.random = options.random;
    this.ledger = options.ledger;
    this.disk = options.disk ?? new Disk();
    this.clock = nodeClock(this, options);
    this.network = nodeNetwork(this, options.fabric);
    this.files = diskFiles(this.disk, this.clock, this.ledger);
    this.signals = {
      onInterrupt: (handler) => {
        this.#interruptHandlers.add(handler);
        return () => this.#interruptHandlers.delete(handler);
      },
    };
    this.diagnostics = {
      platform: { os: "linux", architecture: "amd64" }, // the same everywhere, as all of a seed
      memory: () => ({ residentBytes: 0, heapBytes: 0, heapUsedBytes: 0, externalBytes: 0 }), // never of this process: a seed's bytes are the same everywhere
      cpuProfile: async (durationMs, signal) => {
        await sleep(this.clock, durationMs, signal);
        return '{"nodes":[],"startTime":0,"endTime":0,"samples":[],"timeDeltas":[]}';
      },
    };
    this.#outside = options.outside;
  }

  outside<T>(work: () => Promise<T>): Promise<T> {
    return this.#outside(this, work);
  }

  interrupt(): void {
    for (const handler of [...this.#interruptHandlers]) handler();
  }
}

/**
 * Rounded up, as every system's timers are. Without it whoever waits "for what is left" of a time could be left
 * with less than a sum of floating-point numbers can tell, and wait for it for ever at the same instant.
 */
function wholeMicroseconds(delayMs: number): number {
  return Math.max(0, Math.ceil(delayMs * 1000) / 1000);
}

function nodeClock(node: SimulatedNode, { nowMs, startWallMs, schedule }: SimulatedNodeOptions): Clock {
  return {
    wallMs: () => Math.floor(startWallMs + nowMs() + node.skewMs),
    monotonicMs: nowMs,
    timer(delayMs: number, fire: () => void): Timer {
      const release = node.ledger.open("timer");
      const unschedule = schedule(wholeMicroseconds(delayMs), node, "timer", 0, () => {
        release();
        fire();
      });
      return {
        cancel() {
          unschedule();
          release();
        },
      };
    },
  };
}
