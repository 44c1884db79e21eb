/** serveOverDmsg(): requests in progress end with the service, in a bounded time, over sessions that are still there. */
import assert from "node:assert/strict";
import { silentLog } from "../../lib/base/mod.ts";
import { sleep } from "../../lib/runtime/mod.ts";
import { attachService } from "../../lib/services/hosting/mod.ts";
import { withSimulation } from "../support/world.ts";
import { BARE_NETWORK, joinAs, withDmsgNetwork } from "./dmsg_network_support.ts";
import { pair } from "./service_support.ts";

const [alice, tpd] = [pair("alice"), pair("tpd")];

for (
  const [workMs, expected] of [
    [500, { status: 200, text: "done" }],
    [30_000, undefined],
  ] as const
) {
  const what = expected === undefined ? "is cut off" : "is answered";
  Deno.test(`a request over dmsg that takes ${workMs} ms ${what} when the service ends`, () =>
    withSimulation(61, (simulation) =>
      simulation.run(() =>
        withDmsgNetwork(simulation, async () => {
          const [here, there] = [simulation.node("tpd"), simulation.node("there")];
          let asked = 0;
          const side = attachService({
            world: here,
            local: tpd,
            network: BARE_NETWORK,
            log: silentLog,
            userAgent: "test/1",
          })(async ({ signal }) => {
            asked++;
            await sleep(here.clock, workMs, signal);
            return { status: 200, body: "done" };
          });
          while (side.status().servers.length === 0) await sleep(here.clock, 100);
          const joined = await joinAs(alice, there, BARE_NETWORK);
          const ask = joined.askService("tpd", { dmsg: { publicKey: tpd.publicKey, port: 80 } });
          const answering = ask({ method: "GET", path: "/it" })
            .then(({ status, text }) => ({ status, text }), () => undefined);
          while (asked === 0) await sleep(here.clock, 10);
          const sinceMs = here.clock.monotonicMs();
          await side[Symbol.asyncDispose]();
          const tookMs = here.clock.monotonicMs() - sinceMs;
          assert.ok(tookMs <= 1_500, `${tookMs} ms`);
          await side.closed;
          assert.deepEqual(await answering, expected);
          assert.equal(
            await joined.dmsg.discovery.published(tpd.publicKey),
            undefined,
            "its entry is taken back",
          );
          await joined.close();
        })
      )));
}
