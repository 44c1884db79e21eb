/** `visor ping --watch` of whole visors: a relay dies under it, the visor itself is stopped. */
import assert from "node:assert/strict";
import { ControlClient, type PingEvent } from "../../lib/control/mod.ts";
import { type Fleet, keyOf, withFleet } from "./_fleet.ts";

/** Watches from A to C, until `leave`; what was told. */
async function watching(fleet: Fleet, input: { readonly minHops?: number } = {}) {
  const told: PingEvent[] = [];
  const left = new AbortController();
  const client = await ControlClient.open("/home", fleet.world("A"));
  const ended = (async () => {
    for await (const event of client.stream("visorPingWatch", { key: keyOf("C"), ...input }, left.signal)) {
      told.push(event);
    }
  })().then(() => "ended", (error) => error);
  const count = (what: PingEvent["event"]) => told.filter(({ event }) => event === what).length;
  return {
    told,
    ended,
    count,
    async leave() {
      left.abort(new DOMException("Interrupted", "AbortError"));
      await ended;
      await client.close();
    },
  };
}

Deno.test("a watched ping goes another way when its relay dies, says so, and leaves no route behind", () =>
  withFleet(360, ["A", "B", "C", "D"], async (fleet) => {
    for (const relay of ["B", "D"]) {
      await fleet.link("A", relay);
      await fleet.link(relay, "C");
    }
    await fleet.sleep(6_000);
    const { told, count, leave } = await watching(fleet, { minHops: 2 });
    await fleet.until("pings over a first route", () => count("reply") >= 3);
    const first = told.find(({ event }) => event === "route");
    assert(first?.event === "route" && first.forward.length === 2);
    assert(first.forward.every(({ latencyMs }) => latencyMs !== null), "both hops are measured");
    const relay = first.forward[0]!.to === keyOf("B") ? "B" : "D";
    fleet.kill(relay);
    const tookMs = await fleet.until("another route", () => count("route") >= 2);
    assert(tookMs < 20_000, `${tookMs} ms`);
    const ends = told.flatMap((event) => event.event === "routeEnded" ? [event.failure] : []);
    assert.match(ends[0]!, /./);
    const second = told.findLast(({ event }) => event === "route");
    assert(second?.event === "route");
    assert.equal(second.forward[0]!.to, keyOf(relay === "B" ? "D" : "B"));
    const before = count("reply");
    await fleet.until("pings over the other route", () => count("reply") > before + 2);
    await leave();
    await fleet.until(
      "no route is left",
      () => ["A", "C"].every((name) => fleet.node(name).router.rules().length === 0),
      15_000,
    );
  }));

Deno.test("a watched ping ends in order when its visor is stopped, within the visor's two seconds", () =>
  withFleet(361, ["A", "C"], async (fleet) => {
    await fleet.link("A", "C");
    const { count, ended, leave } = await watching(fleet);
    await fleet.until("pings", () => count("reply") >= 2);
    const startedMs = fleet.nowMs;
    await fleet.stop("A");
    assert(fleet.nowMs - startedMs < 2_000);
    assert.equal(await ended, "ended");
    await leave();
  }));

Deno.test("a watched ping of a visor that comes later reaches it, with the failures before", () =>
  withFleet(362, ["A"], async (fleet) => {
    const { told, count, leave } = await watching(fleet);
    await fleet.until("failures", () => count("unreachable") >= 2, 120_000);
    await fleet.start("C");
    await fleet.until("a route", () => count("reply") >= 2, 120_000);
    assert(told.every((event) => event.event !== "unreachable" || event.code !== ""));
    await leave();
  }));
