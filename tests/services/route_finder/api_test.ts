/** What a real route finder answered, asked of ours, and what it was not asked. */
import assert from "node:assert/strict";
import { parsePublicKey, type PublicKey } from "../../../lib/crypto/mod.ts";
import { TransportGraph } from "../../../lib/routing/paths/mod.ts";
import { PATHS_DEFAULT, PATHS_MAX } from "../../../lib/services/route_finder/mod.ts";
import { parseTransportId, transportId } from "../../../lib/transport/mod.ts";
import call from "../../vectors/routing/route_finder.json" with { type: "json" };
import recorded from "../../vectors/services/route-finder.json" with { type: "json" };
import { ask, finderOn } from "./_ask.ts";

const A = parsePublicKey("02b9434e0a2837b60760b9933616d092a82ab6c9957331431f411d46593d893ff0");
const B = parsePublicKey("035e4dad0fcb46324ce198ec093a88b5b5e48063b600443166e1bf1c8e6cbeaaa9");
const C = parsePublicKey("02ec46e283dbc925067197e1b0ed2e3f2f2901803926b2d10cb7e964d734c122f1");
const N = parsePublicKey("0209a7397e707ca0e81f7c2c33f52694e80fd97c2719f573b90e9dec2923d8716c");
const UNKNOWN = parsePublicKey("02d9505fdd9bcf92ef4d4938dd59265c6148ac4b7de53fa6e7f49cb466a4a637b7");

function graphOf(
  ...transports: readonly (readonly [PublicKey, PublicKey, string, number?])[]
): TransportGraph {
  const graph = new TransportGraph();
  for (const [a, b, type, latencyMs] of transports) {
    graph.add({ id: transportId(a, b, type), edges: [a, b], latencyMs });
  }
  return graph;
}

/** The network of the recording: A-B stcpr, B-C sudph, C-N stcpr. */
const likeRecorded = () => graphOf([A, B, "stcpr"], [B, C, "sudph"], [C, N, "stcpr"]);

/** Answers whose text is that of the parser, which is ours. */
const OWN_WORDS = ["not JSON", "edge as a JSON array"];

Deno.test("the route finder answers as recorded in services/route-finder.json", async (test) => {
  let ran = 0;
  const dmsg = {
    address: "03d21eb582a57ca84804739e84b6f56f60ef2c7aaa97a15dc7c06dd91ad2eec6f2:80",
    servers: [parsePublicKey("02b6f7cd177e3698b571958d430687f261437e01d2602e8b378472174b4e25310f")],
  };
  const api = finderOn(likeRecorded(), dmsg);
  for (const { name, request, response } of recorded.exchanges) {
    await test.step(name, async () => {
      const answer = await ask(api, request.method, request.path, request.body ?? "");
      assert.equal(answer.status, response.status);
      const headers = Object.fromEntries(answer.headers);
      const recordedHeaders: Record<string, string | undefined> = response.headers;
      assert.equal(headers["Content-Type"], recordedHeaders["Content-Type"]);
      assert.equal(headers["Allow"], recordedHeaders["Allow"]);
      if (name === "health") {
        const { service_name, ...health } = JSON.parse(answer.body);
        assert.equal(service_name, "route-finder");
        const expected = JSON.parse(response.body);
        assert.deepEqual(health, { ...expected, started_at: health.started_at });
        assert.match(health.started_at, /^2026-11-21T07:10:00/);
      } else if (OWN_WORDS.includes(name)) {
        const { error } = JSON.parse(answer.body);
        assert.deepEqual(Object.keys(error), ["message", "code"]);
        assert.equal(error.code, 400);
        assert(error.message.length > 0);
      } else assert.equal(answer.body, response.body);
      ran++;
    });
  }
  assert.equal(ran, recorded.case_counts.exchanges);
});

