/** askOver(): the order of ways, what ends it, the bound of each way, and what a failure says (CL-4). */
import assert from "node:assert/strict";
import { describeError, type LogRecord, logTo, silentLog } from "../../lib/base/mod.ts";
import {
  ANSWER_BYTES_MAX,
  ASK_TIMEOUT_BEFORE_NEXT_MS,
  ASK_TIMEOUT_MS,
  askOver,
  LARGE_ANSWER_BYTES_MAX,
  LARGE_ANSWER_MS,
  type ServiceWay,
} from "../../lib/directory/mod.ts";
import { HttpClient, serveHttp } from "../../lib/http/mod.ts";
import { sleep, type World } from "../../lib/runtime/mod.ts";
import type { Simulation } from "../../lib/runtime/simulated/mod.ts";
import { tcpHttpClient } from "../../lib/directory/mod.ts";
import { withSimulation } from "../support/world.ts";

interface Seen {
  readonly method: string;
  readonly url: string;
  readonly type: string | null;
  readonly body: string;
}

/** A service on a node of its own, which answers with its name. */
async function service(world: World, name: string, seen: Seen[], status = 200, body = name) {
  return serveHttp(await world.network.listen({ hostname: "0.0.0.0", port: 80 }), async (request) => {
    const { method, url, headers } = request;
    seen.push({ method, url, type: headers.get("content-type"), body: await request.text() });
    return new Response(body, { status });
  }, { world, log: silentLog });
}

function inSimulation(
  seed: number,
  scenario: (bench: {
    simulation: Simulation;
    world: World;
    way: (name: string, isReady?: () => boolean) => ServiceWay;
    logged: LogRecord[];
    ask: (ways: ServiceWay[], signal?: AbortSignal) => Promise<{ status: number; text: string }>;
  }) => Promise<void>,
): Promise<void> {
  return withSimulation(seed, async (simulation) => {
    const world = simulation.node("asker");
    const logged: LogRecord[] = [];
    const log = logTo((record) => logged.push(record), () => simulation.nowMs);
    const clients: HttpClient[] = [];
    const way = (name: string, isReady = () => true): ServiceWay => {
      const client = tcpHttpClient(world, "test/1");
      clients.push(client);
      return { name, origin: `http://${name}:80`, client, isReady };
    };
    const ask = (ways: ServiceWay[], signal?: AbortSignal) =>
      askOver("dmsg discovery", ways, world.clock, log)({ method: "GET", path: "/health" }, signal);
    await simulation.run(async () => {
      await scenario({ simulation, world, way, logged, ask });
      for (const client of clients) await client.close();
    });
  });
}

Deno.test("askOver() asks over the first way, with method, path and body", () =>
  inSimulation(1, async ({ simulation, world, way, ask }) => {
    const seen: Seen[] = [];
    await using _first = await service(simulation.node("one"), "one", seen);
    await using _second = await service(simulation.node("two"), "two", seen);
    const ways = [way("one"), way("two")];
    assert.deepEqual(await ask(ways), { status: 200, text: "one" });
    const post = askOver("dmsg discovery", ways, world.clock, silentLog);
    await post({ method: "POST", path: "/dmsg-discovery/entry/", body: "{}" });
    assert.deepEqual(
      seen,
      [
        { method: "GET", url: "http://one/health", type: null, body: "" },
        { method: "POST", url: "http://one/dmsg-discovery/entry/", type: "application/json", body: "{}" },
      ].map((expected, index) => ({ ...expected, url: seen[index]!.url })),
    );
    assert.deepEqual(seen.map(({ url }) => new URL(url).pathname), ["/health", "/dmsg-discovery/entry/"]);
  }));

Deno.test("askOver() ends with an answer, whatever its status: a refusal is not asked of the next way", () =>
  inSimulation(2, async ({ simulation, way, ask }) => {
    const seen: Seen[] = [];
    await using _first = await service(simulation.node("one"), "one", seen, 422, "no");
    await using _second = await service(simulation.node("two"), "two", seen);
    assert.deepEqual(await ask([way("one"), way("two")]), { status: 422, text: "no" });
    assert.equal(seen.length, 1);
  }));

