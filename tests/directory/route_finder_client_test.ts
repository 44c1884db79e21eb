import assert from "node:assert/strict";
import fc from "fast-check";
import { parsePublicKey, type PublicKey } from "../../lib/crypto/mod.ts";
import {
  FIND_TIMEOUT_MS,
  type FindLimits,
  FOUND_CHARS_MAX,
  type FoundHop,
  RouteFinderClient,
  RouteNotFoundError,
  ServiceAnswerError,
  ServiceRefusedError,
  ServiceUnreachableError,
} from "../../lib/directory/mod.ts";
import type { AskService } from "../../lib/dmsg/mod.ts";
import { TimedOutError } from "../../lib/base/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import recorded from "../vectors/routing/route_finder.json" with { type: "json" };
import services from "../vectors/services/route-finder.json" with { type: "json" };

type Pair = readonly [PublicKey, PublicKey];
type Asked = Parameters<AskService>[0];

const pairOf = (edge: string): Pair => {
  const [from, to] = edge.split(":");
  return [parsePublicKey(from!), parsePublicKey(to!)];
};
const REQUEST: { Edges: string[]; Opts: { MinHops: number; MaxHops: number } } = JSON.parse(
  recorded.request.body,
);
const PAIRS = REQUEST.Edges.map(pairOf);
const LIMITS = { minHops: REQUEST.Opts.MinHops, maxHops: REQUEST.Opts.MaxHops };

/** A client that is answered with these in turn, the last one for ever. */
function clientOf(answers: readonly ({ status: number; text: string } | Error)[]) {
  const clock = new VirtualClock();
  const asked: Asked[] = [];
  const ask: AskService = (question) => {
    const answer = answers[Math.min(asked.length, answers.length - 1)]!;
    asked.push(question);
    return answer instanceof Error ? Promise.reject(answer) : Promise.resolve(answer);
  };
  return { clock, asked, ask, client: new RouteFinderClient(ask, { world: { clock } }) };
}

function find(status: number, text: string, pairs: readonly Pair[] = PAIRS, limits: FindLimits = LIMITS) {
  const { client, asked } = clientOf([{ status, text }]);
  return { found: client.routes(pairs, limits), asked };
}

/** The answer that gives `found`. */
function wire(pairs: readonly Pair[], found: readonly (readonly (readonly FoundHop[])[])[]): object {
  return Object.fromEntries(found.map((paths, n) => [
    pairs[n]!.join(":"),
    paths.map((path) => path.map(({ transportId, from, to }) => ({ TpID: transportId, From: from, To: to }))),
  ]));
}

Deno.test("RouteFinderClient asks and reads as recorded in routing/route_finder.json", async () => {
  let ran = 0;
  const { found, asked } = find(200, recorded.response_200);
  const paths = await found;
  assert.deepEqual(asked, [{
    method: recorded.request.method,
    path: recorded.request.path,
    body: recorded.request.body,
  }]);
  assert.deepEqual(paths.map((each) => each.map((path) => path.length)), [[2, 1], [1]]);
  assert.equal(JSON.stringify(wire(PAIRS, paths)), recorded.response_200);
  ran++;
  await assert.rejects(find(404, recorded.response_404).found, (error) => {
    assert(error instanceof RouteNotFoundError);
    assert.equal(error.reason, "transport not found");
    assert.deepEqual(error.pairs, PAIRS);
    assert.match(
      error.message,
      /^No route from 0348e1.* to 037eef.*: transport not found$/,
    );
    return true;
  });
  ran++;
  assert.equal(ran, recorded.case_counts.cases);
});

for (const reason of ["transport not found", "no route to destination"]) {
  Deno.test(`RouteFinderClient asks again, when it shall, where a first transport may be on its way: ${reason}`, async () => {
    const unknown = { status: 404, text: JSON.stringify({ error: { message: reason, code: 404 } }) };
    const known = { status: 200, text: recorded.response_200 };
    for (
      const [answers, asks, endsMs] of [[[unknown, unknown, known], 3, 750], [[unknown], 4, 1_750]] as const
    ) {
      const { clock, asked, ask } = clientOf(answers);
      const client = new RouteFinderClient(ask, { world: { clock }, waitsForUnknown: true });
      let outcome = "";
      const found = client.routes(PAIRS, LIMITS).then(
        () => outcome = "found",
        (error) => outcome = error.reason,
      );
      await clock.advance(endsMs - 1);
      assert.deepEqual([outcome, asked.length], ["", asks - 1]);
      await clock.advance(1);
      await found;
      assert.deepEqual([outcome, asked.length], [answers.length > 1 ? "found" : reason, asks]);
    }
    const other = clientOf([{ status: 404, text: '{"error":{"message":"route not found","code":404}}' }]);
    const client = new RouteFinderClient(other.ask, { world: { clock: other.clock }, waitsForUnknown: true });
    await assert.rejects(client.routes(PAIRS, LIMITS), RouteNotFoundError);
    assert.equal(other.asked.length, 1, "a network that has no such path has none a second later");
  });
}