Deno.test("the route finder answers as recorded in routing/route_finder.json", async () => {
  const { Edges: [there] } = JSON.parse(call.request.body);
  const [s, d] = there.split(":").map(parsePublicKey);
  const [[viaM]] = Object.values(JSON.parse(call.response_200)) as {
    TpID: string;
    From: string;
    To: string;
  }[][][];
  const m = parsePublicKey(viaM![0]!.To);
  const graph = new TransportGraph();
  const recordedHops = Object.values(JSON.parse(call.response_200)).flat(2) as {
    TpID: string;
    From: string;
    To: string;
  }[];
  for (const { TpID, From, To } of recordedHops) {
    graph.add({ id: parseTransportId(TpID), edges: [parsePublicKey(From), parsePublicKey(To)] });
  }
  assert.equal(graph.size, 3);
  // The recording has the paths of both directions in different orders: those of 2024 are found separately.
  const { status, body } = await ask(
    finderOn(graph),
    call.request.method,
    call.request.path,
    call.request.body,
  );
  assert.equal(status, 200);
  const answer = JSON.parse(body);
  assert.deepEqual(Object.keys(answer), Object.keys(JSON.parse(call.response_200)));
  assert.deepEqual(answer[`${s}:${d}`].map((path: object[]) => path.length), [1, 2]);
  assert.deepEqual(answer[`${s}:${d}`][1], viaM);
  assert.deepEqual(answer[`${d}:${s}`][0], JSON.parse(call.response_200)[`${d}:${s}`][0]);
  assert(graph.has(m));
  const empty = await ask(finderOn(new TransportGraph()), "POST", "/routes", call.request.body);
  assert.deepEqual([empty.status, empty.body], [404, call.response_404]);
});

const pair = (from: PublicKey, to: PublicKey) => `${from}:${to}`;
const bodyOf = (edges: unknown, opts: unknown = { MinHops: 1, MaxHops: 5 }) =>
  JSON.stringify({ Edges: edges, Opts: opts });
const problem = (code: number, message: string) => JSON.stringify({ error: { message, code } });

Deno.test("RT-1: the route finder puts a fast detour before a slow direct transport", async () => {
  const graph = graphOf([A, B, "stcpr", 700], [A, C, "stcpr", 30], [C, B, "stcpr", 40]);
  const { body } = await ask(finderOn(graph), "POST", "/routes", bodyOf([pair(A, B)]));
  const paths: { From: string }[][] = JSON.parse(body)[pair(A, B)];
  assert.deepEqual(paths.map((path) => path.map(({ From }) => From)), [[A, C], [A]]);
});

Deno.test("the route finder gives 5 paths, or as many as asked for, 20 at most", async () => {
  const graph = graphOf(...Array.from({ length: 30 }, (_, n) => [A, B, `type${n}`] as const));
  const countOf = async (NumRoutes: unknown) => {
    const { body } = await ask(
      finderOn(graph),
      "POST",
      "/routes",
      bodyOf([pair(A, B)], { MinHops: 1, MaxHops: 5, NumRoutes }),
    );
    return JSON.parse(body)[pair(A, B)].length;
  };
  assert.deepEqual(await Promise.all([undefined, null, 0, 1, 7, 20, 21, 65_535].map(countOf)), [
    ...[PATHS_DEFAULT, PATHS_DEFAULT, PATHS_DEFAULT, 1, 7],
    ...[PATHS_MAX, PATHS_MAX, PATHS_MAX],
  ]);
});

Deno.test("one pair without a path fails the whole request; a pair asked twice is answered once", async () => {
  const api = finderOn(likeRecorded());
  const mixed = await ask(api, "POST", "/routes", bodyOf([pair(A, B), pair(A, UNKNOWN)]));
  assert.deepEqual([mixed.status, mixed.body], [404, problem(404, "no route to destination")]);
  const twice = await ask(api, "POST", "/routes", bodyOf([pair(A, B), pair(A, B)]));
  assert.deepEqual(Object.keys(JSON.parse(twice.body)), [pair(A, B)]);
});

