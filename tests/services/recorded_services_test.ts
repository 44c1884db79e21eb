/**
 * What real services answered, asked of ours: `tests/vectors/services/{service-discovery,uptime-tracker,
 * uptime-tracker-private,config-bootstrapper}.json`. Every recorded signature is checked on the way.
 */
import assert from "node:assert/strict";
import { fromHex, type KeyPair, parsePublicKey, verify } from "../../lib/crypto/mod.ts";
import { createConfigBootstrapper, deploymentOfDomain } from "../../lib/services/config_bootstrapper/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import {
  ask,
  type Exchange,
  type Otherwise,
  recordedPair,
  replay,
  ServiceDiscoveryUnderTest,
  UptimeTrackerUnderTest,
} from "./service_support.ts";
import bootstrapping from "../vectors/services/config-bootstrapper.json" with { type: "json" };
import bootstrapperConfig from "../vectors/deployment/config-bootstrapper-config-2025.json" with {
  type: "json",
};
import services from "../vectors/services/service-discovery.json" with { type: "json" };
import uptimes from "../vectors/services/uptime-tracker.json" with { type: "json" };
import operating from "../vectors/services/uptime-tracker-private.json" with { type: "json" };

const SERVER = parsePublicKey("02b6f7cd177e3698b571958d430687f261437e01d2602e8b378472174b4e25310f");
const MONITOR = parsePublicKey("0209a7397e707ca0e81f7c2c33f52694e80fd97c2719f573b90e9dec2923d8716c");
const dmsgAt = (key: string, servers = [SERVER]) => () => ({ address: `${key}:80`, servers });

const SERVICES_OTHERWISE: Record<string, Otherwise> = {
  "list with quantity (random sample)": {
    why: "one of two, drawn at random",
    status: 200,
    body: /^\[\{"address":"(02b9434e|035e4dad)[0-9a-f]{58}:3","type":"skysocks",[^\]]*\]\n$/,
  },
  "one entry, other port": {
    why: "2026 says with 404 that there is none; 500 is no word for it",
    status: 404,
    body: `{"error":"Not Found: service not found"}\n`,
  },
  "one entry without port": {
    why: "a key has one service of a type: its port need not be known",
    status: 200,
    body: /^\{"address":"02b9434e[0-9a-f]{58}:44","type":"vpn","version":"v1.3.29"\}\n$/,
  },
};

const serviceDiscovery = () =>
  new ServiceDiscoveryUnderTest(
    { whitelistKeys: [MONITOR], requiresPlace: true },
    { dmsgStatus: dmsgAt("0324c1a008883f803ff4e838c61a456b9c4b7edfbf08179718153ae379625ba1fd") },
  );

const uptimeTracker = () =>
  new UptimeTrackerUnderTest(
    {},
    { dmsgStatus: dmsgAt("02b86e40d01b620812bffb3ad4b5e60de96a0c79ea601361472410ee847be8e1c7") },
  );

Deno.test("the service discovery: 34 of 37 exchanges of service-discovery.json as recorded", async () => {
  await using service = serviceDiscovery();
  assert.equal(await replay(service.api, services.exchanges, SERVICES_OTHERWISE), 34);
  assert.equal(services.exchanges.length, services.case_counts.exchanges);
  assert.equal(services.exchanges.length, 37);
});

Deno.test("the uptime tracker: 24 of 24 exchanges of uptime-tracker.json, then 4 of 4 of its operator's", async () => {
  await using service = uptimeTracker();
  await service.clock.advance(61_000); // to 07:13:59, when they were recorded
  assert.equal(await replay(service.api, uptimes.exchanges, {}), 24);
  assert.equal(uptimes.exchanges.length, uptimes.case_counts.exchanges);
  // Of two recorded lists of the same keys each has an order of its own.
  const unordered = (body: string) =>
    body.startsWith(`{"error"`) ? body : Object.entries(JSON.parse(body)).map(([address, told]) => {
      const { count, public_keys } = told as { count: number; public_keys: string[] };
      return [address, count, [...public_keys].sort()];
    });
  assert.equal(await replay(service.privateApi, operating.exchanges, {}, unordered), 4);
  assert.equal(operating.exchanges.length, operating.case_counts.exchanges);
});