Deno.test("RouteFinderClient copes with every answer of services/route-finder.json", async () => {
  const outcomes: Record<string, number> = {};
  const exchanges = services.exchanges.filter(({ request }) => request.method === "POST");
  for (const { name, request, response } of exchanges) {
    const { pairs, limits } = askedIn(request.body!);
    const { found, asked } = find(response.status, response.body, pairs, limits);
    const outcome = await found.then(
      (paths) => {
        if (pairs.length > 0) assert.equal(JSON.stringify(wire(pairs, paths)), response.body, name);
        return "found";
      },
      (error) => {
        assert(error instanceof RouteNotFoundError || error instanceof ServiceRefusedError, name);
        assert.equal(error.reason, JSON.parse(response.body).error.message, name);
        return error.code;
      },
    );
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    if (request.body!.startsWith('{"Edges":["0') && outcome === "found") {
      assert.equal(asked[0]?.body, request.body, name);
    }
  }
  assert.deepEqual(outcomes, { found: 5, ROUTE_NOT_FOUND: 5, SERVICE_REFUSED: 3 });
  assert.equal(exchanges.length, services.case_counts.exchanges - 2); // but for health and GET
});

/** What a recorded body asks; where that is nothing that a client can ask, any question. */
function askedIn(body: string): { pairs: readonly Pair[]; limits: FindLimits } {
  try {
    const { Edges, edges = Edges, Opts, opts = Opts } = JSON.parse(body);
    const { MinHops, minHops = MinHops, MaxHops, maxHops = MaxHops } = opts ?? { MinHops: 0, MaxHops: 0 };
    return { pairs: edges.map(pairOf), limits: { minHops, maxHops } };
  } catch {
    return { pairs: PAIRS, limits: LIMITS };
  }
}

Deno.test("RouteFinderClient asks for a number of paths only when told one, and for nothing nothing", async () => {
  const { found, asked } = find(200, recorded.response_200, PAIRS, { minHops: 1, maxHops: 9, count: 3 });
  await found;
  assert.deepEqual(JSON.parse(asked[0]!.body!).Opts, { MinHops: 1, MaxHops: 9, NumRoutes: 3 });
  const none = find(500, "", []);
  assert.deepEqual(await none.found, []);
  assert.deepEqual(none.asked, []);
});

for (
  const [style, text, reason] of [
    ["of the route finder", `{"error":{"message":"no such thing","code":403}}`, "no such thing"],
    ["of other services", `{"error":"no such thing"}\n`, "no such thing"],
    ["of a proxy in front", "<html>no such thing", "<html>no such thing"],
    ["of nobody", "", "no text"],
  ] as const
) {
  Deno.test(`RouteFinderClient reads errors in the style ${style}`, async () => {
    await assert.rejects(find(403, text).found, (error) => {
      assert(error instanceof ServiceRefusedError);
      assert.deepEqual([error.status, error.reason], [403, reason]);
      return true;
    });
  });
}

Deno.test("RouteFinderClient asks again each 500 ms for 2 s while the service fails", async () => {
  for (
    const [failure, expected] of [
      [new ServiceUnreachableError("Cannot reach the route finder"), ServiceUnreachableError],
      [{ status: 503, text: "" }, ServiceRefusedError],
      [{ status: 429, text: "" }, ServiceRefusedError],
      [{ status: 408, text: "" }, ServiceRefusedError],
    ] as const
  ) {
    const { clock, asked, client } = clientOf([failure]);
    const found = client.routes(PAIRS, LIMITS);
    const rejected = assert.rejects(found, expected);
    for (const count of [1, 2, 3, 4]) {
      assert.equal(asked.length, count);
      await clock.advance(499);
      assert.equal(asked.length, count);
      await clock.advance(1);
    }
    await rejected;
    assert.equal(asked.length, 4);
  }
});

Deno.test("RouteFinderClient takes the answer of a repetition", async () => {
  const { clock, asked, client } = clientOf([{ status: 502, text: "" }, {
    status: 200,
    text: recorded.response_200,
  }]);
  const found = client.routes(PAIRS, LIMITS);
  await clock.advance(500);
  assert.equal((await found).length, 2);
  assert.equal(asked.length, 2);
});

for (const status of [400, 401, 404, 405]) {
  Deno.test(`RouteFinderClient does not repeat what was answered with ${status}`, async () => {
    const { asked, client } = clientOf([{ status, text: "" }]);
    await assert.rejects(client.routes(PAIRS, LIMITS));
    assert.equal(asked.length, 1);
  });
}

