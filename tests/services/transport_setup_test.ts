/** The transport setup node: what the real one answered (`transport-setup.json`), its bounds, its configuration (SV-6). */
import assert from "node:assert/strict";
import { Ledger, memoryPair, silentLog, TruncatedError } from "../../lib/base/mod.ts";
import type { PublicKey } from "../../lib/crypto/mod.ts";
import { embeddedNetwork } from "../../lib/directory/mod.ts";
import { DmsgError } from "../../lib/dmsg/mod.ts";
import {
  GATEWAY_LABEL,
  gatewayMethods,
  type GatewayTransport,
  type GatewayTransports,
} from "../../lib/routing/setup/mod.ts";
import { sleep } from "../../lib/runtime/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import {
  createTransportSetup,
  parseTransportSetupConfig,
  REQUEST_BYTES_MAX,
  REQUEST_TIMEOUT_MS,
  REQUESTS_MAX,
} from "../../lib/services/transport_setup/mod.ts";
import { type TransportId, transportId } from "../../lib/transport/mod.ts";
import { serveRpc } from "../../lib/wire/rpc/mod.ts";
import { assertNothingAlive } from "../support/world.ts";
import { ask, type Otherwise, pair, recordedPair, replay } from "./service_support.ts";
import recorded from "../vectors/services/transport-setup.json" with { type: "json" };
import config from "../vectors/deployment/transport-setup-config-2025.json" with { type: "json" };

const VISOR_A = recordedPair("visorA").publicKey;
const VISOR_B = recordedPair("visorB").publicKey;

/** As a client fails that tries the sessions that it has, too. */
const NOBODY = new DmsgError(202, {
  cause: new AggregateError([new AggregateError([new TruncatedError("no answer")]), new DmsgError(100)]),
});

/** The transports of a visor that makes what it is asked for. */
class Visor implements GatewayTransports {
  readonly #made = new Map<TransportId, GatewayTransport>();
  constructor(readonly key: PublicKey) {}

