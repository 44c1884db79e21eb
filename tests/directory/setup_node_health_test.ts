/** healthOf() of setup nodes of any year: by the port where visors ask them for routes, in a bounded time. */
import assert from "node:assert/strict";
import { type Conn, memoryPair } from "../../lib/base/mod.ts";
import {
  type DmsgNetwork,
  HEALTH_CHECK_ARGUMENT,
  HEALTH_CHECK_REPLY,
  healthOf,
  type ServiceHealth,
} from "../../lib/directory/mod.ts";
import { sleep } from "../../lib/runtime/mod.ts";
import { rpcMethod, type RpcMethods, serveRpc } from "../../lib/wire/rpc/mod.ts";
import { pair } from "../services/service_support.ts";
import { withSimulation } from "../support/world.ts";

const TIMEOUT_MS = 2_000;
const NODE = pair("sn").publicKey;
const NETWORK: DmsgNetwork = {
  name: "local",
  file: undefined,
  servers: [],
  discoveryHttp: undefined,
  discoveryDmsg: undefined,
  setupNodes: [NODE],
};

/** What a node does with a stream that it took; it holds its end until the test is over. */
type Node = (stream: Conn, signal: AbortSignal) => Promise<void>;

const serving = (methods: RpcMethods): Node => (stream, signal) => serveRpc(stream, methods, { signal });
const saying = (status: string, version: string): Node =>
  serving({
    "SetupRPCGateway.HealthCheck": rpcMethod({
      argument: HEALTH_CHECK_ARGUMENT,
      reply: HEALTH_CHECK_REPLY,
      handle: () => ({ Status: status, Version: version, Commit: "", Date: "" }),
    }),
  });

const NODES: readonly {
  readonly what: string;
  /** How long it is dialled for. */
  readonly dialMs: number;
  readonly node: Node;
  readonly expected: Pick<ServiceHealth, "isUp" | "latencyMs" | "version">;
  readonly failure?: RegExp;
}[] = [
  { what: "today's", dialMs: 7, node: saying("OK", "v2"), expected: up(7, "v2") },
  { what: "without a version", dialMs: 7, node: saying("OK", ""), expected: up(7) },
  { what: "a long version", dialMs: 1, node: saying("OK", "v".repeat(999)), expected: up(1, "v".repeat(64)) },
  { what: "of 2024, with other methods", dialMs: 9, node: serving({}), expected: up(9) },
  { what: "not well", dialMs: 1, node: saying("no", "v2"), expected: down(), failure: /^it says "no"$/ },
  {
    what: "that ends the stream",
    dialMs: 1,
    node: (stream) => Promise.resolve(stream.close()),
    expected: down(),
    failure: /shut down/,
  },
  {
    what: "that never answers",
    dialMs: 1,
    node: async (stream) => {
      while (await stream.read().catch(() => null) !== null);
    },
    expected: down(),
    failure: /setup-node over dmsg did not finish within 2000 ms/,
  },
  {
    what: "that never reads",
    dialMs: 1,
    node: () => Promise.resolve(),
    expected: down(),
    failure: /did not finish within 2000 ms/,
  },
  {
    what: "that cannot be dialled",
    dialMs: 20_000,
    node: () => Promise.resolve(),
    expected: down(),
    failure: /did not finish within 2000 ms/,
  },
];

function up(latencyMs: number, version?: string) {
  return { isUp: true, latencyMs, version };
}

function down() {
  return { isUp: false, latencyMs: undefined, version: undefined };
}

for (const { what, dialMs, node, expected, failure } of NODES) {
  Deno.test(`healthOf(): a setup node ${what}`, () =>
    withSimulation(2, async (simulation) => {
      const world = simulation.node("here");
      const { clock } = world;
      const ended = new AbortController();
      const nodes: Promise<void>[] = [];
      const ends: Conn[] = [];
      const client = {
        dmsg: {
          isConnected: true,
          async dial(
            { publicKey, port }: { publicKey: string; port: number },
            { signal }: { signal: AbortSignal },
          ) {
            assert.deepEqual([publicKey, port], [NODE, 36]);
            await sleep(clock, dialMs, signal);
            const [near, far] = memoryPair();
            ends.push(near, far);
            nodes.push(node(far, ended.signal));
            return near;
          },
        },
      };
      await simulation.run(async () => {
        const startedMs = clock.monotonicMs();
        const [row, ...more] = await healthOf(client as unknown as Parameters<typeof healthOf>[0], {
          world,
          network: NETWORK,
          timeoutMs: TIMEOUT_MS,
        });
        assert(clock.monotonicMs() - startedMs <= TIMEOUT_MS);
        assert.equal(more.length, 0);
        const { isUp, latencyMs, version, address } = row!;
        assert.deepEqual({ isUp, latencyMs, version }, expected);
        assert.equal(address, `dmsg://${NODE}:36`);
        if (failure === undefined) assert.equal(row!.failure, undefined);
        else assert.match(row!.failure!, failure);
        ended.abort();
        for (const end of ends) end.close(new Error("over"));
        await Promise.all([...nodes, ...ends.map(({ closed }) => closed)]);
      });
    }));
}
