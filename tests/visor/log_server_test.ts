import assert from "node:assert/strict";
import { LogRing, silentLog } from "../../lib/base/mod.ts";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import { logServer, type LogServerOptions } from "../../lib/visor/log_server.ts";
import { withSimulation } from "../support/world.ts";
import { ask } from "./_requests.ts";

const keyOf = (name: string) => keyPairFromSeed(new TextEncoder().encode(name)).publicKey;
const [own, listed, stranger] = [keyOf("own"), keyOf("listed"), keyOf("stranger")];
const LINES = [
  "[2026-06-18T09:00:00.000Z] DEBUG [dmsg]: looked up key=02ab",
  "[2026-06-18T09:00:01.000Z] INFO [dmsg]: Session established server=02cd",
  "[2026-06-18T09:00:02.000Z] WARN [http]: slow caller",
  "[2026-06-18T09:00:03.000Z] ERROR [dmsg]: gone",
];
const whole = LINES.map((line) => line + "\n").join("");

/** Runs `test` with a server whose log file holds LINES. */
function withServer(
  test: (serve: (options?: Partial<LogServerOptions>) => ReturnType<typeof logServer>) => Promise<void>,
): Promise<void> {
  return withSimulation(1, async (simulation) => {
    const world = simulation.node("visor");
    await simulation.run(async () => {
      await world.files.write("/skywire.log", new TextEncoder().encode(whole));
      await test((options) =>
        logServer({
          world,
          own,
          whitelist: new Set([listed]),
          log: silentLog,
          health: () => ({ ready: true }),
          uptime: () => ({ hours: [] }),
          survey: { text: () => "{}\n", checksum: () => "00", rewardAddress: undefined },
          ring: new LogRing(),
          onLine: () => () => {},
          logPath: "/skywire.log",
          mounted: () => [],
          ...options,
        })
      );
    });
  });
}

Deno.test("logServer() tells everybody its health, and only listed keys its log", () =>
  withServer(async (serve) => {
    const handler = serve();
    const health = await ask(handler, "/health", { remote: `${stranger}:1234` });
    assert.deepEqual([health.status, health.body], [200, '{"ready":true}']);
    for (const path of ["/visor.log", "/skywire.log", "/visor.log?limit=1"]) {
      const refused = await ask(handler, path, { remote: `${stranger}:1234` });
      assert.deepEqual([refused.status, refused.body], [401, "401 Unauthorized"]);
    }
    for (const key of [own, listed]) {
      assert.equal((await ask(handler, "/visor.log", { remote: `${key}:1` })).body, whole);
    }
  }));

Deno.test("logServer() tells its uptime to listed keys alone, and only to who reads (VI-4)", () =>
  withServer(async (serve) => {
    const handler = serve();
    const refused = await ask(handler, "/stats/uptime", { remote: `${stranger}:1234` });
    assert.deepEqual([refused.status, refused.body], [401, "401 Unauthorized"]);
    for (const key of [own, listed]) {
      const told = await ask(handler, "/stats/uptime", { remote: `${key}:1` });
      assert.deepEqual([told.status, told.body], [200, '{"hours":[]}']);
    }
    assert.equal(
      (await ask(handler, "/stats/uptime", { method: "POST", remote: `${own}:1` })).status,
      405,
    );
  }));

Deno.test("logServer() with an empty list admits the own key alone, never everybody", () =>
  withServer(async (serve) => {
    const handler = serve({ whitelist: new Set() });
    assert.equal((await ask(handler, "/visor.log", { remote: `${own}:1` })).status, 200);
    assert.equal((await ask(handler, "/visor.log", { remote: `${listed}:1` })).status, 401);
  }));

/** Query and the numbers of the lines that it leaves. */
const FILTERS: readonly (readonly [query: string, lines: readonly number[]])[] = [
  ["", [0, 1, 2, 3]],
  ["min-level=info", [1, 2, 3]],
  ["min-level=WARN", [2, 3]],
  ["min-level=error", [3]],
  ["module=dmsg", [0, 1, 3]],
  ["module=dm", []],
  ["grep=slow", [2]],
  ["grep=02ab&module=dmsg", [0]],
  ["since-line=2", [2, 3]],
  ["since-line=99", []],
  ["limit=1", [3]],
  ["limit=2&min-level=info", [2, 3]],
  ["since-line=1&limit=1&module=dmsg", [3]],
];

Deno.test("logServer() filters by level, module, text, first line and number of lines", () =>
  withServer(async (serve) => {
    const handler = serve();
    for (const [query, lines] of FILTERS) {
      const { status, body } = await ask(handler, `/visor.log?${query}`, { remote: `${own}:1` });
      assert.deepEqual([status, body], [200, lines.map((line) => LINES[line] + "\n").join("")], query);
    }
    for (
      const query of [
        "since-line=x",
        "since-line=-1",
        "since-line=1.5",
        "limit=0",
        "limit=a",
        "min-level=loud",
      ]
    ) {
      const { status } = await ask(handler, `/visor.log?${query}`, { remote: `${own}:1` });
      assert.equal(status, 400, query);
    }
  }));

Deno.test("logServer() answers 404 without a file, from the ring without a path, and 405 to a change", () =>
  withServer(async (serve) => {
    const missing = await ask(serve({ logPath: "/none.log" }), "/visor.log", { remote: `${own}:1` });
    assert.deepEqual([missing.status, missing.body], [404, "visor.log not found (is file logging enabled?)"]);
    const ring = new LogRing();
    ring.push(LINES[1]!);
    const fromRing = await ask(serve({ ring, logPath: undefined }), "/skywire.log", { remote: `${own}:1` });
    assert.equal(fromRing.body, LINES[1] + "\n");
    for (const path of ["/health", "/visor.log"]) {
      assert.equal((await ask(serve(), path, { method: "POST", remote: `${own}:1` })).status, 405);
      assert.equal((await ask(serve(), path, { method: "HEAD", remote: `${own}:1` })).status, 200);
    }
  }));

Deno.test("logServer() asks mounted folders for every other path, newest first, and never for its own", () =>
  withServer(async (serve) => {
    const asked: string[] = [];
    const folder = (name: string, status: number) => (request: { target: string }) => {
      asked.push(`${name} ${request.target}`);
      return { status, body: name };
    };
    const handler = serve({ mounted: () => [folder("new", 404), folder("old", 200)] });
    assert.equal((await ask(handler, "/a", { remote: `${stranger}:1` })).body, "old");
    assert.equal((await ask(handler, "/health", { remote: `${stranger}:1` })).body, '{"ready":true}');
    assert.deepEqual(asked, ["new /a", "old /a"]);
    assert.equal((await ask(serve(), "/a", { remote: `${stranger}:1` })).status, 404);
  }));
