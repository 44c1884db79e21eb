/** A clock, a ledger and a seed for routers under test, with a leak check at the end. @module */
import { Ledger } from "../../lib/base/mod.ts";
import { SeededRandom, VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { assertNothingAlive } from "../support/world.ts";
import { Node } from "./_rig.ts";

export class RoutingBench {
  readonly ledger = new Ledger();
  readonly clock = new VirtualClock({ ledger: this.ledger });
  readonly random = new SeededRandom(1);
  readonly #nodes: Node[] = [];

  node(name: string, options: ConstructorParameters<typeof Node>[2] = {}): Node {
    const node = new Node(name, this, options);
    this.#nodes.push(node);
    return node;
  }

  /** A node of each name, in their order. */
  nodes<const Names extends readonly string[]>(...names: Names): { -readonly [At in keyof Names]: Node } {
    return names.map((name) => this.node(name)) as { -readonly [At in keyof Names]: Node };
  }

  /** Lets happen what can happen now. */
  settle(): Promise<void> {
    return this.clock.advance(0);
  }

  /** The outcome of `promise`; virtual time passes until it is there, at most `ms`. */
  async within<T>(ms: number, promise: Promise<T>): Promise<T> {
    let isOver = false;
    promise.then(() => isOver = true, () => isOver = true);
    for (let passed = 0; passed <= ms && !isOver; passed += STEP_MS) {
      await this.clock.advance(passed === 0 ? 0 : STEP_MS);
    }
    if (!isOver) throw new Error(`Has not settled within ${ms} ms`);
    return await promise;
  }

  async end(): Promise<void> {
    await this.within(20_000, Promise.all(this.#nodes.map(({ router }) => router.close())));
    assertNothingAlive(this.ledger);
  }
}

const STEP_MS = 100;

/** Runs `test` and holds that nothing is alive afterwards. */
export async function withRouting(test: (bench: RoutingBench) => Promise<void>): Promise<void> {
  const bench = new RoutingBench();
  await test(bench);
  await bench.end();
}