Deno.test("askOver() leaves out what is not ready, asks it when it is, and falls back when it fails", () =>
  inSimulation(3, async ({ simulation, way, ask, logged }) => {
    const seen: Seen[] = [];
    simulation.node("gone");
    await using _second = await service(simulation.node("two"), "two", seen);
    let isReady = false;
    const ways = [way("gone", () => isReady), way("two")];
    assert.equal((await ask(ways)).text, "two");
    assert.equal(logged.length, 0);
    isReady = true;
    assert.equal((await ask(ways)).text, "two");
    assert.equal(logged.length, 1);
    assert.deepEqual([logged[0]!.message, logged[0]!.fields.way], ["Service not reached", "gone"]);
  }));

Deno.test("askOver() gives a way 10 s, its answer's body included, and then the next its turn", () =>
  inSimulation(4, async ({ simulation, way, ask, logged }) => {
    const seen: Seen[] = [];
    const silent = await simulation.node("silent").network.listen({ hostname: "0.0.0.0", port: 80 });
    const held = silent.accept();
    await using _second = await service(simulation.node("two"), "two", seen);
    const ways = [way("silent"), way("two")];
    assert.equal((await ask(ways)).text, "two");
    assert.ok(
      simulation.nowMs >= ASK_TIMEOUT_BEFORE_NEXT_MS && simulation.nowMs < ASK_TIMEOUT_BEFORE_NEXT_MS + 500,
      `${simulation.nowMs}`,
    );
    assert.match(
      String(logged[0]!.fields.cause),
      /GET \/health of the dmsg discovery over silent did not finish within 4000 ms/,
    );
    const startedMs = simulation.nowMs;
    await assert.rejects(ask([way("silent")]), /Cannot reach/);
    const waitedMs = simulation.nowMs - startedMs;
    assert.ok(
      waitedMs >= 10_000 && waitedMs < 10_500,
      `the last way has ${waitedMs} ms`,
    );
    (await held)!.close();
    silent.close();
  }));

Deno.test("askOver() asks an urgent question over every way at once, and ends the slower ones", () =>
  inSimulation(9, async ({ simulation, world, way }) => {
    const seen: Seen[] = [];
    const silent = await simulation.node("silent").network.listen({ hostname: "0.0.0.0", port: 80 });
    const held = silent.accept();
    await using _second = await service(simulation.node("two"), "two", seen);
    const ask = askOver("dmsg discovery", [way("silent"), way("two")], world.clock, silentLog);
    const startedMs = simulation.nowMs;
    const question = { method: "DELETE", path: "/dmsg-discovery/entry", body: "{}", isUrgent: true };
    assert.deepEqual(await ask(question), { status: 200, text: "two" });
    assert.ok(simulation.nowMs - startedMs < 1_000, "it waited for nobody");
    assert.equal(seen.length, 1);
    const nobody = askOver("dmsg discovery", [way("silent")], world.clock, silentLog);
    const caller = new AbortController();
    const asked = nobody(question, caller.signal);
    caller.abort(new Error("enough"));
    await assert.rejects(asked, /enough/);
    await assert.rejects(nobody(question, caller.signal), /enough/);
    (await held)!.close();
    silent.close();
  }));

Deno.test("askOver() that reaches nobody says what each way said", () =>
  inSimulation(5, async ({ simulation, way, ask }) => {
    simulation.node("one");
    simulation.node("two");
    const failure = await ask([way("one"), way("two")]).then(() => assert.fail(), (error) => error);
    assert.deepEqual([failure.code, failure.fault], ["SERVICE_UNREACHABLE", "world"]);
    const text = describeError(failure);
    assert.match(text, /^Cannot reach the dmsg discovery: /);
    assert.match(
      text,
      /Cannot connect to one:80: Connection refused; Cannot connect to two:80: Connection refused/,
    );
    const single = describeError(await ask([way("one")]).catch((error) => error));
    assert.match(single, /^Cannot reach the dmsg discovery: Cannot connect to one:80: Connection refused$/);
    for (const ways of [[], [way("one", () => false)]]) {
      await assert.rejects(ask(ways), (error) => /no way to it is ready/.test(describeError(error)));
    }
  }));