Deno.test("RouteFinderClient gives up after 10 s, and at its signal", async () => {
  const clock = new VirtualClock();
  const ask: AskService = (_, signal) =>
    new Promise((_, reject) =>
      signal!.addEventListener("abort", () => reject(signal!.reason), { once: true })
    );
  const client = new RouteFinderClient(ask, { world: { clock } });
  const late = assert.rejects(client.routes(PAIRS, LIMITS), TimedOutError);
  await clock.advance(FIND_TIMEOUT_MS);
  await late;
  const controller = new AbortController();
  const ended = assert.rejects(client.routes(PAIRS, LIMITS, controller.signal), { message: "enough" });
  controller.abort(new Error("enough"));
  await ended;
  await assert.rejects(client.routes(PAIRS, LIMITS, controller.signal), { message: "enough" });
});

const [A, C] = PAIRS[0]!;
const B = parsePublicKey("0284b9f519a6faa3b837a4285ddc40e81fb66bdf0ea7c4f9e193ef6074dde4a8a1");
const ID = "e2973841-33a2-0ed6-90cb-e777a6615a73";
const hop = (from: PublicKey, to: PublicKey, transportId = ID) => ({ TpID: transportId, From: from, To: to });

for (
  const [what, answer, reason] of [
    ["no JSON", "nope", /is no JSON/],
    ["a list", [], /without a path/],
    ["nothing for the pair", {}, /without a path/],
    ["no path", { [`${A}:${C}`]: [] }, /without a path/],
    ["null for paths", { [`${A}:${C}`]: null }, /without a path/],
    ["an empty path", { [`${A}:${C}`]: [[]] }, /has no hops/],
    ["a path that is none", { [`${A}:${C}`]: [7] }, /has no hops/],
    ["another start", { [`${A}:${C}`]: [[hop(B, C)]] }, /hop to hop/],
    ["another end", { [`${A}:${C}`]: [[hop(A, B)]] }, /ends elsewhere/],
    ["a gap", { [`${A}:${C}`]: [[hop(A, B), hop(A, C)]] }, /hop to hop/],
    ["a ring", { [`${A}:${C}`]: [[hop(A, B), hop(B, A), hop(A, C)]] }, /twice/],
    ["a transport to itself", { [`${A}:${C}`]: [[hop(A, B), hop(B, B), hop(B, C)]] }, /twice/],
    ["too many hops", { [`${A}:${C}`]: [[hop(A, B), hop(B, C)], [hop(A, C)]] }, /more than 1/],
    ["an id that is none", { [`${A}:${C}`]: [[hop(A, C, "1234")]] }, /without a transport/],
    ["a key that is none", { [`${A}:${C}`]: [[hop(A, "02" as PublicKey)]] }, /hop to hop/],
    ["a second path that is none", { [`${A}:${C}`]: [[hop(A, C)], [hop(A, B)]] }, /ends elsewhere/],
    ["too much", " ".repeat(FOUND_CHARS_MAX + 1), /characters/],
  ] as const
) {
  Deno.test(`RouteFinderClient refuses an answer with ${what}`, async () => {
    const text = typeof answer === "string" ? answer : JSON.stringify(answer);
    const limits = { minHops: 1, maxHops: what === "too many hops" ? 1 : 9 };
    await assert.rejects(find(200, text, [[A, C]], limits).found, (error) => {
      assert(error instanceof ServiceAnswerError);
      assert.match(error.message, reason);
      return true;
    });
  });
}

Deno.test("RouteFinderClient reads a loop, and ids in capitals", async () => {
  const loop = { [`${A}:${A}`]: [[hop(A, B), hop(B, A, ID.toUpperCase())]] };
  assert.deepEqual(await find(200, JSON.stringify(loop), [[A, A]]).found, [[[
    { transportId: ID, from: A, to: B },
    { transportId: ID, from: B, to: A },
  ]]]);
});

Deno.test("RouteFinderClient refuses a damaged answer, or reads a path that holds together", async () => {
  let refusals = 0;
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.constantFrom("", "0", "f", '"', "]", ":"), async (place, put) => {
      const at = place % recorded.response_200.length;
      const text = recorded.response_200.slice(0, at) + put + recorded.response_200.slice(at + 1);
      try {
        for (const [n, paths] of (await find(200, text).found).entries()) {
          for (const path of paths) {
            assert.equal(path[0]!.from, PAIRS[n]![0]);
            assert.equal(path.at(-1)!.to, PAIRS[n]![1]);
          }
        }
      } catch (error) {
        assert(error instanceof ServiceAnswerError, String(error));
        refusals++;
      }
    }),
    { numRuns: 400 },
  );
  assert(refusals > 200, `${refusals} refusals`);
});
