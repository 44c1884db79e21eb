/**
 * `tests/vectors/services/visor-session.json`: everything that two Go visors asked of all services, from boot to
 * shut-down, asked of ours. What was registered before, and what the recorder left out as a repetition, is put in
 * between; every answer that is not the recorded one is named, with its reason.
 */
import assert from "node:assert/strict";
import { fromHex, type KeyPair, parsePublicKey, verify } from "../../lib/crypto/mod.ts";
import { type Entry, signEntry } from "../../lib/dmsg/entry.ts";
import { TransportGraph } from "../../lib/routing/paths/mod.ts";
import type { ServiceApi } from "../../lib/services/hosting/mod.ts";
import { parseTransportId } from "../../lib/transport/mod.ts";
import { DiscoveryUnderTest } from "./discovery_support.ts";
import { ask as askFinder, finderOn } from "./route_finder/_ask.ts";
import {
  AddressResolverUnderTest,
  ask,
  type Asked,
  recordedPair,
  ServiceDiscoveryUnderTest,
  signed,
  TransportDiscoveryUnderTest,
  UptimeTrackerUnderTest,
} from "./service_support.ts";
import session from "../vectors/services/visor-session.json" with { type: "json" };

/** The wall clock at the first request. */
const START_MS = Date.parse("2026-11-21T07:21:34.380Z");
const A = recordedPair("visorA");
const B = recordedPair("visorB");
const SERVER = recordedPair("dmsgserver").publicKey;

/** One recorded request, at so many milliseconds after the first. */
interface Recorded {
  readonly ms: number;
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly headers: Record<string, string>;
    readonly body: string | null;
  };
  readonly response: { readonly status: number; readonly headers: object; readonly body: string };
}

type Service = keyof typeof session.services;
const recordedOf = (service: Service) => session.services[service] as unknown as readonly Recorded[];

/** What ours answers otherwise, by the time of the request: why, and with what. */
type Otherwise = Readonly<Record<number, { why: string; status: number; body: string | RegExp }>>;

/**
 * Asks one service's requests in their order, each at its time, and holds the answers against the recorded ones.
 * `before` is done before the request of that time. Gives how many were equal, in status, type and body.
 */
async function replay(
  service: Service,
  { api, clock, remote = "203.0.113.7:4000", otherwise = {}, before = {} }: {
    readonly api: ServiceApi;
    readonly clock: { advance(ms: number): Promise<void>; setWallMs(ms: number): void };
    readonly remote?: string;
    readonly otherwise?: Otherwise;
    readonly before?: Readonly<Record<number, () => Promise<void>>>;
  },
): Promise<number> {
  clock.setWallMs(START_MS);
  let [same, nowMs] = [0, 0];
  const exchanges = recordedOf(service);
  for (const { ms, request: { method, path, headers, body }, response } of exchanges) {
    await clock.advance(ms - nowMs);
    nowMs = ms;
    await before[ms]?.();
    const answer = await ask(api, { method, path, headers, body: body ?? "", remote });
    const other = otherwise[ms];
    const where = `${ms}: ${method} ${path}`;
    assert.equal(answer.status, other?.status ?? response.status, `${where}: ${answer.body}`);
    if (other !== undefined) {
      if (typeof other.body === "string") assert.equal(answer.body, other.body, where);
      else assert.match(answer.body, other.body, where);
      continue;
    }
    same++;
    assert.equal(answer.body, response.body, where);
    const recorded = new Headers(response.headers as Record<string, string>);
    assert.equal(answer.header("content-type") ?? null, recorded.get("content-type"), where);
  }
  const times = new Set(exchanges.map(({ ms }) => `${ms}`));
  for (const ms of [...Object.keys(otherwise), ...Object.keys(before)]) assert.ok(times.has(ms), ms);
  assert.equal(same, exchanges.length - Object.keys(otherwise).length);
  assert.equal(exchanges.length, session.case_counts[`services.${service}`]);
  return same;
}

/** A signed request that counts, of one of the recorded keys. */
async function counted(api: ServiceApi, owner: KeyPair, nonce: number, asked: Asked): Promise<void> {
  const headers = { ...asked.headers, ...signed(owner, nonce, asked.body as string | undefined) };
  const { status, body } = await ask(api, { ...asked, headers });
  assert.equal(status, 200, body);
}