Deno.test("askOver() ends with the caller's signal, and asks no further way", () =>
  inSimulation(6, async ({ simulation, way, ask }) => {
    const seen: Seen[] = [];
    const silent = await simulation.node("silent").network.listen({ hostname: "0.0.0.0", port: 80 });
    const held = silent.accept();
    await using _second = await service(simulation.node("two"), "two", seen);
    const ending = new AbortController();
    const asking = assert.rejects(ask([way("silent"), way("two")], ending.signal), { message: "enough" });
    (await held)!.close();
    ending.abort(new Error("enough"));
    await asking;
    await assert.rejects(ask([way("two")], AbortSignal.abort(new Error("before"))), { message: "before" });
    assert.deepEqual(seen, []);
    silent.close();
  }));

Deno.test("askOver() takes no endless answer", () =>
  inSimulation(7, async ({ simulation, way, ask }) => {
    const world = simulation.node("huge");
    await using _server = serveHttp(
      await world.network.listen({ hostname: "0.0.0.0", port: 80 }),
      () => new Response("x".repeat(16 * 1024 * 1024 + 1)),
      { world, log: silentLog },
    );
    await assert.rejects(ask([way("huge")]), { code: "SERVICE_UNREACHABLE" });
  }));

/** A way whose answer has `pieces` of 1 MiB, one each `eachMs`, its head after `headMs`. */
function slowWay(world: World, name: string, pieces: number, eachMs: number, headMs = 0): ServiceWay {
  const send = async (_request: unknown, { signal }: { signal?: AbortSignal } = {}) => {
    await sleep(world.clock, headMs, signal);
    let left = pieces;
    return {
      status: 200,
      headers: { get: () => undefined },
      bodyReader: {
        async read() {
          if (left-- === 0) return null;
          await sleep(world.clock, eachMs, signal);
          return new Uint8Array(1024 * 1024).fill(0x20);
        },
        discard() {},
      },
    };
  };
  return { name, origin: "http://slow", client: { send } as unknown as HttpClient, isReady: () => true };
}

Deno.test("an answer about everything may be larger and take longer; one that is dead takes no longer", () =>
  inSimulation(12, async ({ world }) => {
    const large = { method: "GET", path: "/all-transports", isLarge: true };
    const [mib, mibMax] = [ANSWER_BYTES_MAX >> 20, LARGE_ANSWER_BYTES_MAX >> 20];
    const askSlow = async (
      question: typeof large | { method: string; path: string },
      ...ways: ServiceWay[]
    ) => {
      const startedMs = world.clock.monotonicMs();
      const text = await askOver("discovery", ways, world.clock, silentLog)(question).then(
        ({ text }) => text.length >> 20,
        (error) => describeError(error),
      );
      return [text, world.clock.monotonicMs() - startedMs];
    };
    const small = { method: "GET", path: "/health" };
    assert.deepEqual(await askSlow(small, slowWay(world, "one", mib, 1)), [mib, mib]);
    assert.match(String(await askSlow(small, slowWay(world, "one", mib + 1, 1))), /exceeds/);
    assert.deepEqual(await askSlow(large, slowWay(world, "one", mibMax, 500)), [mibMax, mibMax * 500]);
    assert.match(String(await askSlow(large, slowWay(world, "one", mibMax + 1, 1))), /exceeds/);

    const [, smallMs] = await askSlow(small, slowWay(world, "one", 16, 1_000));
    assert.equal(smallMs, ASK_TIMEOUT_MS);
    const [, largeMs] = await askSlow(large, slowWay(world, "one", 2, LARGE_ANSWER_MS));
    assert.equal(largeMs, LARGE_ANSWER_MS);
    const dead = slowWay(world, "one", 1, 1, LARGE_ANSWER_MS);
    assert.deepEqual(await askSlow(large, dead, slowWay(world, "two", 20, 1_000)), [
      20,
      ASK_TIMEOUT_BEFORE_NEXT_MS + 20_000,
    ]);
  }));
