/** What is asked about any visor on a whole deployment, whoever runs either. @module */
import assert from "node:assert/strict";
import { silentLog } from "../../lib/base/mod.ts";
import { generateKeyPair, parsePublicKey, type PublicKey } from "../../lib/crypto/mod.ts";
import {
  AddressResolverClient,
  joinNetwork,
  networkOfFile,
  ServiceDiscoveryClient,
  TransportDiscoveryClient,
  type TransportRecord,
  UptimeTrackerClient,
} from "../../lib/directory/mod.ts";
import { HttpDiscovery } from "../../lib/dmsg/mod.ts";
import { systemWorld } from "../../lib/runtime/mod.ts";
import { SkipError } from "./build.ts";
import { poll } from "./lab.ts";
import type { LiveOptions } from "./live.ts";
import { PUBLIC_ADDRESS } from "./namespace.ts";
import type { RouteVisor } from "./route_build.ts";
import type { WholeDeployment } from "./service_build.ts";
import type { VISOR_ROLES, VisorRole } from "./service_rows.ts";

/** What is registered at a start comes within seconds; ours registers transports after 5 s. */
const REGISTERED_MS = 25_000;
const GONE_MS = 15_000;
const ASK_MS = 250;
/** Five minutes, and what a busy machine needs. */
const FIRST_HEARTBEAT_MS = 5 * 60_000 + 15_000;
/** A tracker answers such a question five times in a minute. */
const [UPTIME_LISTED_MS, UPTIME_ASK_MS] = [30_000, 15_000];
const TRANSPORT_TYPES = ["stcpr", "sudph", "dmsg"] as const;

/** Every service of a deployment, asked over HTTP by nobody in particular. */
export class Directory implements AsyncDisposable {
  readonly entries: HttpDiscovery;
  readonly transports: TransportDiscoveryClient;
  readonly resolver: AddressResolverClient;
  readonly services: ServiceDiscoveryClient;
  readonly uptimes: UptimeTrackerClient;
  /** Uptimes as the transport discovery counts them. */
  readonly transportUptimes: UptimeTrackerClient;
  readonly #client;

  private constructor(text: string, { file, services }: WholeDeployment) {
    const world = systemWorld();
    this.#client = joinNetwork({
      world,
      local: generateKeyPair(world.random),
      network: { ...networkOfFile(text, file), discoveryDmsg: undefined },
      log: silentLog,
      userAgent: "interop",
      publish: false,
    });
    const ask = (http: string) => this.#client.askService(http, { http });
    this.entries = new HttpDiscovery(ask(services.dmsg_discovery));
    this.transports = new TransportDiscoveryClient(ask(services.transport_discovery));
    this.resolver = new AddressResolverClient(ask(services.address_resolver));
    this.services = new ServiceDiscoveryClient(ask(services.service_discovery));
    this.uptimes = new UptimeTrackerClient(ask(services.uptime_tracker));
    this.transportUptimes = new UptimeTrackerClient(ask(services.transport_discovery));
  }

  static async of(deployment: WholeDeployment): Promise<Directory> {
    return new Directory(await Deno.readTextFile(deployment.file), deployment);
  }

  /** A transport, found among all: what one key asks about single ones is limited. */
  async transport(id: string): Promise<TransportRecord | undefined> {
    return (await this.transports.all()).find((record) => record.id === id);
  }

  /** Everything that services have of a visor, in words: empty when nothing is left. */
  async tracesOf(key: PublicKey): Promise<string[]> {
    const bound = await this.resolver.transports();
    const types = ["visor", "skysocks", "vpn"];
    const listed = await Promise.all(types.map((type) => this.services.find({ type })));
    return [
      ...(await this.entries.entry(key) === undefined ? [] : ["dmsg entry"]),
      ...(["stcpr", "sudph"] as const).filter((type) => bound[type].includes(key)),
      ...types.filter((_, index) => listed[index]!.some((record) => record.publicKey === key)),
      ...(await this.transports.all()).filter(({ edges }) => edges.includes(key))
        .map(({ type }) => `${type} transport`).sort(),
    ];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.close();
  }
}

/** Asks again and again until the claim holds; what it failed with last is the reason. */
export async function becomes<T>(
  claim: () => Promise<T>,
  withinMs = REGISTERED_MS,
  everyMs = ASK_MS,
): Promise<T> {
  let last: unknown;
  return await poll(async () => {
    try {
      return { value: await claim() };
    } catch (error) {
      last = error;
      return undefined;
    }
  }, {
    withinMs,
    everyMs,
    what: () => last instanceof Error ? last.message : String(last),
  }).then(({ value }) => value);
}