Deno.test("the config bootstrapper: 4 of 4 exchanges of config-bootstrapper.json as recorded", async () => {
  const clock = new VirtualClock({ wallMs: 1_795_245_178_000 });
  const api = createConfigBootstrapper({
    deployment: deploymentOfDomain("skywire.skycoin.com", bootstrapperConfig),
    world: { clock },
    dmsgStatus: dmsgAt("02ee7c1702f49786b1024517aa5bb6c72aa944f0ec30d538e175de0df86cfa6bda", []),
    ask: () => () => Promise.reject(new Error("no network")),
  });
  assert.equal(await replay(api, bootstrapping.exchanges, {}), 4);
  assert.equal(bootstrapping.exchanges.length, bootstrapping.case_counts.exchanges);
});

Deno.test("every recorded signature is the stated signer's, over body and number, and every nonce its next", () => {
  let checked = 0;
  for (const { exchanges } of [services, uptimes]) {
    for (const exchange of exchanges) {
      const headers = exchange.request.headers as Record<string, string>;
      const signer = (exchange as { signer?: { key: string; signed_payload: string } }).signer;
      assert.equal(signer === undefined, headers["SW-Sig"] === undefined, exchange.name);
      if (signer === undefined) continue;
      const owner: KeyPair = recordedPair(signer.key as Parameters<typeof recordedPair>[0]);
      assert.equal(owner.publicKey, headers["SW-Public"]);
      const payload = `${exchange.request.body ?? ""}${headers["SW-Nonce"]}`;
      assert.equal(payload, signer.signed_payload);
      assert.ok(verify(owner.publicKey, fromHex(headers["SW-Sig"]!), new TextEncoder().encode(payload)));
      checked++;
    }
  }
  assert.equal(checked, 20);
});

/** Ways to spoil a signed request. */
const SPOILS: readonly ((headers: Record<string, string>) => void)[] = [
  (headers) => headers["SW-Public"] = recordedPair("disc").publicKey,
  (headers) => headers["SW-Sig"] = headers["SW-Sig"]!.replace(/^./, (sign) => sign === "0" ? "1" : "0"),
  (headers) => headers["SW-Nonce"] = `${Number(headers["SW-Nonce"]) + 1}`,
  (headers) => delete headers["SW-Nonce"],
  (headers) => delete headers["SW-Sig"],
];

for (
  const [file, exchanges, make, count] of [
    ["service-discovery.json", services.exchanges, serviceDiscovery, 8],
    ["uptime-tracker.json", uptimes.exchanges, uptimeTracker, 4],
  ] as const
) {
  Deno.test(`spoiled and repeated requests of ${file} are refused and change nothing`, async () => {
    await using service = make();
    let counted = 0;
    for (const { name, request, response } of exchanges as readonly Exchange[]) {
      const headers = request.headers as Record<string, string>;
      const { method, path, body } = request;
      const asked = { method, path, body: body ?? "", headers, remote: "127.0.0.1:40000" };
      if (headers["SW-Sig"] !== undefined && response.status === 200) {
        for (const spoil of SPOILS) {
          const spoiled = { ...headers };
          spoil(spoiled);
          assert.equal((await ask(service.api, { ...asked, headers: spoiled })).status, 401, name);
        }
        assert.equal((await ask(service.api, { ...asked, body: `${asked.body} ` })).status, 401, name);
        assert.equal((await ask(service.api, asked)).status, 200, name);
        assert.match((await ask(service.api, asked)).body, /SW-Nonce does not match/, name);
        counted++;
      } else if (headers["NM-Sign"] !== undefined) {
        const { "NM-Sign": signature, ...rest } = headers;
        for (const spoiled of [rest, { ...rest, "NM-Sign": `${signature!.slice(0, -2)}03` }]) {
          assert.ok([400, 403].includes((await ask(service.api, { ...asked, headers: spoiled })).status));
        }
        assert.equal((await ask(service.api, asked)).status, 200, name);
      } else await ask(service.api, asked);
    }
    assert.equal(counted, count);
  });
}
