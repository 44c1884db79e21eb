/** What a service refused is counted by reason, and shown in /health. */
import assert from "node:assert/strict";
import { wireTransport } from "../../lib/directory/mod.ts";
import {
  type Answer,
  bare,
  NOT_FOUND,
  Refusals,
  STORE_FAILED,
  TOO_LARGE,
} from "../../lib/services/hosting/mod.ts";
import { runAddressResolver } from "../../lib/services/address_resolver/mod.ts";
import { runRouteFinder, toldTransports } from "../../lib/services/route_finder/mod.ts";
import { REGISTRATION_BYTES_MAX, runTransportDiscovery } from "../../lib/services/transport_discovery/mod.ts";
import { silentLog } from "../../lib/base/mod.ts";
import { tcpHttpClient } from "../../lib/directory/mod.ts";
import { withSystemWorld } from "../support/world.ts";
import { pair, signed, transportOf } from "./service_support.ts";

const [alice, bob, carol] = [pair("alice"), pair("bob"), pair("carol")];
const base = { address: { hostname: "127.0.0.1", port: 0 }, store: "memory", mode: "http" as const };

Deno.test("reasons come from the status, or from the answer itself; what is not there is no refusal", () => {
  const refusals = new Refusals();
  const answers: Answer[] = [
    bare(200),
    bare(201),
    NOT_FOUND,
    bare(405),
    bare(400),
    bare(409),
    bare(401),
    { ...bare(401), refused: "nonce" },
    { ...bare(400), refused: "full" },
    bare(403),
    TOO_LARGE,
    bare(429),
    STORE_FAILED,
  ];
  assert.deepEqual(refusals.counts(), {});
  for (const answer of answers) refusals.count(answer);
  assert.deepEqual(refusals.counts(), {
    nonce: 1,
    authentication: 1,
    forbidden: 1,
    full: 1,
    invalid: 2,
    too_large: 1,
    rate_limit: 1,
    failed: 1,
  });
});

Deno.test("a transport discovery, an address resolver and a route finder say what they refused", () =>
  withSystemWorld(async (world) => {
    const settings = { ...base, recordsOfKeyMax: 2, requestsPerMinute: 0 };
    await using transports = await runTransportDiscovery({ world, log: silentLog, settings });
    await using addresses = await runAddressResolver({ world, log: silentLog, settings: base });
    await using finder = await runRouteFinder({
      world,
      log: silentLog,
      settings: base,
      transports: toldTransports(transports.transports),
    });
    const client = tcpHttpClient(world, "test/1");
    type Asked = { method?: string; body?: string; headers?: Record<string, string> };
    const ask = async (
      { address }: Pick<typeof finder, "address">,
      path: string,
      { headers = {}, ...asked }: Asked = {},
    ) => {
      const url = `http://127.0.0.1:${address!.port}${path}`;
      const answer = await client.fetch({ url, ...asked, headers: Object.entries(headers) });
      return { status: answer.status, text: await answer.text() };
    };
    const healthOf = async (service: Pick<typeof finder, "address">) =>
      JSON.parse((await ask(service, "/health")).text).refused;
    const register = (records: readonly object[], nonce = 0, signer = alice) => {
      const body = JSON.stringify(records);
      return ask(transports, "/v3/transports/", {
        method: "POST",
        body,
        headers: signed(signer, nonce, body),
      });
    };
    try {
      for (const service of [transports, addresses, finder]) assert.equal(await healthOf(service), undefined);
      const mine = wireTransport(transportOf(alice, bob));
      assert.equal((await register([mine])).status, 201);
      assert.equal((await register([mine], 7)).status, 401, "a number that is not the next");
      assert.equal((await register([wireTransport(transportOf(bob, carol))])).status, 400, "of others");
      assert.equal((await register([{ ...mine, type: "dmsg" }])).status, 400, "another id");
      assert.equal(
        (await register(["x", "y", "z"].map((name) => wireTransport(transportOf(alice, pair(name)))))).status,
        400,
      );
      const headers = { ...signed(alice, 0, "[]"), "SW-Sig": "0".repeat(130) };
      assert.equal(
        (await ask(transports, "/v3/transports/", { method: "POST", body: "[]", headers })).status,
        401,
      );
      assert.equal((await register(["x".repeat(REGISTRATION_BYTES_MAX)] as never)).status, 413);
      assert.equal((await ask(transports, "/nowhere")).status, 404);
      const expected = { nonce: 1, authentication: 1, full: 1, invalid: 2, too_large: 1 };
      assert.deepEqual([transports.refused(), await healthOf(transports)], [expected, expected]);

      const bind = { method: "POST", body: "{}", headers: signed(alice, 5, "{}") };
      assert.equal((await ask(addresses, "/bind/stcpr", bind)).status, 401);
      assert.deepEqual(await healthOf(addresses), { nonce: 1 });
      assert.equal((await ask(finder, "/routes", { method: "POST", body: "x" })).status, 400);
      assert.equal((await ask(finder, "/routes", { method: "POST", body: "x".repeat(20_000) })).status, 413);
      assert.deepEqual(await healthOf(finder), { invalid: 1, too_large: 1 });
    } finally {
      await client.close();
    }
  }));
