import assert from "node:assert/strict";
import { fromHex, keyPairFromSeed, type PublicKey, toHex } from "../../../lib/crypto/mod.ts";
import {
  encodeDescriptor,
  encodeRule,
  type Hop,
  parseDescriptor,
  type RouteDescriptor,
  RULE_KEEP_ALIVE_MAX_NS,
} from "../../../lib/routing/mod.ts";
import { RouteSetupError } from "../../../lib/routing/setup/errors.ts";
import {
  checkRoute,
  generateRules,
  idsToReserve,
  ROUTE_HOPS_MAX,
} from "../../../lib/routing/setup/generate_rules.ts";
import type { BidirectionalRoute } from "../../../lib/routing/setup/wire_types.ts";
import { parseTransportId, transportId } from "../../../lib/transport/mod.ts";

// deno-lint-ignore no-explicit-any
async function vector(name: string): Promise<any> {
  return JSON.parse(await Deno.readTextFile(new URL(`../../vectors/routing/${name}.json`, import.meta.url)));
}

// deno-lint-ignore no-explicit-any
function routeOf({ desc_hex, keep_alive_ns, forward, reverse }: any): BidirectionalRoute {
  // deno-lint-ignore no-explicit-any
  const hop = ({ tp_id, from, to }: any): Hop => ({ transportId: parseTransportId(tp_id), from, to });
  return {
    descriptor: parseDescriptor(fromHex(desc_hex)),
    keepAliveNs: BigInt(keep_alive_ns),
    forward: forward.map(hop),
    reverse: reverse.map(hop),
  };
}

/** Ids by key; the vectors name visors by a letter, in the order of the forward path. */
// deno-lint-ignore no-explicit-any
function idsOf(route: BidirectionalRoute, named: any): Map<PublicKey, number[]> {
  const keys = [route.forward[0]!.from, ...route.forward.map(({ to }) => to)];
  return new Map(
    Object.entries(named).map(([letter, ids]) => [keys["abcd".indexOf(letter)]!, ids as number[]]),
  );
}

for (const name of ["route_setup", "route_setup_3hop", "route_setup_direct"]) {
  Deno.test(`${name}: every rule byte for byte, and who gets it`, async () => {
    const recorded = await vector(name);
    const route = routeOf(recorded.bidirectional_route);
    checkRoute(route);
    const ids = idsOf(route, recorded.ids_reserved);
    const counts = [...idsToReserve(route)].sort();
    assert.deepEqual(counts, [...ids].map(([key, { length }]) => [key, length]).sort());
    const rules = generateRules(route, ids);
    const edge = ({ descriptor, forward, reverse }: typeof rules.initiating) => ({
      desc_hex: toHex(encodeDescriptor(descriptor)),
      forward_hex: toHex(encodeRule(forward)),
      reverse_hex: toHex(encodeRule(reverse)),
    });
    if (recorded.initiating_edge !== undefined) {
      assert.deepEqual(edge(rules.initiating), recorded.initiating_edge.edge);
      assert.deepEqual(edge(rules.responding), recorded.responding_edge.edge);
    }
    const recordedRules: [string, string][] = [];
    for (const group of ["forward_rules", "reverse_rules", "intermediary_rules"]) {
      for (const [address, given] of Object.entries(recorded[group] ?? {})) {
        for (const { hex } of given as { hex: string }[]) recordedRules.push([address.split(":")[0]!, hex]);
      }
    }
    const made: [string, string][] = [];
    for (const { descriptor, forward, reverse } of [rules.initiating, rules.responding]) {
      for (const rule of [forward, reverse]) {
        made.push([descriptor.destination.publicKey, toHex(encodeRule(rule))]);
      }
    }
    for (const [key, each] of rules.intermediary) {
      for (const rule of each) made.push([key, toHex(encodeRule(rule))]);
    }
    if (name === "route_setup_3hop") assert.deepEqual(made.sort(), recordedRules.sort());
    assert.equal(made.length, { route_setup: 5, route_setup_3hop: 8, route_setup_direct: 4 }[name]);
  });
}

const [S, R, D] = ["source", "relay", "destination"].map((name) =>
  keyPairFromSeed(new TextEncoder().encode(name)).publicKey
) as [PublicKey, PublicKey, PublicKey];
const descriptor: RouteDescriptor = {
  source: { publicKey: S, port: 50_000 },
  destination: { publicKey: D, port: 3 },
};
const hop = (from: PublicKey, to: PublicKey): Hop => ({
  transportId: transportId(from, to, "stcpr"),
  from,
  to,
});
const route = (forward: Hop[], reverse: Hop[]): BidirectionalRoute => ({
  descriptor,
  keepAliveNs: 1n,
  forward,
  reverse,
});

