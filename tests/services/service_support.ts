/** A service with a clock that tests move, asked without any socket; and recorded exchanges asked of it. */
import assert from "node:assert/strict";
import { Ledger, type Log, silentLog } from "../../lib/base/mod.ts";
import { type KeyPair, keyPairFromSeed, SecretKey, sign, toHex } from "../../lib/crypto/mod.ts";
import { LimitError } from "../../lib/base/mod.ts";
import { RequestSigner, type TransportLatency, type TransportRecord } from "../../lib/directory/mod.ts";
import type { AskService } from "../../lib/dmsg/mod.ts";
import { SeededRandom, VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import {
  type AddressResolverSettings,
  createAddressResolver,
} from "../../lib/services/address_resolver/mod.ts";
import {
  type Answer,
  answerOf,
  type DmsgStatus,
  type Locate,
  type ReachOverDmsg,
  type ServiceApi,
  splitTarget,
} from "../../lib/services/hosting/mod.ts";
import {
  createServiceDiscovery,
  type ServiceDiscoverySettings,
} from "../../lib/services/service_discovery/mod.ts";
import {
  type ServiceStore,
  SqliteBindingStore,
  SqliteServiceStore,
  SqliteTransportStore,
  SqliteUptimeStore,
} from "../../lib/services/store/mod.ts";
import {
  createTransportDiscovery,
  type TransportDiscoverySettings,
  TransportFeed,
} from "../../lib/services/transport_discovery/mod.ts";
import { transportId } from "../../lib/transport/mod.ts";
import {
  createPrivateUptimeTracker,
  createUptimeTracker,
  type UptimeTrackerSettings,
} from "../../lib/services/uptime_tracker/mod.ts";
import { assertNothingAlive } from "../support/world.ts";
import keys from "../vectors/services/keys.json" with { type: "json" };

export interface Asked {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Default: an address of the internet. */
  readonly remote?: string;
}

/** What a service answered, with a header by its name. */
export interface Answered extends Answer {
  header(name: string): string | undefined;
}

/** Asks a service as its HTTP server would. */
export async function ask(api: ServiceApi, asked: Asked): Promise<Answered> {
  const { method = "GET", path: target, headers = {}, body = "", remote = "203.0.113.9:4321" } = asked;
  const fields = new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const answer = await answerOf(api, {
    method,
    ...splitTarget(target),
    header: (name) => fields.get(name),
    bytes: (bytesMax) =>
      bytes.length > bytesMax ? Promise.reject(new LimitError("too large")) : Promise.resolve(bytes),
    remote,
  }, { tell: () => {} });
  const header = (name: string) => answer.headers.find(([each]) => each.toLowerCase() === name)?.[1];
  return { ...answer, header };
}

/** Asks a service as `owner`: over HTTP and signed, or over dmsg. */
export function askAs(
  api: ServiceApi,
  owner: KeyPair,
  way: "http" | "dmsg",
  log: Parameters<AskService>[0][] = [],
): AskService {
  const signer = new RequestSigner(owner);
  const remote = way === "dmsg" ? `${owner.publicKey}:49152` : "203.0.113.7:4000";
  return async (question) => {
    log.push(question);
    const { method, path, body, headers = [], isSigned } = question;
    const send = async (fields: readonly (readonly [string, string])[], asked = { method, path, body }) => {
      const answer = await ask(api, {
        ...asked,
        headers: Object.fromEntries([...headers, ...fields]),
        remote,
      });
      return { status: answer.status, text: answer.body };
    };
    if (!isSigned || way === "dmsg") return await send([]);
    const askNonce = (path: string) => send([], { method: "GET", path, body: undefined });
    return await signer.send({ body, exchange: send, askNonce });
  };
}

/** The headers by which `owner` signs a request. */
export function signed(owner: KeyPair, nonce: number | bigint, body = ""): Record<string, string> {
  const signature = sign(new TextEncoder().encode(`${body}${nonce}`), owner.secretKey);
  return { "SW-Public": owner.publicKey, "SW-Nonce": `${nonce}`, "SW-Sig": toHex(signature) };
}

/** The headers by which a network monitor shows who it is. */
export function monitored(monitor: KeyPair): Record<string, string> {
  const signature = sign(new TextEncoder().encode(monitor.publicKey), monitor.secretKey);
  return { "NM-PK": monitor.publicKey, "NM-Sign": toHex(signature) };
}

/** A service's store and clock, ended and counted. */
abstract class UnderTest implements AsyncDisposable {
  readonly ledger = new Ledger();
  readonly clock = new VirtualClock({ wallMs: 1_795_245_178_000, ledger: this.ledger });
  abstract readonly api: ServiceApi;
  abstract readonly store: AsyncDisposable;

  ask(path: string, asked: Omit<Asked, "path"> = {}): Promise<Answered> {
    return ask(this.api, { path, ...asked });
  }

  /** As `owner`, over its own stream: nothing is signed. */
  askAs(owner: KeyPair, path: string, asked: Omit<Asked, "path" | "remote"> = {}): Promise<Answered> {
    return this.ask(path, { ...asked, remote: `${owner.publicKey}:49152` });
  }

  /** The number that the service expects of `owner`. */
  async nonceOf(owner: KeyPair): Promise<number> {
    return JSON.parse((await this.ask(`/security/nonces/${owner.publicKey}`)).body).next_nonce;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store[Symbol.asyncDispose]();
    assertNothingAlive(this.ledger);
  }
}

export class TransportDiscoveryUnderTest extends UnderTest {
  readonly store: SqliteTransportStore;
  readonly uptimes: { readonly visors: SqliteUptimeStore; readonly transports: SqliteUptimeStore<string> };
  readonly feed: TransportFeed;
  readonly api: ServiceApi;

  constructor(
    settings: TransportDiscoverySettings = {},
    { dmsgStatus, noncesMax, log }: { dmsgStatus?: () => DmsgStatus; noncesMax?: number; log?: Log } = {},
  ) {
    super();
    const world = { clock: this.clock };
    this.store = new SqliteTransportStore({ clock: this.clock, ledger: this.ledger, noncesMax });
    this.feed = new TransportFeed(this.clock, silentLog);
    const given = { clock: this.clock, ledger: this.ledger };
    this.uptimes = {
      visors: new SqliteUptimeStore({ ...given, of: "visor_uptime" }),
      transports: new SqliteUptimeStore<string>({ ...given, of: "transport_uptime" }),
    };
    const { store, uptimes, feed } = this;
    this.api = createTransportDiscovery({ store, uptimes, feed, world, settings, dmsgStatus, log });
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    this.feed.close();
    for (const each of Object.values(this.uptimes)) await each[Symbol.asyncDispose]();
    await super[Symbol.asyncDispose]();
  }
}

export class AddressResolverUnderTest extends UnderTest {
  readonly store: SqliteBindingStore;
  readonly api: ServiceApi;

  constructor(
    settings: AddressResolverSettings = {},
    { dmsgStatus }: { dmsgStatus?: () => DmsgStatus } = {},
  ) {
    super();
    const world = { clock: this.clock };
    this.store = new SqliteBindingStore({ clock: this.clock, ledger: this.ledger });
    this.api = createAddressResolver({ store: this.store, world, settings, dmsgStatus });
  }
}

export class ServiceDiscoveryUnderTest extends UnderTest {
  readonly store: SqliteServiceStore;
  readonly uptimes: SqliteUptimeStore;
  readonly api: ServiceApi;

  constructor(
    settings: ServiceDiscoverySettings = {},
    { dmsgStatus, locate, reach, log, watched = (store) => store }: {
      dmsgStatus?: () => DmsgStatus;
      locate?: Locate;
      reach?: ReachOverDmsg;
      log?: Log;
      watched?: (store: ServiceStore) => ServiceStore;
    } = {},
  ) {
    super();
    const world = { clock: this.clock, random: new SeededRandom(1) };
    const given = { clock: this.clock, ledger: this.ledger };
    this.store = new SqliteServiceStore(given);
    const uptimes = this.uptimes = new SqliteUptimeStore({ ...given, of: "service_uptime" });
    const store = watched(this.store);
    this.api = createServiceDiscovery({ store, uptimes, world, settings, dmsgStatus, locate, reach, log });
  }

  override async [Symbol.asyncDispose](): Promise<void> {
    await this.uptimes[Symbol.asyncDispose]();
    await super[Symbol.asyncDispose]();
  }
}

export class UptimeTrackerUnderTest extends UnderTest {
  readonly store: SqliteUptimeStore;
  readonly api: ServiceApi;
  /** Of its operator. */
  readonly privateApi: ServiceApi;

  constructor(
    settings: UptimeTrackerSettings = {},
    { dmsgStatus, locate }: { dmsgStatus?: () => DmsgStatus; locate?: Locate } = {},
  ) {
    super();
    const world = { clock: this.clock };
    this.store = new SqliteUptimeStore({ clock: this.clock, ledger: this.ledger });
    this.api = createUptimeTracker({ store: this.store, world, settings, dmsgStatus, locate });
    this.privateApi = createPrivateUptimeTracker(this.store);
  }
}

/** The same pair for the same name. */
export function pair(name: string): KeyPair {
  return keyPairFromSeed(new TextEncoder().encode(name));
}

/** A pair of the recordings. */
export function recordedPair(label: keyof typeof keys): KeyPair {
  const secretKey = SecretKey.parse(keys[label].sk);
  return { publicKey: secretKey.publicKey, secretKey };
}

/** A transport as both its edges would register it. */
export function transportOf(
  one: KeyPair,
  other: KeyPair,
  { type = "stcpr", label = "user", latency }: {
    type?: string;
    label?: string;
    latency?: TransportLatency;
  } = {},
): TransportRecord {
  const edges = [one.publicKey, other.publicKey].sort() as unknown as TransportRecord["edges"];
  const record = { id: transportId(...edges, type), edges, type, label };
  return latency === undefined ? record : { ...record, latency };
}

/** One recorded exchange of `vectors/services`. */
export interface Exchange {
  readonly name: string;
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly headers: object;
    readonly body?: string | null;
  };
  readonly response: { readonly status: number; readonly headers: object; readonly body: string };
}