Deno.test("in the graph but in another part of it: route not found", async () => {
  const graph = graphOf([A, B, "stcpr"], [C, N, "stcpr"]);
  const { status, body } = await ask(finderOn(graph), "POST", "/routes", bodyOf([pair(A, N)]));
  assert.deepEqual([status, body], [404, problem(404, "route not found")]);
});

Deno.test("names are matched in any case, unknown ones are passed over", async () => {
  const body = JSON.stringify({
    EDGES: [pair(A, C)],
    opTS: { MINHOPS: 1, maxhops: 2, more: [] },
    __proto__x: 1,
  });
  const { status } = await ask(finderOn(likeRecorded()), "POST", "/routes", body);
  assert.equal(status, 200);
});

for (
  const [what, body, status, reason] of [
    ["null", "null", 200, undefined],
    ["no edges", "{}", 200, undefined],
    ["edges that are null", `{"Edges":null}`, 200, undefined],
    ["a list", "[]", 400, /no object/],
    ["a text", `"x"`, 400, /no object/],
    ["nothing", "", 400, /JSON/],
    ["two values", "{} {}", 400, /JSON/],
    ["nesting without end", "[".repeat(8_000), 400, /./],
    ["edges that are no list", bodyOf(pair(A, B)), 400, /no list/],
    ["an edge without a colon", bodyOf([A]), 400, /colon/],
    ["an edge of three", bodyOf([`${A}:${B}:${C}`]), 400, /colon/],
    ["an edge that is null", bodyOf([null]), 400, /text/],
    ["an empty edge", bodyOf([""]), 400, /colon/],
    ["zeros for a key", bodyOf([`${"0".repeat(66)}:${A}`]), 400, /^Invalid public key$/],
    ["a key that is no point", bodyOf([`02${"f".repeat(64)}:${A}`]), 400, /^Invalid public key$/],
    ["too many edges", bodyOf(Array(17).fill(pair(A, B))), 400, /more than 16/],
    ["options that are a list", bodyOf([pair(A, B)], []), 400, /Opts/],
    ["hops below zero", bodyOf([pair(A, B)], { MinHops: -1, MaxHops: 5 }), 400, /MinHops/],
    ["half a hop", bodyOf([pair(A, B)], { MinHops: 0, MaxHops: 1.5 }), 400, /MaxHops/],
    ["too many hops for 16 bits", bodyOf([pair(A, B)], { MinHops: 0, MaxHops: 65_536 }), 400, /MaxHops/],
    ["hops as a text", bodyOf([pair(A, B)], { MinHops: "1", MaxHops: 5 }), 400, /MinHops/],
    [
      "a number that is none",
      bodyOf([pair(A, B)], { MinHops: 1, MaxHops: 5, NumRoutes: {} }),
      400,
      /NumRoutes/,
    ],
    ["16 KiB and more", bodyOf([]).padEnd(16_385), 413, /too large/],
    ["the most hops", bodyOf([pair(A, B)], { MinHops: 0, MaxHops: 65_535 }), 200, undefined],
  ] as const
) {
  Deno.test(`the route finder answers a body of ${what} with ${status}`, async () => {
    const answer = await ask(finderOn(likeRecorded()), "POST", "/routes", body);
    assert.equal(answer.status, status);
    if (reason === undefined) return;
    const { error } = JSON.parse(answer.body);
    assert.equal(error.code, status);
    assert.match(error.message, reason);
    assert(error.message.length < 300);
  });
}

Deno.test("the route finder has two paths, each with its method", async () => {
  const api = finderOn(likeRecorded());
  const statusOf = async (method: string, path: string) => (await ask(api, method, path)).status;
  assert.deepEqual(await statusOf("POST", "/health"), 405);
  assert.deepEqual(await statusOf("DELETE", "/routes"), 405);
  assert.deepEqual(await statusOf("POST", "/routes/"), 404);
  assert.deepEqual(await statusOf("GET", "/"), 404);
});