const REFUSED: [string, BidirectionalRoute, RegExp][] = [
  ["no forward hops", route([], [hop(D, S)]), /^bidirectional route does not have forward hops$/],
  ["no reverse hops", route([hop(S, D)], []), /^bidirectional route does not have reverse hops$/],
  [
    "another beginning",
    route([hop(R, D)], [hop(D, S)]),
    /^bidirectional route has an invalid route description$/,
  ],
  ["another end", route([hop(S, R)], [hop(D, S)]), /invalid route description/],
  ["a reverse path that is not reversed", route([hop(S, D)], [hop(S, D)]), /invalid route description/],
  ["a gap", route([hop(S, R), hop(S, D)], [hop(D, S)]), /invalid route description/],
  ["a loop", route([hop(S, R), hop(R, S), hop(S, D)], [hop(D, S)]), /invalid route description/],
  [
    "too many hops",
    route(Array.from({ length: ROUTE_HOPS_MAX + 1 }, () => hop(S, D)), [hop(D, S)]),
    /65 hops, more than 64/,
  ],
];
const foreign = transportId(R, keyPairFromSeed(new TextEncoder().encode("other")).publicKey, "stcpr");
REFUSED.push(
  [
    "a hop over a transport of other visors",
    route([hop(S, R), { ...hop(R, D), transportId: foreign }], [hop(D, S)]),
    /^transport \S+ is not one between \S+ and \S+$/,
  ],
  [
    "such a hop on the way back",
    route([hop(S, R), hop(R, D)], [hop(D, R), { ...hop(R, S), transportId: foreign }]),
    /is not one between/,
  ],
  [
    "a hop over the transport before it",
    route([hop(S, R), { ...hop(R, D), transportId: transportId(S, R, "stcpr") }], [hop(D, S)]),
    /is not one between/,
  ],
);
for (const [what, each, text] of REFUSED) {
  Deno.test(`a route with ${what} is refused`, () => {
    assert.throws(() => checkRoute(each), (error) => {
      assert(error instanceof RouteSetupError);
      assert.equal(error.reason, "invalid_route");
      assert.match(error.message, text);
      return true;
    });
  });
}

Deno.test("a hop may be of any type that visors have, ours or not", () => {
  for (const type of ["stcpr", "squicr", "sudph", "stcp", "webrtc", "ws", "swsr", "wt", "swtr", "dmsg"]) {
    const over = { ...hop(S, D), transportId: transportId(D, S, type) };
    checkRoute(route([over], [{ ...over, from: D, to: S }]));
  }
  const invented = { ...hop(S, D), transportId: transportId(D, S, "carrier pigeon") };
  assert.throws(() => checkRoute(route([invented], [hop(D, S)])), RouteSetupError);
});

Deno.test("a visor that gave too few ids ends in an error that names it", () => {
  const ids = new Map([[S, [1, 2]], [R, [5]], [D, [8]]]);
  assert.throws(
    () => generateRules(route([hop(S, R), hop(R, D)], [hop(D, S)]), ids),
    (error) => error instanceof RouteSetupError && error.reason === "rule_generation" && error.visor === D,
  );
});

Deno.test("a visor may make a route to itself", () => {
  const self = {
    ...route([hop(S, S)], [hop(S, S)]),
    descriptor: { ...descriptor, destination: descriptor.source },
  };
  checkRoute(self);
  assert.deepEqual([...idsToReserve(self)], [[S, 4]]);
});

Deno.test("a caller's keep-alive goes into the rules up to an hour, never more", () => {
  const ids = new Map([[S, [1, 2]], [R, [5, 6]], [D, [8, 9]]]);
  const path = [hop(S, R), hop(R, D)];
  const back = [hop(D, R), hop(R, S)];
  for (
    const [asked, granted] of [
      [30_000_000_000n, 30_000_000_000n],
      [RULE_KEEP_ALIVE_MAX_NS + 1n, RULE_KEEP_ALIVE_MAX_NS],
      [2n ** 63n - 1n, RULE_KEEP_ALIVE_MAX_NS],
      [-5n, 0n],
    ]
  ) {
    const rules = generateRules({ ...route(path, back), keepAliveNs: asked! }, ids);
    const all = [
      ...[rules.initiating, rules.responding].flatMap(({ forward, reverse }) => [forward, reverse]),
      ...rules.intermediary.get(R)!,
    ];
    assert.deepEqual(all.map(({ keepAliveNs }) => keepAliveNs), Array(6).fill(granted));
  }
});