/** What ours answers otherwise than was recorded, by the exchange's name: why, and with what. */
export interface Otherwise {
  readonly why: string;
  readonly status: number;
  readonly body?: string | RegExp;
}

/**
 * Asks every exchange in its order, and holds each answer against the recorded one. Gives how many were equal.
 * `normal` gives what is equal in both bodies where the text itself has no order.
 */
export async function replay(
  api: ServiceApi,
  exchanges: readonly Exchange[],
  otherwise: Readonly<Record<string, Otherwise>>,
  normal: (body: string) => unknown = (body) => body,
): Promise<number> {
  let same = 0;
  for (const { name, request, response } of exchanges) {
    const { method, path, body } = request;
    const headers = request.headers as Record<string, string>;
    const answer = await ask(api, { method, path, headers, body: body ?? "", remote: "127.0.0.1:40000" });
    const other = otherwise[name];
    const where = `${name}: ${method} ${path}`;
    assert.equal(answer.status, other?.status ?? response.status, `${where}: ${answer.body}`);
    if (other !== undefined) {
      if (typeof other.body === "string") assert.equal(answer.body, other.body, where);
      if (other.body instanceof RegExp) assert.match(answer.body, other.body, where);
      continue;
    }
    same++;
    const recorded = new Headers(response.headers as Record<string, string>);
    for (const field of HEADERS) {
      const [given] = answer.headers.filter(([each]) => each.toLowerCase() === field).slice(-1);
      assert.equal(given?.[1] ?? null, recorded.get(field), `${where}: ${field}`);
    }
    if (path === "/health") assertSameHealth(answer.body, response.body);
    else if (path === "/transports" && answer.status === 200) {
      assert.deepEqual(sorted(answer.body), sorted(response.body), where);
    } else assert.deepEqual(normal(answer.body), normal(response.body), where);
  }
  const names = new Set(exchanges.map(({ name }) => name));
  assert.deepEqual(Object.keys(otherwise).filter((name) => !names.has(name)), [], "no such exchange");
  return same;
}

/** Headers that mean something; of several with one name the recorder kept the last. */
const HEADERS = [
  "content-type",
  "allow",
  "x-content-type-options",
  "vary",
  "access-control-allow-origin",
  "access-control-allow-methods",
  "access-control-max-age",
  "x-ratelimit-limit",
  "x-ratelimit-remaining",
];

/** The members of 2024 in their order; the time of start is the service's own; those of 2026 come behind. */
function assertSameHealth(body: string, expected: string): void {
  const [ours, recorded] = [JSON.parse(body), JSON.parse(expected)];
  assert.deepEqual(Object.keys(ours).slice(0, Object.keys(recorded).length), Object.keys(recorded));
  assert.match(ours.started_at, /^2026-11-21T07:\d\d:\d\d\.\d+Z$/);
  for (const member of Object.keys(recorded)) {
    if (member !== "started_at") assert.deepEqual(ours[member], recorded[member]);
  }
}

/** Lists of keys have no order. */
function sorted(body: string): Record<string, string[]> {
  const lists = Object.entries(JSON.parse(body) as Record<string, string[]>);
  return Object.fromEntries(lists.map(([type, list]) => [type, list.sort()]));
}
