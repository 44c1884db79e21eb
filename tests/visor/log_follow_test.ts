/** A followed log, and `/visor.log?follow=1` on it. */
import assert from "node:assert/strict";
import { keyPairFromSeed } from "../../lib/crypto/mod.ts";
import { HeaderFields, type RawRequest, type RawResponse } from "../../lib/http/mod.ts";
import { sleep, type World } from "../../lib/runtime/mod.ts";
import { FOLLOWED_LINES_MAX, followLog } from "../../lib/visor/_log_follow.ts";
import { FOLLOW_BEAT_MS, logServer } from "../../lib/visor/log_server.ts";
import { LogFile } from "../../lib/visor/mod.ts";
import { withSimulation } from "../support/world.ts";

const own = keyPairFromSeed(new TextEncoder().encode("own")).publicKey;

function withLog(test: (log: LogFile, world: World) => Promise<void>): Promise<void> {
  return withSimulation("log", async (simulation) => {
    const world = simulation.node("visor");
    await simulation.run(async () => {
      await world.files.makeDirectory("/log");
      await using log = new LogFile({ world, level: "debug", path: "/log/skywire.log" });
      await test(log, world);
    });
  });
}

const texts = (lines: readonly string[]) => lines.map((line) => line.replace(/^.*\]: /, ""));

Deno.test("followLog() gives what is there, then each line that comes, none twice, those that are meant", () =>
  withLog(async (log, { clock }) => {
    const left = new AbortController();
    log.log.child("dmsg").info("early");
    log.log.child("dmsg").debug("too small");
    log.log.child("http").warn("of another part");
    const got: string[] = [];
    const following = (async () => {
      const query = { minLevel: "info", module: "dmsg" } as const;
      for await (const lines of followLog(log, query, left.signal)) got.push(...texts(lines));
    })();
    log.log.child("dmsg.client").error("in the same turn");
    await sleep(clock, 10);
    log.log.child("dmsg").info("later");
    log.log.child("dmsgx").info("no part of it");
    await sleep(clock, 10);
    assert.deepEqual(got, ["early", "in the same turn", "later"]);
    left.abort();
    await following;
    log.log.child("dmsg").info("nobody hears it");
    assert.equal(got.length, 3);
  }));

Deno.test("followLog() gives the newest lines of a limit first, and all that come", () =>
  withLog(async (log, { clock }) => {
    const left = new AbortController();
    for (let index = 1; index <= 5; index++) log.log.info(`${index}`);
    const lines = followLog(log, { limit: 2 }, left.signal);
    assert.deepEqual(texts((await lines.next()).value!), ["4", "5"]);
    for (let index = 6; index <= 9; index++) log.log.info(`${index}`);
    assert.deepEqual(texts((await lines.next()).value!), ["6", "7", "8", "9"]);
    const waiting = lines.next();
    await sleep(clock, 1);
    log.log.info("the last");
    left.abort();
    log.log.info("too late");
    assert.deepEqual(texts((await waiting).value!), ["the last"], "it was said before the end");
    assert.equal((await lines.next()).done, true);
  }));

Deno.test("followLog() of a log without a line that is meant gives a first pack without one", () =>
  withLog(async (log, world) => {
    const left = new AbortController();
    const lines = followLog(log, { grep: "nothing" }, left.signal);
    assert.deepEqual(await lines.next(), { value: [], done: false });
    left.abort();
    assert.equal((await lines.next()).done, true);
    const { read, response } = await followed(log, world, "/visor.log?follow=1&grep=nothing");
    assert.equal(await read(), "\n", "that was all");
    response.onDone?.();
  }));

Deno.test("followLog() holds a bounded number of lines for who reads slowly, and says how many it left out", () =>
  withLog(async (log) => {
    const left = new AbortController();
    log.log.info("first");
    const lines = followLog(log, {}, left.signal);
    await lines.next();
    for (let index = 0; index < FOLLOWED_LINES_MAX + 7; index++) log.log.info(`${index}`);
    const pack = (await lines.next()).value!;
    assert.equal(pack.length, FOLLOWED_LINES_MAX + 1);
    assert.equal(pack.at(-1), "(7 lines left out: they are read too slowly)");
    left.abort();
    await lines.return();
  }));

async function followed(
  log: LogFile,
  world: World,
  target: string,
): Promise<{ response: RawResponse; left: AbortController; read: () => Promise<string | null> }> {
  const left = new AbortController();
  const handler = logServer({
    world,
    own,
    whitelist: new Set(),
    log: log.log,
    health: () => ({}),
    uptime: () => ({}),
    survey: { text: () => "", checksum: () => "", rewardAddress: undefined },
    ring: log.ring,
    onLine: (listener) => log.onLine(listener),
    logPath: log.path,
    mounted: () => [],
  });
  const request: RawRequest = {
    method: "GET",
    target,
    host: "x",
    headers: new HeaderFields(),
    body: { read: () => Promise.resolve(null) },
    bodyless: true,
    bodyBytes: 0,
    remote: `${own}:1`,
    signal: left.signal,
  };
  const response = await handler(request);
  const body = response.body as { read(): Promise<Uint8Array | null> };
  return {
    response,
    left,
    async read() {
      const view = await body.read();
      return view === null ? null : new TextDecoder().decode(view);
    },
  };
}

Deno.test("/visor.log?follow=1 goes on with each line; an empty one notices a caller that has gone", () =>
  withLog(async (log, world) => {
    log.log.warn("early");
    const { response, left, read } = await followed(log, world, "/visor.log?follow=1&min-level=warn");
    assert.match((await read())!, /^[^\n]*early\n\n$/, "all that was, and its end");
    assert.deepEqual(
      response.headers,
      [["Content-Type", "text/plain; charset=utf-8"], ["sw-log-end", "empty-line"]],
      "it says that it marks it",
    );
    const startedMs = world.clock.monotonicMs();
    assert.equal(await read(), "\n");
    assert.equal(Math.round(world.clock.monotonicMs() - startedMs), FOLLOW_BEAT_MS);
    log.log.info("not meant");
    log.log.error("later");
    assert.match((await read())!, /^[^\n]*later\n$/);
    left.abort(new DOMException("Client left", "AbortError"));
    assert.equal(await read(), null);
    response.onDone?.();
  }));

Deno.test("/visor.log is the file itself: what an earlier run wrote, too; raw=1 is all of it as it is", () =>
  withLog(async (log, world) => {
    await world.files.append("/log/skywire.log", new TextEncoder().encode("of an earlier run\n\n"));
    log.log.warn("now");
    await sleep(world.clock, 10);
    const { response: filtered } = await followed(log, world, "/visor.log?grep=now");
    assert.equal(filtered.headers!.length, 1, "no mark without follow");
    assert.match(String(filtered.body), /^[^\n]* WARN \[skyctl\]: now\n$/);
    const { response: raw } = await followed(log, world, "/skywire.log?raw=1&grep=nothing");
    assert.match(String(raw.body), /^of an earlier run\n\n\[.*now\n$/);
    for (
      const bad of ["min-level=loud", "limit=0", "limit=x", "since-line=-1", "limit=1e3", "since-line=0x1"]
    ) {
      assert.equal((await followed(log, world, `/visor.log?${bad}`)).response.status, 400, bad);
    }
  }));