Deno.test("every request of the session has its signer's signature: 48 of 81", () => {
  let [checked, requests] = [0, 0];
  for (const exchanges of Object.values(session.services) as unknown as (readonly Recorded[])[]) {
    for (const { request: { headers, body } } of exchanges) {
      requests++;
      if (headers["Sw-Sig"] === undefined) continue;
      const payload = new TextEncoder().encode(`${body ?? ""}${headers["Sw-Nonce"]}`);
      const owner = parsePublicKey(headers["Sw-Public"]!);
      assert.ok([A.publicKey, B.publicKey].includes(owner));
      assert.ok(verify(owner, fromHex(headers["Sw-Sig"]), payload));
      checked++;
    }
  }
  assert.deepEqual([requests, checked], [81, 48]);
});

Deno.test("the dmsg discovery: 18 of 18 of the session", async () => {
  await using discovery = new DiscoveryUnderTest({
    wallMs: 1_795_245_655_140,
    settings: { allowLoopbackAddresses: true, officialServers: [SERVER] },
  });
  const exchanges = recordedOf("dmsg-discovery");
  const post = async (entry: string | Entry) => {
    const { status, body } = await discovery.post(entry, { remote: "127.0.0.1:40000" });
    assert.equal(status, 200, body);
  };
  /** Those that the recorder left out, each a minute behind the last one. */
  const between = async (owner: KeyPair, first: number, last: number, from: bigint, clientType?: string) => {
    for (let sequence = first; sequence <= last; sequence++) {
      await post(client(owner, sequence, from + BigInt(sequence - first) * 60_000_000_000n, clientType));
    }
  };
  const client = (owner: KeyPair, sequence: number, timestamp: bigint, clientType?: string) =>
    signEntry({
      version: "0.0.1",
      sequence: BigInt(sequence),
      timestamp,
      static: owner.publicKey,
      client: { delegatedServers: [SERVER] },
      clientType,
    }, owner.secretKey);
  const bodyAt = (ms: number) => exchanges.find((each) => each.ms === ms)!.response.body;
  const setupNode = recordedPair("sn");
  await post(bodyAt(8).slice(1, -1));
  const same = await replay("dmsg-discovery", {
    api: discovery.api,
    clock: discovery.clock,
    remote: "127.0.0.1:40000",
    before: {
      72_046: () => post(bodyAt(72_046)),
      383_121: async () => {
        await between(setupNode, 1, 4, 1_795_245_811_986_000_000n);
        await post(bodyAt(383_121));
      },
      // The last entry is what is deleted.
      771_029: async () => {
        for (const [owner, ms] of [[A, 771_036], [B, 771_029]] as const) {
          await between(owner, 3, 11, 1_795_245_874_480_000_000n, "visor");
          await post(exchanges.find((each) => each.ms === ms)!.request.body!);
        }
      },
    },
  });
  assert.equal(same, 18);
});

/** Both edges leave at once, and the recorded service had looked for the transport before either was done. */
const BOTH_AT_ONCE = {
  why: "2 and 3 ms after the other edge's: one that comes behind is 404 there, too (300185, 771025)",
  status: 404,
  body: `{"error":"transport not found"}\n`,
};

