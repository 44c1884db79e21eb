import assert from "node:assert/strict";
import { Ledger, type LogFields, silentLog } from "../../../lib/base/mod.ts";
import { keyPairFromSeed, type PublicKey } from "../../../lib/crypto/mod.ts";
import { ServiceUnreachableError, type TransportRecord } from "../../../lib/directory/mod.ts";
import { graphTransport, TransportGraph } from "../../../lib/routing/paths/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { InvalidServiceSettingError } from "../../../lib/services/hosting/mod.ts";
import { POLL_MS, polledTransports, toldTransports } from "../../../lib/services/route_finder/mod.ts";
import type { TransportChange } from "../../../lib/services/transport_discovery/mod.ts";
import { transportId } from "../../../lib/transport/mod.ts";
import { assertNothingAlive } from "../../support/world.ts";

const [A, B, C, D] = ["a", "b", "c", "d"].map((name) =>
  keyPairFromSeed(new TextEncoder().encode(name)).publicKey
) as [PublicKey, PublicKey, PublicKey, PublicKey];

function record(a: PublicKey, b: PublicKey, avg?: number): TransportRecord {
  const edges = a < b ? [a, b] as const : [b, a] as const;
  const base = { id: transportId(a, b, "stcpr"), edges, type: "stcpr", label: "user" };
  return avg === undefined ? base : { ...base, latency: { min: 1, max: 2 * avg, avg } };
}

/** Visors of the best path from A to D. */
function best(graph: TransportGraph): PublicKey[] {
  return graph.routes(A, D).flat().map(({ to }) => to);
}

Deno.test("graphTransport() takes the average, which is in microseconds", () => {
  assert.deepEqual(graphTransport(record(A, B, 12_500)), {
    id: transportId(A, B, "stcpr"),
    edges: [A, B].sort(),
    latencyMs: 12.5,
  });
  assert.equal(graphTransport(record(A, B)).latencyMs, undefined);
});

Deno.test("polledTransports() applies each list, survives what fails, and ends", async () => {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const graph = new TransportGraph();
  const lines: string[] = [];
  const note = (line: string) => (message: string, _fields?: LogFields) =>
    void lines.push(`${line} ${message}`);
  const log = { ...silentLog, info: note("info"), warn: note("warn") };
  let next: () => readonly TransportRecord[] = () => [record(A, B, 10), record(B, D, 10)];
  let asked = 0;
  const source = polledTransports({
    list: async () => {
      asked++;
      return next();
    },
    clock,
    log,
  });
  const following = source(graph);
  await clock.advance(0);
  assert.deepEqual(best(graph), [B, D]);

  next = () => [record(A, B, 10), record(B, D, 10), record(A, C, 1), record(C, D, 1)];
  await clock.advance(POLL_MS - 1);
  assert.deepEqual([asked, graph.size], [1, 2]);
  await clock.advance(1);
  assert.deepEqual([asked, best(graph)], [2, [C, D]]);

  next = () => {
    throw new ServiceUnreachableError("Cannot reach the transport discovery");
  };
  await clock.advance(3 * POLL_MS);
  assert.deepEqual([asked, best(graph)], [5, [C, D]], "the last picture stays");
  next = () => [record(A, B, 10), record(B, D, 10)];
  await clock.advance(POLL_MS);
  assert.deepEqual(best(graph), [B, D]);
  assert.deepEqual(lines, ["warn Transports cannot be read", "info Transports are read again"]);

  next = () => [];
  await clock.advance(POLL_MS);
  assert.equal(graph.size, 0);
  await following[Symbol.asyncDispose]();
  await clock.advance(10 * POLL_MS);
  assert.equal(asked, 7);
  assertNothingAlive(ledger);
});

Deno.test("polledTransports() ends while a list is under way", async () => {
  const clock = new VirtualClock();
  const following = polledTransports({
    list: (signal) =>
      new Promise((_, reject) =>
        signal.addEventListener("abort", () => reject(signal.reason), { once: true })
      ),
    clock,
    log: { ...silentLog, warn: () => assert.fail("nothing failed") },
  })(new TransportGraph());
  await clock.advance(0);
  await following[Symbol.asyncDispose]();
});

for (const everyMs of [0, 499, 300_001, NaN, Infinity]) {
  Deno.test(`polledTransports() refuses to read each ${everyMs} ms`, () => {
    const list = () => Promise.resolve([]);
    assert.throws(
      () => polledTransports({ list, clock: new VirtualClock(), log: silentLog, everyMs }),
      InvalidServiceSettingError,
    );
  });
}

Deno.test("toldTransports() has what is there, and each change until it ends", async () => {
  const listeners = new Set<(change: TransportChange) => void>();
  const tell = (put: readonly TransportRecord[], removed: readonly string[] = []) => {
    for (const listener of listeners) listener({ put, removed });
  };
  const graph = new TransportGraph();
  graph.add(graphTransport(record(A, D)));
  const following = toldTransports({
    entries: () => [record(A, B), record(B, D)],
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  })(graph);
  assert.deepEqual(best(graph), [B, D]);
  tell([record(A, C, 20_000), record(C, D, 20_000)]);
  assert.deepEqual(best(graph), [C, D]);
  tell([record(A, C, 900_000), record(C, D, 900_000)]);
  assert.deepEqual(best(graph), [B, D], "a new latency of a known transport");
  tell([], [record(A, B).id, transportId(A, A, "stcpr")]);
  assert.deepEqual(best(graph), [C, D]);
  tell([record(A, B, 1_000)], [record(A, C).id]);
  assert.deepEqual(best(graph), [B, D]);
  await following[Symbol.asyncDispose]();
  assert.equal(listeners.size, 0);
});
