/** Routes of whole visors whose transports fail on the way: no hole in the stream, and both ends know at once. @module */
import assert from "node:assert/strict";
import type { Conn } from "../../lib/base/mod.ts";
import { parseTransportId } from "../../lib/transport/mod.ts";
import { type Fleet, keyOf, withFleet } from "./_fleet.ts";

const LISTED_MS = 6_000;

/** A group over exactly these transports. */
async function openOver(fleet: Fleet, from: string, to: string, ids: readonly string[], port = 700) {
  const listener = fleet.node(to).router.listen(port);
  const opening = fleet.node(from).dialer.dial({ publicKey: keyOf(to), port }, {
    forward: ids.map((id) => ({ transportId: parseTransportId(id) })),
  });
  const other = (await listener.accept())!;
  listener.close();
  return { group: await opening, other };
}

/** Reads to the end; the bytes, how it ended and when. */
function readAll(fleet: Fleet, conn: Conn) {
  const heard = { bytes: [] as number[], end: undefined as string | undefined, atMs: 0 };
  void (async () => {
    try {
      for (let view = await conn.read(); view !== null; view = await conn.read()) heard.bytes.push(...view);
      heard.end = "null";
    } catch (error) {
      heard.end = `${error}`;
    }
    heard.atMs = fleet.nowMs;
  })();
  return heard;
}

for (const how of ["tp rm", "reset", "kill"] as const) {
  Deno.test(`three hops, the middle transport ends by ${how} and comes back: no byte is left out, both ends know`, () =>
    withFleet(901, ["A", "B", "C", "D"], async (fleet) => {
      const ids = [await fleet.link("A", "B"), await fleet.link("B", "C"), await fleet.link("C", "D")];
      await fleet.sleep(LISTED_MS);
      const { group, other } = await openOver(fleet, "A", "D", ids);
      const [far, near] = [readAll(fleet, other), readAll(fleet, group)];
      let brokeAtMs = 0;
      let failure: unknown;
      for (let index = 0; index < 40 && failure === undefined; index++) {
        failure = await group.write(new Uint8Array(1_000).fill(index)).then(
          () => undefined,
          (error) => error,
        );
        await fleet.sleep(200);
        if (index === 10) {
          brokeAtMs = fleet.nowMs;
          if (how === "tp rm") await fleet.call("B", "transportRemove", { id: ids[1]! } as never);
          else if (how === "reset") fleet.node("B").transports.find(parseTransportId(ids[1]!))!.close();
          else fleet.kill("C");
        }
        if (index === 12 && how === "kill") await fleet.start("C");
      }
      if (how !== "kill") await fleet.link("B", "C");
      await fleet.sleep(2_000);
      assert.ok(failure !== undefined, "writes went on into nothing");
      assert.deepEqual([...new Set(far.bytes)], Array.from({ length: 11 }, (_, index) => index));
      assert.equal(far.bytes.length, 11_000);
      for (const end of [near, far]) {
        assert.match(end.end ?? "nothing", /Error/);
        assert.ok(end.atMs - brokeAtMs <= 1_000, `${end.atMs - brokeAtMs} ms`);
      }
      group.close();
      other.close();
    }, { untilMs: 3_600_000 } as never));
}

Deno.test("a black hole behind a relay: others of the relay go on after 10 s, the first transport stays", () =>
  withFleet(911, ["A", "B", "C", "D"], async (fleet) => {
    const [ab, bc, bd] = [
      await fleet.link("A", "B"),
      await fleet.link("B", "C"),
      await fleet.link("B", "D"),
    ];
    await fleet.sleep(LISTED_MS);
    const living = await openOver(fleet, "A", "C", [ab, bc], 700);
    const stuck = await openOver(fleet, "A", "D", [ab, bd], 701);
    const first = fleet.node("A").transports.find(parseTransportId(ab))!;
    fleet.simulation.partition("B", "D");
    let failedAtMs: number | undefined;
    const startedMs = fleet.nowMs;
    void (async () => {
      try {
        for (;;) await stuck.group.write(new Uint8Array(65_536));
      } catch {
        failedAtMs = fleet.nowMs - startedMs;
      }
    })();
    await fleet.sleep(2_000);
    await living.group.write(new Uint8Array(100));
    assert.equal((await living.other.read())!.length, 100);
    assert.ok(fleet.nowMs - startedMs < 13_000, `${fleet.nowMs - startedMs} ms`);
    await fleet.sleep(1_000);
    assert.ok(failedAtMs !== undefined && failedAtMs < 13_000, `${failedAtMs}`);
    assert.equal(fleet.node("A").transports.find(parseTransportId(ab)), first);
    assert.ok(await first.ping() < 5_000);
    fleet.simulation.heal("B", "D");
    for (const { group, other } of [living, stuck]) {
      group.close(new Error("enough"));
      other.close(new Error("enough"));
    }
  }, { untilMs: 3_600_000 } as never));
