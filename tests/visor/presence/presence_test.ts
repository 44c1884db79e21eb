/** Presence: what a network has services for is done, over real clients; the rest is not. */
import assert from "node:assert/strict";
import {
  ServiceDiscoveryClient,
  TransportDiscoveryClient,
  UptimeTrackerClient,
} from "../../../lib/directory/mod.ts";
import type { AskService } from "../../../lib/dmsg/mod.ts";
import { type Offer, Presence, type PresenceOptions } from "../../../lib/visor/presence/mod.ts";
import { type Bench, keyAt, onBench, told } from "./support.ts";

const own = keyAt(0);
type Question = Parameters<AskService>[0];

/** Answers what a visor asks; the service discovery may be away. */
class Services {
  readonly asked: Question[] = [];
  isAway = false;
  stats: Record<string, Record<string, number>> = {};

  readonly discovery: AskService = (question) =>
    this.#answer(question, () => {
      if (this.isAway) throw new Error("away");
      return question.method === "POST"
        ? question.body!
        : question.path.includes("?type=visor&")
        ? "null"
        : "true";
    });
  readonly tracker: AskService = (question) => this.#answer(question, () => "");
  readonly transports: AskService = (question) =>
    this.#answer(
      question,
      () => question.path.endsWith("stats") ? JSON.stringify(this.stats) : `{"status":"ok"}`,
    );

  get paths(): string[] {
    return this.asked.map(({ method, path }) => `${method} ${path.replace(/0[23][0-9a-f]{64}/, "KEY")}`);
  }

  async #answer(question: Question, text: () => string) {
    this.asked.push(question);
    return await Promise.resolve({ status: 200, text: text() });
  }
}

const NOTHING = { serviceDiscovery: undefined, uptimeTracker: undefined, transportDiscovery: undefined };

function start(
  { world, log }: Bench,
  given: Partial<PresenceOptions["services"]>,
  more: Partial<PresenceOptions> = {},
): { presence: Presence; dials: string[] } {
  const dials: string[] = [];
  const presence = new Presence({
    world,
    publicKey: own,
    version: "v1.2.3",
    settings: {
      isPublic: false,
      publicTimeoutMs: 600_000,
      publicTransportsMax: 1_000,
      displayNodeIp: false,
      serviceIntervalMs: 90_000,
      autoconnects: true,
    },
    services: { ...NOTHING, ...given },
    transports: {
      types: ["stcpr", "sudph"],
      to: () => [],
      dial: (key) => {
        dials.push(key);
        return Promise.resolve();
      },
    },
    offers: () => [],
    addresses: () => ["192.168.1.7", "203.0.113.7"],
    log,
    ...more,
  });
  return { presence, dials };
}

Deno.test("VI-1: a network without these services is left in peace", () =>
  onBench(async (bench) => {
    const { presence, dials } = start(bench, {});
    presence.changed();
    await bench.wait(900_000);
    assert.deepEqual(presence.state(), { services: [], heartbeat: undefined, autoconnect: undefined });
    assert.deepEqual([dials, told(bench.records)], [[], []]);
    await presence.close();
  }));

Deno.test("VI-1: heartbeats with the version, at the tracker, else at the transport discovery; its answers are the state", () =>
  onBench(async (bench) => {
    const services = new Services();
    const transportDiscovery = new TransportDiscoveryClient(services.transports, { version: "v1.2.3" });
    const { presence } = start(bench, {
      transportDiscovery,
      uptimeTracker: new UptimeTrackerClient(services.tracker),
    });
    await bench.wait(310_000);
    assert.deepEqual(services.paths, ["GET /v4/update?version=v1.2.3"]);
    assert.equal(services.asked[0]!.isSigned, true);
    assert.deepEqual(presence.state().heartbeat, {
      service: "uptime tracker",
      lastAgoMs: 10_000,
      failure: undefined,
    });
    await presence.close();
    const { presence: other } = start(bench, { transportDiscovery });
    await bench.wait(301_000);
    assert.equal(other.state().heartbeat!.service, "transport discovery");
    assert.deepEqual(services.paths.slice(1), ["GET /v4/update?version=v1.2.3"]);
    await other.close();
  }));

Deno.test("where it is a visor tells of its public address, or of loopback, and of no other", () =>
  onBench(async (bench) => {
    const offers = (): Offer[] => [{ type: "skysocks", port: 3 }];
    for (
      const [addresses, told] of [
        [["192.168.1.7", "203.0.113.7"], [["SW-PublicIP", "203.0.113.7"]]],
        [["127.0.0.1"], [["SW-PublicIP", "127.0.0.1"]]],
        [["192.168.1.7"], []],
      ] as const
    ) {
      const services = new Services();
      const serviceDiscovery = new ServiceDiscoveryClient(services.discovery);
      const { presence } = start(bench, { serviceDiscovery }, { offers, addresses: () => addresses });
      await bench.wait(2_000);
      assert.deepEqual(services.paths, ["DELETE /api/services/KEY:0?type=visor", "POST /api/services"]);
      assert.deepEqual(services.asked[1]!.headers, told);
      assert.deepEqual(JSON.parse(services.asked[1]!.body!), {
        address: `${own}:3`,
        type: "skysocks",
        version: "v1.2.3",
      });
      assert.deepEqual(presence.state().services, [
        { type: "skysocks", port: 3, registeredAgoMs: 1_000, failure: undefined },
      ]);
      await presence.close();
      assert.equal(services.paths.at(-1), "DELETE /api/services/KEY:3?type=skysocks");
    }
  }));

Deno.test("VI-1: while the service discovery is away, ten of those with such transports are drawn, never the visor itself", () =>
  onBench(async (bench) => {
    const services = new Services();
    services.isAway = true;
    const direct = Array.from({ length: 40 }, (_, index) => keyAt(index + 1));
    services.stats = Object.fromEntries([
      [own, { total: 1, stcpr: 1 }],
      ...direct.map((key, index) => [key, { total: 1, [index % 2 === 0 ? "stcpr" : "sudph"]: 1 }]),
      ...Array.from({ length: 40 }, (_, index) => [keyAt(index + 100), { total: 2, dmsg: 2, stcpr: 0 }]),
    ]);
    const drawn: string[][] = [];
    for (let round = 0; round < 2; round++) {
      const { presence, dials } = start(bench, {
        serviceDiscovery: new ServiceDiscoveryClient(services.discovery),
        transportDiscovery: new TransportDiscoveryClient(services.transports),
      });
      await bench.wait(11_000);
      drawn.push(dials);
      await presence.close();
    }
    for (const dials of drawn) {
      assert.equal(new Set(dials).size, 10, "the transports of this test are gone at once, so all are tried");
      assert(dials.every((key) => (direct as string[]).includes(key)));
    }
    assert.notDeepEqual(drawn[0], drawn[1], "nobody is everybody's first");
  }));