Deno.test("the transport discovery: 29 of 32 of the session", async () => {
  await using service = new TransportDiscoveryUnderTest({ requestsPerMinute: 0, entryTimeoutMs: 0 });
  const { api } = service;
  const look = (owner: KeyPair, nonce: number) =>
    counted(api, owner, nonce, { path: `/transports/edge:${owner.publicKey}` });
  for (const owner of [A, B]) for (let nonce = 0; nonce < 3; nonce++) await look(owner, nonce);
  const listed = JSON.parse(
    recordedOf("transport-discovery").find(({ ms }) => ms === 300_105)!.response.body,
  );
  for (const entry of listed.slice(0, 2)) { // of what was recorded on the same service before
    const body = `${JSON.stringify([{ entry }])}\n`;
    const { status } = await service.askAs(B, "/transports/", { method: "POST", body });
    assert.equal(status, 201);
  }
  const same = await replay("transport-discovery", {
    api,
    clock: service.clock,
    otherwise: {
      10_066: {
        why: "a registration that is repeated changes nothing, and is 201 since 2026 (services.md 3.2)",
        status: 201,
        body: /^\[\{"entry":\{"t_id":"abf54e67-/,
      },
      417_242: BOTH_AT_ONCE,
      770_997: BOTH_AT_ONCE,
    },
    before: {
      // What counted there and not here, and the second removal of the dmsg transport, which the recorder left out.
      418_376: () => look(A, 5),
      600_136: async () => {
        const path = "/transports/id:2c6a12ce-24fc-02de-ae38-1e95870b6684";
        await counted(api, B, 7, { method: "DELETE", path });
        await look(A, 6);
      },
      771_009: () => look(A, 9),
    },
  });
  assert.equal(same, 29);
});

Deno.test("the address resolver: 13 of 13 of the session", async () => {
  await using service = new AddressResolverUnderTest();
  for (const owner of [A, B]) {
    for (let nonce = 0; nonce < 3; nonce++) {
      await counted(service.api, owner, nonce, { method: "DELETE", path: "/bind/stcpr", body: "{}\n" });
    }
  }
  // By UDP: address-resolver-udp.json.
  await service.store.put("sudph", A.publicKey, {
    remoteAddress: "127.0.0.1:49246",
    port: 32_831,
    addresses: ["127.0.0.1", "203.0.113.7", "::1"],
  }, { ttlMs: 0 });
  assert.equal(await replay("address-resolver", { api: service.api, clock: service.clock }), 13);
});

Deno.test("the uptime tracker: 4 of 4 of the session", async () => {
  await using service = new UptimeTrackerUnderTest();
  for (const [owner, nonces] of [[A, 2], [B, 1]] as const) {
    for (let nonce = 0; nonce < nonces; nonce++) {
      await counted(service.api, owner, nonce, { path: "/v4/update" });
    }
  }
  assert.equal(await replay("uptime-tracker", { api: service.api, clock: service.clock }), 4);
});

Deno.test("the service discovery: 11 of 11 of the session", async () => {
  await using service = new ServiceDiscoveryUnderTest({ requiresPlace: true });
  for (const [owner, nonces] of [[A, 5], [B, 2]] as const) {
    for (let nonce = 0; nonce < nonces; nonce++) {
      const path = `/api/services/${owner.publicKey}:0?type=vpn`;
      await counted(service.api, owner, nonce, { method: "DELETE", path });
    }
  }
  // What was recorded on the same service before.
  const geo = { lat: 52.37, lon: 4.89, country: "NL", region: "NH" };
  for (
    const [port, type, version] of [["5505", "visor", "v1.3.29"], ["3", "skysocks", "v1.3.29"]] as const
  ) {
    const record = { address: `${A.publicKey}:${port}`, type, geo, version, local_ips: ["203.0.113.9"] };
    const { status, body } = await service.askAs(A, "/api/services", {
      method: "POST",
      body: JSON.stringify(record),
      headers: { "SW-PublicIP": "203.0.113.9" },
    });
    assert.equal(status, 200, body);
  }
  assert.equal(
    await replay("service-discovery", { api: service.api, clock: service.clock, remote: "127.0.0.1:40000" }),
    11,
  );
});

Deno.test("the route finder: 3 of 3 of the session, of the transports that it had; with all of them, more ways", async () => {
  const edge = (id: string, one: KeyPair, other: KeyPair) => ({
    id: parseTransportId(id),
    edges: [one.publicKey, other.publicKey].sort() as [typeof one.publicKey, typeof one.publicKey],
  });
  const graph = new TransportGraph();
  // Of two visors' transports the service of 2025 has the one that came last: abf54e67, of stcpr, is not there.
  graph.add(edge("2f94176c-3f38-03f4-b345-969ee983fefd", recordedPair("visorC"), B));
  graph.add(edge("793ae230-d20a-0560-ae1a-aff3eef326ec", A, A));
  graph.add(edge("2c6a12ce-24fc-02de-ae38-1e95870b6684", A, B));
  const exchanges = recordedOf("route-finder");
  let same = 0;
  const told = async ({ request: { method, path, body } }: Recorded) =>
    await askFinder(finderOn(graph), method, path, body!);
  for (const exchange of exchanges) {
    const answer = await told(exchange);
    assert.equal(answer.status, 200, answer.body);
    assert.deepEqual(routesIn(answer.body), routesIn(exchange.response.body), `${exchange.ms}`);
    same++;
  }
  assert.deepEqual([same, exchanges.length], [3, session.case_counts["services.route-finder"]]);

  graph.add(edge("abf54e67-2485-0315-9c82-23093b2e7204", A, B));
  for (const exchange of exchanges) {
    const [all, recorded] = [routesIn((await told(exchange)).body), routesIn(exchange.response.body)];
    assert.deepEqual(Object.keys(all), Object.keys(recorded));
    for (const [pair, routes] of Object.entries(recorded)) {
      assert.deepEqual(
        routes.filter((route) => !all[pair]!.includes(route)),
        [],
        "none that was told is missing",
      );
      assert.ok(all[pair]!.length > routes.length);
    }
  }
});

/** By the pair; those of one pair that are equally long have no order. */
function routesIn(body: string): Record<string, string[]> {
  const found = Object.entries(JSON.parse(body) as Record<string, object[][]>);
  return Object.fromEntries(
    found.sort().map(([pair, routes]) => [pair, routes.map((route) => JSON.stringify(route)).sort()]),
  );
}
