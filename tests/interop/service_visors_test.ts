import assert from "node:assert/strict";
import type { RouteVisor } from "./route_build.ts";
import { becomes, orderTransport } from "./service_visors.ts";

Deno.test("becomes() gives what the claim gave at last, and else fails with what it failed with last", async () => {
  let looks = 0;
  const claim = () => ++looks < 3 ? Promise.reject(new Error(`look ${looks}`)) : Promise.resolve("there");
  assert.equal(await becomes(claim, 5_000, 1), "there");
  const never = () => Promise.reject(new Error("There is no entry"));
  await assert.rejects(becomes(never, 5, 1), /^Error: There is no entry \(within 5 ms\)$/);
});

/** A visor that has what its transport setup node says. */
function visorWith(ids: Set<string>): RouteVisor {
  const transports = () => Promise.resolve([...ids].map((id) => ({ id, type: "dmsg", remote: "to" })));
  return { publicKey: "from", transports } as RouteVisor;
}

/** A transport setup node that loses so many first orders, and does not do what `neglects` names. */
function setupNode({ loses = 0, neglects = "" } = {}) {
  const ids = new Set<string>();
  const server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/add") {
      if (loses-- > 0) return Response.json({ error: "EOF" }, { status: 500 });
      if (neglects !== "add") ids.add("an id");
      return Response.json({ ID: "an id", Local: "from", Remote: "to", Type: "dmsg" });
    }
    if (pathname === "/remove") {
      const { id } = await request.json();
      if (neglects !== "remove") ids.delete(id);
      return Response.json({ Result: true });
    }
    return Response.json(neglects === "list" ? null : [...ids].map((ID) => ({ ID })));
  });
  const ends: readonly [RouteVisor, RouteVisor] = [visorWith(ids), { publicKey: "to" } as RouteVisor];
  return { url: `http://127.0.0.1:${server.addr.port}`, ends, close: () => server.shutdown() };
}

Deno.test("orderTransport() sees each order done, and repeats the first alone, as often as it is told", async () => {
  for (
    const [how, triesMax, outcome] of [
      [{}, 1, undefined],
      [{ loses: 2 }, 3, undefined],
      [{ loses: 1 }, 1, /\/add: 500 .*EOF/],
      [{ loses: 3 }, 3, /\/add: 500 .*EOF/],
      [{ neglects: "add" }, 1, /the visor does not list it/],
      [{ neglects: "list" }, 1, /it does not list it/],
      [{ neglects: "remove" }, 1, /it still lists it/],
    ] as const
  ) {
    const { url, ends, close } = setupNode(how);
    const ordering = orderTransport(url, ends, { triesMax });
    if (outcome === undefined) assert.equal(await ordering, "an id added, listed, removed");
    else await assert.rejects(ordering, outcome, JSON.stringify(how));
    await close();
  }
});
