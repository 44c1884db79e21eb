/** SV-5: debug endpoints on dmsg port 80, for whom they are. */
import assert from "node:assert/strict";
import { LogRing, logTo } from "../../lib/base/mod.ts";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import { CPU_PROFILE_MAX_MS, type DebugOptions, withDebug } from "../../lib/dmsg/mod.ts";
import { sleep, systemWorld, type World } from "../../lib/runtime/mod.ts";
import { withSimulation } from "../support/world.ts";
import { ask } from "../visor/_requests.ts";

const keyOf = (name: string) => keyPairFromSeed(new TextEncoder().encode(name)).publicKey;
const [own, listed, stranger] = [keyOf("own"), keyOf("listed"), keyOf("stranger")];
const DEBUG_PATHS = [
  "/debug/log",
  "/debug/log?x=1",
  "/debug/pprof",
  "/debug/pprof/",
  "/debug/pprof/heap",
  "/debug/pprof/goroutine",
  "/debug/pprof/profile?seconds=1",
  "/debug/pprof/none",
];

function withPages(
  test: (rig: {
    readonly world: World;
    readonly pages: ReturnType<typeof withDebug>;
    readonly served: string[];
    readonly options: DebugOptions;
  }) => Promise<void>,
  { whitelist = [listed] }: { readonly whitelist?: readonly (typeof own)[] } = {},
): Promise<void> {
  return withSimulation("debug", async (simulation) => {
    const world = simulation.node("service");
    await simulation.run(async () => {
      const ring = new LogRing();
      const log = logTo(({ message }) => ring.push(message), () => 0, undefined, ring);
      log.child("deep").child("deeper").info("something was said");
      const served: string[] = [];
      const options = { world, own, whitelist: new Set(whitelist), log };
      const pages = withDebug(({ target }) => {
        served.push(target);
        return { status: 200, body: "the service" };
      }, options);
      await test({ world, pages, served, options });
    });
  });
}

Deno.test("withDebug() admits the own key and the listed ones by what their stream has proved, nobody else (SV-5)", () =>
  withPages(async ({ pages, served }) => {
    for (const path of DEBUG_PATHS) {
      const refused = await ask(pages, path, { remote: `${stranger}:49152` });
      assert.deepEqual([refused.status, refused.body], [401, "401 Unauthorized"], path);
      for (const key of [own, listed]) {
        const { status } = await ask(pages, path, { remote: `${key}:1` });
        assert.equal(status, path.endsWith("/none") ? 404 : 200, path);
      }
    }
    assert.deepEqual(served, []);
  }));

Deno.test("withDebug() with an empty whitelist admits the own key alone (SV-5)", () =>
  withPages(async ({ pages }) => {
    assert.equal((await ask(pages, "/debug/log", { remote: `${listed}:1` })).status, 401);
    assert.equal((await ask(pages, "/debug/log", { remote: `${own}:1` })).status, 200);
  }, { whitelist: [] }));

Deno.test("withDebug() answers 500 to who came over no dmsg stream, whatever it says of itself (SV-5)", () =>
  withPages(async ({ pages }) => {
    for (const remote of ["203.0.113.1:80", "[::1]:80", "", "x", `${own}`.slice(1) + ":80"]) {
      for (const path of DEBUG_PATHS) {
        assert.equal((await ask(pages, path, { remote })).status, 500, `${remote} ${path}`);
      }
    }
  }));

Deno.test("withDebug() leaves every other path to the service, untouched and unchecked", () =>
  withPages(async ({ pages, served }) => {
    const paths = ["/", "/health", "/debug", "/debug/", "/debug/logs", "/debug/pprofile", "/x?/debug/log"];
    for (const path of paths) {
      assert.equal((await ask(pages, path, { remote: "203.0.113.1:80" })).body, "the service", path);
    }
    assert.deepEqual(served, paths);
  }));

Deno.test("/debug/log is what any part of the process said lately; nothing where nothing is kept", () =>
  withPages(async ({ pages, options }) => {
    assert.equal((await ask(pages, "/debug/log", { remote: `${own}:1` })).body, "something was said\n");
    const silent = withDebug(() => ({ status: 404 }), { ...options, log: logTo(() => {}, () => 0) });
    assert.equal((await ask(silent, "/debug/log", { remote: `${own}:1` })).body, "");
    const post = await ask(pages, "/debug/log", { remote: `${own}:1`, method: "POST" });
    assert.equal(post.status, 405);
  }));

Deno.test("/debug/pprof lists its profiles, gives them, and knows no other", () =>
  withPages(async ({ pages, world }) => {
    const from = { remote: `${own}:1` };
    const index = await ask(pages, "/debug/pprof/", from);
    assert.deepEqual(index.body.match(/^\w+/gm), ["goroutine", "heap", "profile"]);
    assert.equal(
      typeof JSON.parse((await ask(pages, "/debug/pprof/heap", from)).body).heapUsedBytes,
      "number",
    );
    const end = world.ledger.open("session");
    assert.equal(JSON.parse((await ask(pages, "/debug/pprof/goroutine", from)).body).session, 1);
    end();
    for (
      const name of ["mutex", "block", "trace", "symbol", "threadcreate", "heap/", "../log", "%2e%2e", "<b>"]
    ) {
      assert.equal((await ask(pages, `/debug/pprof/${name}`, from)).status, 404, name);
    }
  }));

Deno.test("/debug/pprof/profile takes as long as it is asked to, within its bound, one at a time", () =>
  withPages(async ({ pages, world }) => {
    const from = { remote: `${own}:1` };
    for (const seconds of ["0", "-1", "x", "", String(CPU_PROFILE_MAX_MS / 1_000 + 1), "Infinity"]) {
      assert.equal((await ask(pages, `/debug/pprof/profile?seconds=${seconds}`, from)).status, 400, seconds);
    }
    const startedMs = world.clock.monotonicMs();
    const first = ask(pages, "/debug/pprof/profile", from);
    await sleep(world.clock, 1);
    assert.equal((await ask(pages, "/debug/pprof/profile?seconds=1", from)).status, 503);
    assert.equal((await first).status, 200);
    assert.equal(Math.round(world.clock.monotonicMs() - startedMs), 30_000);
    assert.equal((await ask(pages, "/debug/pprof/profile?seconds=0.5", from)).status, 200);
  }));

Deno.test("the system's diagnostics: figures of this process, and a CPU profile of what it does", async () => {
  const { diagnostics, clock } = systemWorld();
  const { residentBytes, heapBytes, heapUsedBytes } = diagnostics.memory();
  assert(residentBytes >= heapUsedBytes && heapBytes >= heapUsedBytes && heapUsedBytes > 100_000);
  const profiling = diagnostics.cpuProfile(60);
  await sleep(clock, 10);
  for (const untilMs = clock.monotonicMs() + 30; clock.monotonicMs() < untilMs;);
  const { nodes, samples } = JSON.parse(await profiling);
  assert(nodes.length > 0 && samples.length > 0);
});