/** Where a visor shall be found by itself, a moment after its start. */
export function registrations(
  directory: Directory,
  visor: RouteVisor,
  tell: (role: keyof typeof VISOR_ROLES, work: () => Promise<string>) => Promise<void>,
) {
  const key = parsePublicKey(visor.publicKey);
  const isListed = (type: string) => async () =>
    await becomes(async () => {
      const record = (await directory.services.find({ type })).find(({ publicKey }) => publicKey === key);
      assert.ok(record !== undefined, `The service discovery has no ${type} of ${key}`);
      return `port ${record.port}${record.localIps === undefined ? "" : `, ${record.localIps}`}`;
    });
  return {
    entry: () =>
      tell("dmsg entry", () =>
        becomes(async () => {
          const entry = await directory.entries.entry(key);
          assert.ok(entry?.client !== undefined, "There is no entry");
          const servers = entry.client.delegatedServers?.length ?? 0;
          assert.ok(servers > 0, "The entry names no server");
          return `with ${servers} servers, of type ${entry.clientType}`;
        })),
    bound: (type: "stcpr" | "sudph") =>
      tell(`bound for ${type}`, () =>
        becomes(async () => {
          const found = await directory.resolver.resolve(type, key);
          assert.ok(found !== undefined, `The resolver does not know ${key} for ${type}`);
          assert.ok(found.remoteAddress.startsWith(PUBLIC_ADDRESS), found.remoteAddress);
          assert.ok((await directory.resolver.transports())[type].includes(key), "it is not in the list");
          return `${found.remoteAddress}, port ${found.port}`;
        })),
    visor: () => tell("public visor", isListed("visor")),
    skysocks: () => tell("skysocks server", isListed("skysocks")),
    vpn: () => tell("VPN server", isListed("vpn")),
    saysItIsUp: (deployment: WholeDeployment, { lab, isPatient = false }: LiveOptions) =>
      tell("says that it is up", async () => {
        if (!isPatient) {
          throw new SkipError("a visor says so five minutes after its start: --patient waits for it");
        }
        const endMs = performance.now() + FIRST_HEARTBEAT_MS;
        while (performance.now() < endMs) {
          if (lab.isOver) throw new Error("The end came first");
          await new Promise((resolve) => setTimeout(resolve, 1_000));
        }
        await deployment.refreshUptimes();
        return await becomes(
          async () => {
            const [listed] = await directory.uptimes.uptimes({ keys: [key] });
            assert.ok(listed !== undefined, "The uptime tracker does not list it");
            assert.equal(listed.isOnline, true, "it is listed as offline");
            return `online, of version ${listed.version}`;
          },
          UPTIME_LISTED_MS,
          UPTIME_ASK_MS,
        );
      }),
  };
}

/** Makes a transport of each type; the dmsg transport is closed again. */
export async function transportsBetween(
  directory: Directory,
  [from, to]: readonly [RouteVisor, RouteVisor],
  tell: (role: VisorRole, work: () => Promise<string>) => Promise<void>,
): Promise<void> {
  const listed = async (visor: RouteVisor, id: string) =>
    (await visor.transports()).some((each) => each.id === id);
  await Promise.all(TRANSPORT_TYPES.map((type) =>
    tell(`visor: ${type} transport`, async () => {
      const id = await from.addTransport(to.publicKey, type);
      for (const visor of [from, to]) {
        await becomes(async () => assert.ok(await listed(visor, id), `${visor.publicKey} does not list it`));
      }
      const startedMs = performance.now();
      await becomes(async () => {
        const record = await directory.transport(id);
        assert.ok(record !== undefined, `The transport discovery does not know ${id}`);
        assert.deepEqual(record.edges, [from, to].map(({ publicKey }) => publicKey).sort());
        assert.equal(record.type, type);
      });
      const registered = `registered after ${Math.round(performance.now() - startedMs)} ms`;
      if (type !== "dmsg") return registered;
      await from.removeTransport(id);
      await becomes(async () => {
        assert.ok(!await listed(to, id), `${to.publicKey} still lists it`);
        assert.equal(await directory.transport(id), undefined, "it is still registered");
      }, GONE_MS);
      return `${registered}, gone when closed`;
    })
  ));
}

/**
 * The transport setup node of the deployment makes `from` add a dmsg transport to `to`, lists it, and removes it.
 * `triesMax` of the first order: one of 2024 dials a session for it and uses that before its server does.
 */
export async function orderTransport(
  url: string,
  [from, to]: readonly [RouteVisor, RouteVisor],
  { triesMax = 1 }: { readonly triesMax?: number } = {},
): Promise<string> {
  const ask = async (path: string, body?: object) => {
    const response = await fetch(url + path, {
      method: body === undefined ? "GET" : "POST",
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(30_000),
    });
    const text = await response.text();
    if (response.status !== 200) throw new Error(`${path}: ${response.status} ${text.slice(0, 300)}`);
    return JSON.parse(text);
  };
  const order = { from: from.publicKey, to: to.publicKey, type: "dmsg" };
  let made: Awaited<ReturnType<typeof ask>>;
  for (let tries = 1; made === undefined; tries++) {
    made = await ask("/add", order).catch((error) => {
      if (tries >= triesMax) throw error;
    });
  }
  const { ID: id, Remote: remote, Type: type } = made;
  assert.deepEqual([remote, type], [to.publicKey, "dmsg"]);
  assert.ok((await from.transports()).some((each) => each.id === id), "the visor does not list it");
  const ids = async () =>
    (await ask(`/${from.publicKey}/transports`) ?? []).map(({ ID }: { ID: string }) => ID);
  assert.ok((await ids()).includes(id), "it does not list it");
  assert.deepEqual(await ask("/remove", { from: from.publicKey, id }), { Result: true });
  assert.ok(!(await ids()).includes(id), "it still lists it");
  await becomes(async () => {
    assert.ok((await from.transports()).every((each) => each.id !== id), "the visor still lists it");
  }, GONE_MS);
  return `${id} added, listed, removed`;
}