  make(remote: PublicKey, type: string, label: string): GatewayTransport {
    const made = { id: transportId(...edges(this.key, remote), type), type, local: this.key, remote, label };
    this.#made.set(made.id, made);
    return made;
  }
  transports = () => [...this.#made.values()].sort((one, other) => one.id < other.id ? -1 : 1);
  find = (id: TransportId) => this.#made.get(id);
  dial = (remote: PublicKey, type: string, { label }: { label: string }) =>
    Promise.resolve(this.make(remote, type, label));
  remove = (id: TransportId) => Promise.resolve(this.#made.delete(id));
}

function edges(one: PublicKey, other: PublicKey): [PublicKey, PublicKey] {
  return one < other ? [one, other] : [other, one];
}

/** A setup node beside some visors that trust it. */
class Rig implements AsyncDisposable {
  readonly ledger = new Ledger();
  readonly clock = new VirtualClock({ wallMs: 1_795_245_178_000, ledger: this.ledger });
  readonly visors = new Map<PublicKey, Visor>();
  readonly setup = createTransportSetup({
    world: { clock: this.clock },
    dial: (key) => {
      const visor = this.visors.get(key);
      if (visor === undefined) return Promise.reject(NOBODY);
      const [near, far] = memoryPair({ ledger: this.ledger });
      this.serving.push(serveRpc(far, gatewayMethods(visor), { log: silentLog }));
      return Promise.resolve(near);
    },
  });
  readonly serving: Promise<void>[] = [];

  ask(path: string, body?: string, headers: Record<string, string> = {}) {
    return ask(this.setup.operator, {
      method: body === undefined ? "GET" : "POST",
      path,
      body,
      headers,
      remote: "127.0.0.1:40000",
    });
  }

  async [Symbol.asyncDispose]() {
    await Promise.all(this.serving);
    assertNothingAlive(this.ledger);
  }
}

const OTHERWISE: Record<string, Otherwise> = {
  "add: same keys": {
    why: "2025 goes on after its refusal, and answers twice",
    status: 400,
    body: `{"error":"source and destination keys are the same"}\n`,
  },
  "bad key": {
    why: "2025 goes on after its refusal, and answers twice",
    status: 400,
    body: `{"error":"Invalid public key"}\n`,
  },
};

Deno.test("the transport setup node: 9 of 11 exchanges of transport-setup.json as recorded", async () => {
  await using rig = new Rig();
  const visor = new Visor(VISOR_A);
  visor.make(VISOR_A, "dmsg", GATEWAY_LABEL);
  rig.visors.set(VISOR_A, visor);
  assert.equal(await replay(rig.setup.operator, recorded.exchanges, OTHERWISE), 9);
  assert.equal(recorded.exchanges.length, recorded.case_counts.exchanges);
  assert.equal(recorded.exchanges.length, 11);
});

Deno.test("only what was made this way is listed, and removed", async () => {
  await using rig = new Rig();
  const visor = new Visor(VISOR_A);
  const own = visor.make(VISOR_B, "stcpr", "user");
  rig.visors.set(VISOR_A, visor);
  assert.equal((await rig.ask(`/${VISOR_A}/transports`)).body, "[]\n");
  const refused = await rig.ask("/remove", JSON.stringify({ from: VISOR_A, id: own.id }));
  assert.deepEqual([refused.status, refused.body], [
    500,
    `{"error":"transport was not created by skycoin"}\n`,
  ]);
  assert.deepEqual(visor.transports(), [own]);
});

Deno.test("what is no request is refused before any visor is asked", async () => {
  await using rig = new Rig();
  const add = { from: VISOR_A, to: VISOR_B, type: "dmsg" };
  const bad: [string, string, RegExp][] = [
    ["/add", "", /no JSON/],
    ["/add", "nope", /no JSON/],
    ["/add", "[]", /no JSON object/],
    ["/add", "null", /no JSON object/],
    ["/add", "[".repeat(REQUEST_BYTES_MAX), /no JSON/],
    ["/add", "{}", /'From'[^]*'To'[^]*'Type'/],
    ["/add", JSON.stringify({ ...add, type: "" }), /'Type' failed/],
    ["/add", JSON.stringify({ ...add, to: 7 }), /must be text/],
    ["/add", JSON.stringify({ ...add, to: "02" }), /Invalid public key/],
    ["/add", JSON.stringify({ ...add, from: VISOR_B }), /are the same/],
    ["/add", JSON.stringify({ ...add, [`<${"x".repeat(1_000)}`]: 1 }), /unknown field "<x{63}"/],
    ["/remove", JSON.stringify({ from: VISOR_A }), /'UUIDRequest.ID'/],
    ["/remove", JSON.stringify({ from: VISOR_A, id: "1" }), /invalid UUID/],
    ["/remove", JSON.stringify({ from: "", id: "1" }), /'UUIDRequest.From'/],
  ];
  for (const [path, body, text] of bad) {
    const answer = await rig.ask(path, body);
    assert.equal(answer.status, 400, body);
    assert.match(JSON.parse(answer.body).error, text);
  }
  assert.equal((await rig.ask("/add", "x".repeat(REQUEST_BYTES_MAX + 1))).status, 413);
  assert.deepEqual(rig.serving, []);
});

Deno.test("a web page cannot ask, and over dmsg nobody gets more than the health", async () => {
  await using rig = new Rig();
  const body = JSON.stringify({ from: VISOR_A, to: VISOR_B, type: "dmsg" });
  const visor = new Visor(VISOR_A);
  rig.visors.set(VISOR_A, visor);
  assert.equal((await rig.ask("/add", body, { Origin: "http://evil.example" })).status, 403);
  for (
    const [method, path, status] of [
      ["POST", "/add", 404],
      ["POST", "/remove", 404],
      ["GET", `/${VISOR_A}/transports`, 404],
      ["POST", "/health", 405],
      ["GET", "/health", 200],
    ] as const
  ) {
    const remote = `${pair("stranger").publicKey}:49152`;
    assert.equal((await ask(rig.setup.health, { method, path, body, remote })).status, status, path);
  }
  assert.deepEqual(visor.transports(), []);
});

Deno.test("paths and methods that are none", async () => {
  await using rig = new Rig();
  for (const path of ["/", "/transports", `/${VISOR_A}/transports/x`, "/add/x"]) {
    assert.equal((await rig.ask(path)).status, 404, path);
  }
  assert.deepEqual([(await rig.ask("/add")).status, (await rig.ask("/add")).header("allow")], [405, "POST"]);
  assert.equal((await rig.ask("/remove")).status, 405);
  assert.equal((await rig.ask(`/${VISOR_A}/transports`, "{}")).header("allow"), "GET");
});

Deno.test("a visor that is silent costs its bound, and so many of them are asked at once", async () => {
  const ledger = new Ledger();
  const clock = new VirtualClock({ ledger });
  const { operator } = createTransportSetup({
    world: { clock },
    dial: async (_, { signal }) => {
      await sleep(clock, 1e9, signal);
      throw new Error("unreachable");
    },
  });
  const path = `/${VISOR_A}/transports`;
  const asked = Array.from({ length: REQUESTS_MAX }, () => ask(operator, { path }));
  assert.equal((await ask(operator, { path })).status, 503);
  await clock.advance(REQUEST_TIMEOUT_MS);
  for (const { status, body } of await Promise.all(asked)) {
    assert.equal(status, 500);
    assert.match(JSON.parse(body).error, /did not finish within 60000 ms/);
  }
  assertNothingAlive(ledger);
});

Deno.test("the configuration of 2025 is read: its key, its port, and the servers of the network that it names", () => {
  const read = parseTransportSetupConfig(JSON.stringify(config), "tsn.json");
  assert.equal(read.secretKey?.publicKey, config.public_key);
  assert.equal(read.port, 8080);
  assert.equal(read.network.name, "production", "it names the discovery of it");
  assert.deepEqual(read.network.discoveryDmsg, embeddedNetwork().discoveryDmsg);
  const servers = [{ static: VISOR_B, server: { address: "203.0.113.5:8081" } }];
  const dmsg = { discovery: "http://127.0.0.1:9090", sessions_count: 1, servers };
  const own = parseTransportSetupConfig(JSON.stringify({ ...config, dmsg }), "tsn.json").network;
  assert.deepEqual(
    [own.name, own.discoveryHttp, own.servers],
    ["configured", "http://127.0.0.1:9090", [{ publicKey: VISOR_B, address: "203.0.113.5:8081" }]],
  );
  assert.equal(parseTransportSetupConfig("{}", "tsn.json").network.name, "production");
  for (
    const wrong of [
      { ...config, public_key: VISOR_A },
      { ...config, port: 65_536 },
      { ...config, dmsg: 7 },
      { ...config, log_level: "loud" },
    ]
  ) assert.throws(() => parseTransportSetupConfig(JSON.stringify(wrong), "tsn.json"), { code: "CONFIG" });
});
