/** What a transport discovery tells of many visors, whatever it is asked in; lists in parts over HTTP (SV-7). */
import assert from "node:assert/strict";
import { silentLog } from "../../lib/base/mod.ts";
import type { PublicKey } from "../../lib/crypto/mod.ts";
import { tcpHttpClient } from "../../lib/directory/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { runService } from "../../lib/services/hosting/mod.ts";
import type { UptimeStore } from "../../lib/services/store/mod.ts";
import type { Listing } from "../../lib/services/transport_discovery/_listing.ts";
import { UptimeRoutes } from "../../lib/services/transport_discovery/_uptime_routes.ts";
import { createUptimeTracker } from "../../lib/services/uptime_tracker/mod.ts";
import { REGISTRATION_BEATS_OF_DAY } from "../../lib/services/uptimes/mod.ts";
import { withSystemWorld } from "../support/world.ts";
import * as support from "./many_visors.ts";
import { COUNT, ManyVisors, NOON_MS, question, same, whole } from "./many_visors.ts";

/** A transport discovery's routes over many visors: all are on, or as said, and of transports there is none. */
function routes(count = COUNT) {
  const clock = new VirtualClock({ wallMs: NOON_MS });
  const visors = new ManyVisors(clock, count);
  const soon = <T>(work: Promise<T>) => support.soon(clock, work);
  const live = { byId: new Map(), online: new Set<string>(visors.keys.filter((key) => visors.isOn(key))) };
  const listing = { live: () => Promise.resolve(live) } as unknown as Listing;
  const transports = new ManyVisors(clock, 0).store as unknown as UptimeStore<string>;
  const told = new UptimeRoutes({ visors: visors.store, transports }, { clock, listing });
  const ask = async (path: string, query = "") => (await soon(told.answer(question(path, query))))!;
  return { clock, visors, soon, routes: told, ask };
}

Deno.test("100,000 questions that differ in words alone keep as many answers as there are meanings", async () => {
  const { visors, routes: { answer }, routes: told, ask } = routes(3);
  for (let at = 0; at < 100_000; at++) await answer.call(told, question("/version", `on=${at}`));
  assert.equal(told.kept, 1);
  assert.ok(visors.readings <= 2, "one of the days, one of who is there");
  for (const on of ["true", "false", "TRUE", "", "true&on=false", "tru%65"]) {
    await ask("/version", `on=${on}`);
  }
  assert.equal(told.kept, 3);
  for (const v of ["", "v1", "v2", "v3", "v4", "V2", "v2&x=1"]) {
    await ask("/uptimes", `v=${v}`);
    await ask("/uptimes", `v=${v}&status=on`);
    await ask("/uptimes", `v=${v}&startDate=1`);
    for (const edges of ["true", "false", "1"]) await ask("/uptimes/transports", `v=${v}&edges=${edges}`);
    for (const type of ["stcpr", "a", "b"]) await ask("/uptimes/transports", `v=${v}&type=${type}`);
  }
  await ask("/metrics/uptime");
  await ask("/versions", "status=true");
  assert.equal(
    told.kept,
    3 + 3 + 6 + 1,
    "versions by state, uptimes by version, transports by that and edges, totals",
  );
});

Deno.test("a transport discovery reads many visors once for all that is asked about them at once, and tells it in parts", async () => {
  const { visors, soon, ask, clock, routes: told } = routes();
  const queries = [["/uptimes", "v=v2"], ["/uptimes", "status=on"], ["/version", ""], [
    "/versions",
    "on=true",
  ]] as const;
  const answers = await Promise.all([
    ...queries.map(([path, query]) => ask(path, query)),
  ]);
  assert.equal(visors.readings, 2);
  const expected = visors.listed("v2", visors.keys, REGISTRATION_BEATS_OF_DAY);
  for (const _ of ["one", "another who is given what is kept"]) {
    same(await soon(whole(answers[0]!)), expected);
  }
  const versions = JSON.parse(await soon(whole(answers[3]!))) as { pk: PublicKey; version: string }[];
  assert.deepEqual(
    versions,
    visors.keys.filter((key) => visors.isOn(key)).map((key) => ({
      pk: key,
      version: visors.visor(key).version ?? "",
    })),
  );
  const counts = JSON.parse(answers[2]!.body) as Record<string, number>;
  assert.equal(Object.values(counts).reduce((sum, count) => sum + count), COUNT);
  await clock.advance(20_000);
  await ask("/versions");
  await ask("/uptimes", "startDate=1");
  assert.equal(visors.readings, 2, "lists that are not kept are made of a reading that is");
  assert.equal(told.kept, 2, "numbers of versions, and one list");
});

Deno.test("the text of a long list is kept as long as what was read for it, with timelines it is not", async () => {
  const { visors, soon, ask, clock, routes: told } = routes();
  const first = async (query: string) => (await soon((await ask("/uptimes", query)).parts!().read()))!;
  await ask("/version");
  await clock.advance(20_000);
  for (const [version, isKept] of [["v1", true], ["v2", true], ["v3", false]] as const) {
    assert.equal(await first(`v=${version}`) === await first(`v=${version}`), isKept, version);
  }
  assert.deepEqual([visors.readings, told.kept], [2, 4]);
  await clock.advance(10_000);
  visors.keys = visors.keys.slice(1);
  same(await soon(whole(await ask("/uptimes", "v=v1"))), visors.listed("v1"));
  assert.equal(told.kept, 1, "what is over is given up");
});

Deno.test("a list in parts goes out over HTTP, to each who asks, and a dashboard likewise", async () => {
  await withSystemWorld(async (world) => {
    const clock = new VirtualClock({ wallMs: NOON_MS });
    const visors = new ManyVisors(clock, COUNT);
    clock.timer = (delayMs, fire) => world.clock.timer(delayMs, fire);
    const { store } = visors;
    const api = createUptimeTracker({ store, world: { clock }, settings: { listsPerMinute: 0 } });
    await using service = await runService({
      world,
      log: silentLog,
      name: "lists",
      mode: "http",
      address: { hostname: "127.0.0.1", port: 0 },
      api: () => api,
      holds: { [Symbol.asyncDispose]: () => Promise.resolve() },
    });
    await using client = tcpHttpClient(world, "test/1");
    const get = async (path: string) => {
      const answer = await client.fetch({ url: `http://127.0.0.1:${service.address!.port}${path}` });
      return { type: answer.headers.get("content-type"), text: await answer.text() };
    };
    const lists = await Promise.all(["v=v3", "v=v2", "v=v2"].map((query) => get(`/uptimes?${query}`)));
    assert.deepEqual(lists.map(({ type }) => type), Array(3).fill("application/json"));
    same(lists[0]!.text, visors.listed("v3"));
    same(lists[1]!.text, visors.listed("v2"));
    same(lists[2]!.text, visors.listed("v2"));
    const page = await get("/dashboard?length=2");
    assert.equal(page.type, "text/html; charset=utf-8");
    assert.equal(page.text.match(/\n<tr><td>/g)!.length, COUNT);
    assert.match(page.text, new RegExp(`<p>${Math.ceil(COUNT / 2)} of ${COUNT} visors online`));
    assert.ok(page.text.endsWith("\n</table>\n"));
  });
});
