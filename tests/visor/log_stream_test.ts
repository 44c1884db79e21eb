/** The own log, followed over the control API: its beginning, and its end with the visor. */
import assert from "node:assert/strict";
import { ControlClient } from "../../lib/control/mod.ts";
import { LAST_LINES_MS } from "../../lib/visor/visor.ts";
import { type Fleet, keyOf, withFleet } from "./_fleet.ts";
import { never, textOf } from "./_nodes.ts";

/** The packs that A tells whoever follows its log, and what they end with. */
function followed(fleet: Fleet, grep?: string) {
  const packs: string[][] = [];
  const ended = (async () => {
    await using client = await ControlClient.open("/home", fleet.world("A"));
    for await (const line of client.stream("log", { follow: true, grep, limit: 2 }, never)) {
      assert("lines" in line);
      packs.push([...line.lines]);
    }
    return "in order";
  })().catch((error: Error) => error.message);
  return { packs, ended };
}

const LOG = "/home/log/skywire.log";

Deno.test("a log that is followed tells where that which was ends, be there a line or none", () =>
  withFleet(395, ["A"], async (fleet) => {
    const all = followed(fleet);
    const none = followed(fleet, "nothing has this in it");
    await fleet.sleep(1);
    assert.deepEqual(all.packs.map(({ length }) => length), [2, 0]);
    assert.deepEqual(none.packs, [[]], "at once, not with a line or a beat");
    await fleet.stop("A");
    assert.deepEqual(await Promise.all([all.ended, none.ended]), ["in order", "in order"]);
    assert.deepEqual(none.packs, [[]]);
  }));

Deno.test("a log that is followed ends with its visor, in order and behind the last line of its log", () =>
  withFleet(396, ["A", "B"], async (fleet) => {
    await fleet.link("A", "B");
    const { packs, ended } = followed(fleet);
    const ownKey = followed(fleet, "Visor stops");
    await fleet.sleep(1_000);
    const startedMs = fleet.nowMs;
    await fleet.stop("A");
    assert.equal(await ended, "in order");
    assert(fleet.nowMs - startedMs < LAST_LINES_MS, "nobody was waited for");
    const written = (await textOf(fleet.world("A"), LOG)).trimEnd().split("\n");
    assert.equal(
      packs.filter(({ length }) => length === 0).length,
      1,
      "it is told once that all that was is told",
    );
    const told = packs.flat();
    assert.deepEqual(told, written.slice(-told.length));
    const stops = told.findIndex((line) => line.includes("Visor stops"));
    assert(stops >= 0 && stops < told.length - 1, "what it says while it stops, too");
    await ownKey.ended;
    assert.equal(ownKey.packs.flat().length, 1);
    assert.match(ownKey.packs.flat()[0]!, new RegExp(`Visor stops key=${keyOf("A")}$`));
  }));

Deno.test("a log that is followed ends in order although the visor's network is silent", () =>
  withFleet(397, ["A"], async (fleet) => {
    const { packs, ended } = followed(fleet);
    await fleet.sleep(1_000);
    fleet.simulation.blackHole("A");
    const startedMs = fleet.nowMs;
    const stopped = fleet.stop("A");
    assert.equal(await ended, "in order");
    assert(fleet.nowMs - startedMs <= LAST_LINES_MS + 1, `${fleet.nowMs - startedMs} ms`);
    await stopped;
    assert(fleet.nowMs - startedMs < 1_000, `${fleet.nowMs - startedMs} ms`);
    assert(packs.flat().some((line) => line.includes("Visor stops")));
    fleet.simulation.heal("A");
  }));
