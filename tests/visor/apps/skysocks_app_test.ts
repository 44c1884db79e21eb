/** The app skysocks: whom its arguments admit. */
import assert from "node:assert/strict";
import { memoryPair, silentLog } from "../../../lib/base/mod.ts";
import { connectSocks } from "../../../lib/proxy/mod.ts";
import type { World } from "../../../lib/runtime/mod.ts";
import { skysocksApp } from "../../../lib/visor/apps/mod.ts";
import { YamuxSession } from "../../../lib/yamux/mod.ts";
import { withSimulation } from "../../support/world.ts";
import { echo, keyOf, Offers, target } from "../../proxy/skysocks/_bench.ts";

/** Runs the app and connects as `name` through it to an echo; the code of the failure, or undefined. */
async function tryAs(
  world: World,
  args: string[],
  name: string,
  passcode?: string,
): Promise<string | undefined> {
  const offers = new Offers();
  let port = 0;
  const network = {
    dial: () => Promise.reject(new Error("it dials nobody")),
    listen: (at: number) => (port = at, offers),
  };
  const app = await skysocksApp(args)({ name: "skysocks", port: 0, world, network, log: silentLog });
  assert.deepEqual([port, app.state().status], [3, "running"]);
  const echoing = await target(world, echo);
  const [near, far] = memoryPair({ ledger: world.ledger });
  offers.offer(far, keyOf(name));
  const mux = new YamuxSession(near, { role: "client", world, onStream() {} });
  try {
    (await connectSocks(mux.open(), echoing.address, { clock: world.clock, passcode })).conn.close();
    return undefined;
  } catch (error) {
    return (error as { code: string }).code;
  } finally {
    mux.close();
    await app.close();
    await app.ended;
    await echoing.close();
  }
}

Deno.test("skysocks admits whom its arguments name", () =>
  withSimulation(4, async (simulation) => {
    const world = simulation.node("visor");
    await simulation.run(async () => {
      const whitelist = ["app", "skysocks", "--whitelist", `${keyOf("a")},${keyOf("b")}`];
      assert.equal(await tryAs(world, [], "anybody"), undefined);
      assert.equal(await tryAs(world, whitelist, "a"), undefined);
      assert.equal(await tryAs(world, whitelist, "b"), undefined);
      assert.equal(await tryAs(world, whitelist, "c"), "CONN_RESET");
      assert.equal(await tryAs(world, ["--passcode", "p"], "a", "p"), undefined);
      assert.equal(await tryAs(world, ["--passcode=p"], "a", "q"), "SOCKS_REFUSED");
      assert.equal(await tryAs(world, ["-passcode", "p"], "a"), "SOCKS_REFUSED");
    });
  }));

Deno.test("skysocks refuses a whitelist that names no keys", () => {
  for (const list of ["", "a", `${keyOf("a")},`, ","]) {
    assert.throws(() => skysocksApp(["--whitelist", list]), { code: "APP_ARGUMENTS" }, list);
  }
});
