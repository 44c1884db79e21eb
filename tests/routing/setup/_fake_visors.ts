/** A setup node among visors of paper: each answers port 136 over memory, and does what a test makes it do. @module */
import assert from "node:assert/strict";
import { type Conn, Ledger, memoryPair, silentLog } from "../../../lib/base/mod.ts";
import { keyPairFromSeed, type PublicKey } from "../../../lib/crypto/mod.ts";
import { type Hop, parseRule } from "../../../lib/routing/mod.ts";
import { SetupNode, type SetupNodeOptions } from "../../../lib/routing/setup/mod.ts";
import * as types from "../../../lib/routing/setup/wire_types.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { transportId } from "../../../lib/transport/mod.ts";
import { rpcMethod, type RpcMethods, serveRpc } from "../../../lib/wire/rpc/mod.ts";
import { assertNothingAlive } from "../../support/world.ts";

export function key(name: string): PublicKey {
  return keyPairFromSeed(new TextEncoder().encode(name)).publicKey;
}

export interface VisorCall {
  readonly method: "ReserveIDs" | "AddIntermediaryRules" | "AddEdgeRules" | "DelRules";
  readonly ids: readonly number[];
  readonly atMs: number;
  /** Which of its connections, from 1. */
  readonly connection: number;
}

/** One visor. `before` may wait, or throw what the caller is told. */
export class FakeVisor {
  readonly calls: VisorCall[] = [];
  readonly conns: Conn[] = [];
  /** Dials of it, as times. */
  readonly dials: { atMs: number; bypassCaches: boolean }[] = [];
  onDial: (attempt: number, signal: AbortSignal) => Promise<void> | void = () => {};
  before: (call: VisorCall) => Promise<void> | void = () => {};
  /** What it gives for a number of ids. */
  give: (count: number) => number[] = (count) => Array.from({ length: count }, () => this.#nextId++);
  #nextId = 100;

  constructor(readonly name: string, readonly clock: VirtualClock, readonly ledger: Ledger) {}

  async dial(options: { signal: AbortSignal; bypassCaches: boolean }): Promise<Conn> {
    this.dials.push({ atMs: this.clock.monotonicMs(), bypassCaches: options.bypassCaches });
    await this.onDial(this.dials.length, options.signal);
    const [near, far] = memoryPair({ ledger: this.ledger });
    this.conns.push(far);
    void serveRpc(far, this.#methods(this.conns.length));
    return near;
  }

  of(method: VisorCall["method"]): VisorCall[] {
    return this.calls.filter((call) => call.method === method);
  }

  #methods(connection: number): RpcMethods {
    const called = async (method: VisorCall["method"], ids: readonly number[]) => {
      const call = { method, ids, atMs: this.clock.monotonicMs(), connection };
      this.calls.push(call);
      await this.before(call);
    };
    const done = async (method: VisorCall["method"], ids: readonly number[]) => {
      await called(method, ids);
      return true;
    };
    return {
      "RPCGateway.ReserveIDs": rpcMethod({
        argument: types.ID_COUNT,
        reply: types.ROUTE_IDS,
        handle: async (count) => {
          const ids = this.give(count);
          await called("ReserveIDs", ids);
          return ids;
        },
      }),
      "RPCGateway.AddIntermediaryRules": rpcMethod({
        argument: types.RULES,
        reply: types.DONE,
        handle: (rules) => done("AddIntermediaryRules", rules.map((rule) => parseRule(rule).routeId)),
      }),
      "RPCGateway.AddEdgeRules": rpcMethod({
        argument: types.EDGE_RULES,
        reply: types.DONE,
        handle: (edge) => {
          const { forward, reverse } = types.edgeOfWire(edge);
          return done("AddEdgeRules", [forward.routeId, reverse.routeId]);
        },
      }),
      "RPCGateway.DelRules": rpcMethod({
        argument: types.ROUTE_IDS,
        reply: types.DONE,
        handle: (ids) => done("DelRules", ids),
      }),
    };
  }
}

export class NodeRig {
  readonly ledger = new Ledger();
  readonly clock = new VirtualClock({ ledger: this.ledger });
  readonly visors = new Map<PublicKey, FakeVisor>();
  readonly node: SetupNode;

  constructor(names: readonly string[], options: Partial<SetupNodeOptions> = {}) {
    for (const name of names) this.visors.set(key(name), new FakeVisor(name, this.clock, this.ledger));
    this.node = new SetupNode({
      world: { clock: this.clock },
      log: silentLog,
      version: { version: "v1", commit: "abc", date: "today" },
      dial: (visor, dialOptions) => this.visors.get(visor)!.dial(dialOptions),
      ...options,
    });
  }

  readonly visor = (name: string): FakeVisor => this.visors.get(key(name))!;
}

/** A route along these visors and back. */
export function routeAlong(...names: string[]): types.BidirectionalRoute {
  const path: Hop[] = names.slice(1).map((name, at) => {
    const [from, to] = [key(names[at]!), key(name)];
    return { transportId: transportId(from, to, "stcpr"), from, to };
  });
  return {
    descriptor: {
      source: { publicKey: key(names[0]!), port: 50_000 },
      destination: { publicKey: key(names.at(-1)!), port: 3 },
    },
    keepAliveNs: 600_000_000_000n,
    forward: path,
    reverse: path.toReversed().map(({ transportId, from, to }) => ({ transportId, from: to, to: from })),
  };
}

/** Asks for a route as its own source. */
export function ask(node: SetupNode, route: types.BidirectionalRoute, signal?: AbortSignal) {
  return node.dialRouteGroup(route.descriptor.source.publicKey, route, signal);
}

/** What became of a promise, looked at without waiting for it. */
export function outcomeOf<T>(work: Promise<T>): { value?: T; error?: unknown; done: boolean } {
  const outcome: { value?: T; error?: unknown; done: boolean } = { done: false };
  work.then(
    (value) => Object.assign(outcome, { value, done: true }),
    (error) => Object.assign(outcome, { error, done: true }),
  );
  return outcome;
}

/** Runs a test; then nothing may be alive. */
export async function withNode(
  names: readonly string[],
  test: (rig: NodeRig) => Promise<void>,
  options: Partial<SetupNodeOptions> = {},
): Promise<void> {
  const rig = new NodeRig(names, options);
  await test(rig);
  const ending = outcomeOf(rig.node[Symbol.asyncDispose]());
  await rig.clock.advance(0);
  assert.equal(ending.done, true, "the node ends at once");
  for (const { conns } of rig.visors.values()) for (const conn of conns) conn.close();
  await rig.clock.advance(0);
  assertNothingAlive(rig.ledger);
}
