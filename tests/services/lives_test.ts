/**
 * Lives of what is registered, under virtual time, on a file that outlives its service: entries end when they should,
 * come back, and a restart loses nothing that had not ended (SV-2).
 */
import assert from "node:assert/strict";
import { Ledger, silentLog } from "../../lib/base/mod.ts";
import type { KeyPair } from "../../lib/crypto/mod.ts";
import { wireTransport } from "../../lib/directory/mod.ts";
import { renderEntry } from "../../lib/dmsg/entry.ts";
import { SeededRandom, VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import { BINDING_TTL_MS, createAddressResolver } from "../../lib/services/address_resolver/mod.ts";
import { CLIENT_TTL_MS, createDmsgDiscovery, SERVER_TTL_MS } from "../../lib/services/dmsg_discovery/mod.ts";
import type { ServiceApi } from "../../lib/services/hosting/mod.ts";
import { createServiceDiscovery, SERVICE_TTL_MS } from "../../lib/services/service_discovery/mod.ts";
import {
  openBindingStore,
  openEntryStore,
  openServiceStore,
  openTransportStore,
  openUptimeStore,
} from "../../lib/services/store/mod.ts";
import {
  createTransportDiscovery,
  TRANSPORT_TTL_MS,
  TransportFeed,
} from "../../lib/services/transport_discovery/mod.ts";
import { createUptimeTracker } from "../../lib/services/uptime_tracker/mod.ts";
import { forgetOld, HISTORY_DAYS, REGISTRATION_BEAT_MS } from "../../lib/services/uptimes/mod.ts";
import { signedClient, signedServer } from "./discovery_support.ts";
import { ask, type Asked, pair, signed, transportOf } from "./service_support.ts";

const [alice, bob] = [pair("alice"), pair("bob")];
const HERE = "203.0.113.7";
const DAY_MS = 24 * 60 * 60_000;

interface Opened extends AsyncDisposable {
  readonly api: ServiceApi;
  /** What the service does now and then. */
  readonly tidy?: () => Promise<void>;
}

interface World {
  readonly clock: VirtualClock;
  readonly ledger: Ledger;
}

type Open = (path: string, world: World) => Promise<Opened>;

/** A service on a file, which can be ended and started again; its machine's clocks start anew then. */
class Restartable implements AsyncDisposable {
  readonly #open: Open;
  readonly #folder: string;
  readonly #ledger = new Ledger();
  clock: VirtualClock;
  #opened!: Opened;

  private constructor(open: Open, folder: string) {
    this.#open = open;
    this.#folder = folder;
    this.clock = new VirtualClock({ wallMs: 1_795_245_178_000, ledger: this.#ledger });
  }

  static async start(open: Open): Promise<Restartable> {
    const service = new Restartable(open, await Deno.makeTempDir());
    await service.#start();
    return service;
  }

  async restart({ downMs }: { readonly downMs: number }): Promise<void> {
    await this.#opened[Symbol.asyncDispose]();
    assert.deepEqual(this.#ledger.live(), {});
    this.clock = new VirtualClock({ wallMs: this.clock.wallMs() + downMs, ledger: this.#ledger });
    await this.#start();
  }

  ask(path: string, asked: Omit<Asked, "path"> = {}) {
    return ask(this.#opened.api, { path, ...asked });
  }

  /** Over HTTP, signed, from an address of the internet. */
  async askAs(owner: KeyPair, path: string, { method = "GET", body = "" } = {}) {
    const { next_nonce } = JSON.parse((await this.ask(`/security/nonces/${owner.publicKey}`)).body);
    const headers = signed(owner, next_nonce, body);
    return { headers, answer: await this.ask(path, { method, body, headers, remote: `${HERE}:4000` }) };
  }

  async tidy(): Promise<void> {
    await this.#opened.tidy?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#opened[Symbol.asyncDispose]();
    assert.deepEqual(this.#ledger.live(), {});
    await Deno.remove(this.#folder, { recursive: true });
  }

  async #start(): Promise<void> {
    this.#opened = await this.#open(`${this.#folder}/store.db`, { clock: this.clock, ledger: this.#ledger });
  }
}

const transportDiscovery: Open = async (path, world) => {
  const stack = new AsyncDisposableStack();
  const store = stack.use(await openTransportStore(path, world));
  const uptimes = {
    visors: stack.use(await openUptimeStore(path, world, { of: "visor_uptime" })),
    transports: stack.use(await openUptimeStore<string>(path, world, { of: "transport_uptime" })),
  };
  const feed = new TransportFeed(world.clock, silentLog, await store.allWithLives());
  stack.defer(() => feed.close());
  return Object.assign(stack, {
    api: createTransportDiscovery({ store, uptimes, feed, world, settings: { requestsPerMinute: 0 } }),
    tidy: async () => {
      for (const each of Object.values(uptimes)) await forgetOld(each, world.clock);
    },
  });
};

const addressResolver: Open = async (path, world) => {
  const store = await openBindingStore(path, world);
  const close = () => store[Symbol.asyncDispose]();
  return { api: createAddressResolver({ store, world }), [Symbol.asyncDispose]: close };
};

const serviceDiscovery: Open = async (path, { clock, ledger }) => {
  const stack = new AsyncDisposableStack();
  const store = stack.use(await openServiceStore(path, { clock, ledger }));
  const uptimes = stack.use(await openUptimeStore(path, { clock, ledger }, { of: "service_uptime" }));
  return Object.assign(stack, {
    api: createServiceDiscovery({ store, uptimes, world: { clock, random: new SeededRandom(1) } }),
    tidy: () => forgetOld(uptimes, clock),
  });
};

const dmsgDiscovery: Open = async (path, { clock, ledger }) => {
  const store = await openEntryStore(path, { clock, ledger });
  const api = createDmsgDiscovery({ store, world: { clock, random: new SeededRandom(1) }, log: silentLog });
  return { api, [Symbol.asyncDispose]: () => store[Symbol.asyncDispose]() };
};

const uptimeTracker: Open = async (path, world) => {
  const store = await openUptimeStore(path, world);
  return {
    api: createUptimeTracker({ store, world, settings: { listsPerMinute: 0 } }),
    tidy: () => forgetOld(store, world.clock),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  };
};

/** Something that is announced, lives for so long, and is looked for. */
interface Life {
  readonly open: Open;
  readonly ttlMs: number;
  readonly announce: (service: Restartable, time: number) => Promise<{ readonly status: number }>;
  readonly isThere: (service: Restartable) => Promise<boolean>;
}

const transport = transportOf(alice, bob);
const entryOf = (owner: KeyPair) => async (service: Restartable) =>
  (await service.ask(`/dmsg-discovery/entry/${owner.publicKey}`)).status === 200;
const postEntry = (service: Restartable, entry: Parameters<typeof renderEntry>[0]) =>
  service.ask("/dmsg-discovery/entry/", { method: "POST", body: renderEntry(entry) });

const LIVES: Record<string, Life> = {
  "a transport": {
    open: transportDiscovery,
    ttlMs: TRANSPORT_TTL_MS,
    announce: async (service) => {
      const body = JSON.stringify([wireTransport(transport)]);
      return (await service.askAs(alice, "/v3/transports/", { method: "POST", body })).answer;
    },
    isThere: async (service) => {
      const { body } = await service.ask(`/v3/transports/edge:${bob.publicKey}`);
      return body.includes(transport.id);
    },
  },
  "a binding": {
    open: addressResolver,
    ttlMs: BINDING_TTL_MS,
    announce: async (service) => {
      const body = JSON.stringify({ port: "37615", addresses: [HERE] });
      return (await service.askAs(alice, "/bind/stcpr", { method: "POST", body })).answer;
    },
    isThere: async (service) => {
      const { answer } = await service.askAs(bob, `/resolve/stcpr/${alice.publicKey}`);
      const { body } = await service.ask("/transports");
      assert.equal(body.includes(alice.publicKey), answer.status === 200, "listed as long as it is resolved");
      return answer.status === 200;
    },
  },
  "a service": {
    open: serviceDiscovery,
    ttlMs: SERVICE_TTL_MS,
    announce: async (service) => {
      const body = JSON.stringify({ address: `${alice.publicKey}:44`, type: "vpn", version: "v1.3.29" });
      return (await service.askAs(alice, "/api/services", { method: "POST", body })).answer;
    },
    isThere: async (service) =>
      (await service.ask(`/api/services/${alice.publicKey}:44?type=vpn`)).status === 200,
  },
  "a dmsg client's entry": {
    open: dmsgDiscovery,
    ttlMs: CLIENT_TTL_MS,
    announce: (service, time) =>
      postEntry(service, signedClient(alice, { sequence: BigInt(time), timestamp: BigInt(1 + time) })),
    isThere: entryOf(alice),
  },
  "a dmsg server's entry": {
    open: dmsgDiscovery,
    ttlMs: SERVER_TTL_MS,
    announce: (service, time) => {
      const timestamp = BigInt(service.clock.wallMs()) * 1_000_000n;
      return postEntry(service, signedServer(bob, { sequence: BigInt(time), timestamp }));
    },
    isThere: entryOf(bob),
  },
};

for (const [what, { open, ttlMs, announce, isThere }] of Object.entries(LIVES)) {
  const announced = async (service: Restartable, time: number) => {
    const { status } = await announce(service, time);
    assert.ok(status === 200 || status === 201, `status ${status}`);
  };

  Deno.test(`${what} ends with its life, returns, and is renewed for a whole one`, async () => {
    await using service = await Restartable.start(open);
    assert.equal(await isThere(service), false);
    await announced(service, 0);
    await service.clock.advance(ttlMs - 1);
    assert.equal(await isThere(service), true);
    await service.clock.advance(1);
    assert.equal(await isThere(service), false);
    await announced(service, 1);
    assert.equal(await isThere(service), true, "it is back");
    await service.clock.advance(ttlMs - 1);
    await announced(service, 2);
    await service.clock.advance(ttlMs - 1);
    assert.equal(await isThere(service), true, "renewed, it lives as long again");
    await service.clock.advance(1);
    assert.equal(await isThere(service), false);
  });

  Deno.test(`${what} that has not ended is there after a restart, and ends when it would have`, async () => {
    await using service = await Restartable.start(open);
    await announced(service, 0);
    await service.clock.advance(ttlMs / 4);
    await announced(service, 1);
    await service.clock.advance(ttlMs / 2);
    await service.restart({ downMs: ttlMs / 4 });
    assert.equal(await isThere(service), true);
    await service.restart({ downMs: 0 });
    await service.clock.advance(ttlMs / 4 - 2);
    assert.equal(await isThere(service), true);
    await service.clock.advance(2);
    assert.equal(await isThere(service), false);
    await announced(service, 2);
    await service.restart({ downMs: ttlMs });
    assert.equal(await isThere(service), false, "the time without the service counts");
    await announced(service, 3);
    assert.equal(await isThere(service), true);
  });
}

/** A request that succeeds with exactly 200, so that its number is used up. */
const NUMBERED: Record<string, { open: Open; path: string; method?: string; body?: string }> = {
  "transport discovery": { open: transportDiscovery, path: "/v4/update" },
  "address resolver": { open: addressResolver, path: "/bind/stcpr", method: "DELETE", body: "{}\n" },
  "service discovery": {
    open: serviceDiscovery,
    path: `/api/services/${alice.publicKey}:44?type=vpn`,
    method: "DELETE",
  },
  "uptime tracker": { open: uptimeTracker, path: "/v4/update" },
};

for (const [what, { open, path, method = "GET", body = "" }] of Object.entries(NUMBERED)) {
  Deno.test(`${what}: a request of before a restart is not good again after it, also months later`, async () => {
    await using service = await Restartable.start(open);
    const { headers, answer } = await service.askAs(alice, path, { method, body });
    assert.equal(answer.status, 200, answer.body);
    for (const downMs of [0, 90 * DAY_MS]) {
      await service.restart({ downMs });
      const again = await service.ask(path, { method, body, headers, remote: `${HERE}:4000` });
      assert.equal(again.status, 401);
      assert.match(again.body, /SW-Nonce does not match/);
      assert.match((await service.ask(`/security/nonces/${alice.publicKey}`)).body, /"next_nonce":1\}/);
    }
    assert.equal(
      (await service.askAs(alice, path, { method, body })).answer.status,
      200,
      "and the next one is",
    );
  });
}

const register = (service: Restartable) => {
  const body = JSON.stringify([wireTransport(transport)]);
  return service.askAs(alice, "/v3/transports/", { method: "POST", body });
};
const COUNTED = {
  "uptime tracker": {
    open: uptimeTracker,
    beat: (service: Restartable) => service.askAs(alice, "/v4/update"),
  },
  "transport discovery": { open: transportDiscovery, beat: register },
};

for (const [what, { open, beat }] of Object.entries(COUNTED)) {
  Deno.test(`${what}: days are counted on after a restart, kept for a week, and then gone`, async () => {
    await using service = await Restartable.start(open);
    await service.clock.advance(DAY_MS - service.clock.wallMs() % DAY_MS);
    const intervalMs = what === "uptime tracker" ? 5 * 60_000 : REGISTRATION_BEAT_MS;
    const told = async () => {
      const query = `/uptimes?v=v3&visors=${alice.publicKey}`;
      return (JSON.parse((await service.ask(query)).body) as {
        daily: object;
        timeline: Record<string, string>;
      }[])[0];
    };
    await beat(service);
    await service.clock.advance(intervalMs / 2);
    await service.restart({ downMs: 1_000 });
    await beat(service); // too soon: a restart is no new beginning
    await service.clock.advance(intervalMs);
    await beat(service);
    await service.restart({ downMs: 0 });
    const beats = what === "uptime tracker" ? 2 / 288 : 2 / 960;
    const before = await told();
    assert.deepEqual(Object.values(before!.daily), [(100 * beats).toFixed(2)]);
    await service.restart({ downMs: (HISTORY_DAYS - 1) * DAY_MS });
    await service.tidy();
    const after = await told();
    assert.deepEqual([after!.daily, after!.timeline], [before!.daily, before!.timeline]);
    await service.restart({ downMs: 2 * DAY_MS });
    await service.tidy();
    assert.equal(await told(), undefined);
  });
}

Deno.test("transports of a discovery that restarts are online in its uptimes until they end", async () => {
  await using service = await Restartable.start(transportDiscovery);
  await register(service);
  await service.clock.advance(TRANSPORT_TTL_MS / 2);
  await service.restart({ downMs: TRANSPORT_TTL_MS / 4 });
  const { body } = await service.ask("/metrics/uptime");
  assert.deepEqual(JSON.parse(body), { total_transports: 1, online: 1, by_type: { stcpr: 1 } });
  await service.clock.advance(TRANSPORT_TTL_MS / 4);
  assert.match((await service.ask("/metrics/uptime")).body, /"online":0/);
});
