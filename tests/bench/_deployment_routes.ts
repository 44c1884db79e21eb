/** The routes of a deployment that visors ask most, and what happens on one at saturation. @module */
import type { BenchRow } from "../../scripts/bench.ts";
import type { KeyPair } from "../../lib/crypto/mod.ts";
import { wireTransport } from "../../lib/directory/mod.ts";
import { renderEntry, signEntry } from "../../lib/dmsg/mod.ts";
import {
  type Asked,
  Connection,
  encodeRequest,
  pairOf,
  proofOf,
  ServicesProcess,
  transportOf,
} from "./_deployment.ts";
import { percentile } from "./_dmsg_network.ts";

const CONNECTIONS = 16;
const REQUESTS = 100; // per connection and run
const QUICK_REQUESTS = 1_000; // the same where nothing is signed: CPU time is told in steps of 10 ms
const RUNS = 3;
const OWN_TRANSPORTS = 10;
/** A transport discovery takes so many of one key at once (services.md 1.3): then comes the next key. */
const REQUESTS_OF_KEY = 10;

/** A route under load. */
export interface Route {
  readonly name: string;
  /** As the service names itself. */
  readonly service: string;
  readonly status: number;
  /** Of the Go original, requests a second over 16 connections. */
  readonly go?: number;
  /** How often a visor asks. */
  readonly everyMs: number;
  /** The next request of a visor, by its number. */
  readonly make: (index: number) => Asked;
  /** For each connection and run, at saturation. Default {@link REQUESTS}. */
  readonly requests?: number;
  /** In place of `make` at saturation. */
  readonly makeMany?: (index: number) => Asked;
}

/** The requests of these visors, to services that have none of them yet. */
export function routesOf(visors: readonly KeyPair[]): Route[] {
  /** Numbers and sequences go on over all runs. */
  const counters = new Map<string, number>();
  const count = (name: string) => {
    const value = counters.get(name) ?? 0;
    counters.set(name, value + 1);
    return value;
  };
  /** For an answer of 200, which raises the number. */
  const counted = (service: string, index: number, asked: Asked): Asked => {
    const nonce = count(`${service} ${index}`);
    return { ...asked, headers: proofOf(visors[index]!, asked.body ?? "", nonce) };
  };
  const registration = (visor: KeyPair, peers: readonly KeyPair[]): Asked => {
    const body = JSON.stringify(peers.map((peer) => wireTransport(transportOf(visor, peer)))) + "\n";
    return { method: "POST", path: "/v3/transports/", body, headers: proofOf(visor, body, 0) };
  };
  const peers = Array.from({ length: OWN_TRANSPORTS }, (_, index) => pairOf(`bench peer ${index}`));
  const own = visors.map((visor) => registration(visor, peers));
  let registered: Asked | undefined;
  let asker: KeyPair | undefined;
  const next = (index: number) => visors[(index + 1) % visors.length]!.publicKey;
  const [discovery, transports] = ["dmsg discovery", "transport discovery"];
  const [resolver, listing, uptimes] = ["address resolver", "service discovery", "uptime tracker"];
  const bind = JSON.stringify({ port: "7777", addresses: ["127.0.0.1"] }) + "\n";
  const serviceOf = ({ publicKey }: KeyPair) =>
    JSON.stringify({ address: `${publicKey}:3`, type: "skysocks", version: "v1.3.29" });
  return [
    {
      name: "discovery POST",
      service: discovery!,
      status: 200,
      go: 3_400,
      everyMs: 60_000,
      make: (index) => ({
        method: "POST",
        path: "/dmsg-discovery/entry/",
        body: renderEntry(signEntry({
          version: "0.0.1",
          sequence: BigInt(count(`entry ${index}`)),
          timestamp: 1n,
          static: visors[index]!.publicKey,
          client: { delegatedServers: [peers[0]!.publicKey, peers[1]!.publicKey] },
          clientType: "visor",
        }, visors[index]!.secretKey)),
      }),
    },
    {
      name: "discovery GET",
      service: discovery!,
      status: 200,
      go: 13_800,
      everyMs: 10_000,
      requests: QUICK_REQUESTS,
      make: (index) => ({ method: "GET", path: `/dmsg-discovery/entry/${next(index)}` }),
    },
    {
      name: "transport registration",
      service: transports!,
      status: 201,
      go: 870,
      everyMs: 90_000,
      make: (index) => own[index]!,
      // One transport, of a key that registers it and renews it.
      makeMany: () => {
        const number = count("registrations");
        if (number % REQUESTS_OF_KEY === 0) {
          registered = registration(pairOf(`bench edge ${number}`), [peers[number % peers.length]!]);
        }
        return registered!;
      },
    },
    {
      name: "transports by edge",
      service: transports!,
      status: 200,
      go: 920,
      everyMs: 10_000,
      make: (index) => ({ method: "GET", path: `/v3/transports/edge:${next(index)}` }),
      // The signed one, which is all that the Go original has.
      makeMany: (index) => {
        const number = count("questions");
        const nonce = number % REQUESTS_OF_KEY;
        if (nonce === 0) asker = pairOf(`bench asker ${number}`);
        return {
          method: "GET",
          path: `/transports/edge:${next(index)}`,
          headers: proofOf(asker!, "", nonce),
        };
      },
    },
    {
      name: "resolver bind",
      service: resolver!,
      status: 200,
      go: 4_000,
      everyMs: 90_000,
      make: (index) => counted(resolver!, index, { method: "POST", path: "/bind/stcpr", body: bind }),
    },
    {
      name: "resolver resolve",
      service: resolver!,
      status: 200,
      go: 3_400,
      everyMs: 10_000,
      make: (index) => counted(resolver!, index, { method: "GET", path: `/resolve/stcpr/${next(index)}` }),
    },
    {
      name: "service register",
      service: listing!,
      status: 200,
      everyMs: 90_000,
      make: (index) =>
        counted(listing!, index, { method: "POST", path: "/api/services", body: serviceOf(visors[index]!) }),
    },
    {
      name: "service list of 50",
      service: listing!,
      status: 200,
      everyMs: 10_000,
      requests: QUICK_REQUESTS,
      make: () => ({ method: "GET", path: "/api/services?type=skysocks" }),
    },
    {
      name: "uptime heartbeat",
      service: uptimes!,
      status: 200,
      everyMs: 300_000,
      make: (index) => counted(uptimes!, index, { method: "GET", path: "/v4/update?version=v1.3.29" }),
    },
  ];
}

/** One request; how long its answer took, in ms. Rejects at any status but the expected one. */
export async function askFor(
  { name, status }: Route,
  connection: Connection,
  request: Uint8Array,
): Promise<number> {
  const startedMs = performance.now();
  const answer = await connection.ask(request);
  if (answer.status !== status) throw new Error(`${name}: ${answer.status} ${answer.text.slice(0, 200)}`);
  return performance.now() - startedMs;
}

/** Every visor once on every route that writes: what reads ask for is there. */
export async function fill(
  processes: readonly ServicesProcess[],
  routes: readonly Route[],
  visors: number,
): Promise<void> {
  for (const route of routes.filter(({ everyMs }) => everyMs > 10_000)) {
    const connection = await Connection.open(processes[0]!.port(route.service));
    for (let index = 0; index < visors; index++) {
      await askFor(route, connection, encodeRequest(route.make(index)));
    }
    connection.close();
  }
}

/** A route over 16 connections, spread over the processes: the median of some runs. */
export async function saturate(
  prefix: string,
  processes: readonly ServicesProcess[],
  route: Route,
): Promise<BenchRow[]> {
  const { make, makeMany = make } = route;
  const runs: { perSecond: number; cpuUs: number; p50: number; p99: number }[] = [];
  for (let run = 0; run <= RUNS; run++) {
    const requests = Array.from(
      { length: CONNECTIONS },
      (_, index) => Array.from({ length: route.requests ?? REQUESTS }, () => encodeRequest(makeMany(index))),
    );
    // Not before they are used: a server waits 10 s for a first request.
    const connections = await Promise.all(
      requests.map((_, index) => Connection.open(processes[index % processes.length]!.port(route.service))),
    );
    const cpuBefore = await cpuOf(processes);
    const startedMs = performance.now();
    const tookMs = (await Promise.all(connections.map(async (connection, index) => {
      const each: number[] = [];
      for (const request of requests[index]!) each.push(await askFor(route, connection, request));
      return each;
    }))).flat();
    const perSecond = 1_000 * tookMs.length / (performance.now() - startedMs);
    const cpuUs = 1e6 * (await cpuOf(processes) - cpuBefore) / tookMs.length;
    for (const connection of connections) connection.close();
    const [p50, p99] = [percentile(tookMs, 0.5), percentile(tookMs, 0.99)];
    if (run > 0) runs.push({ perSecond, cpuUs, p50, p99 }); // the first warms up
  }
  const { perSecond, cpuUs, p50, p99 } = runs.sort((a, b) => a.perSecond - b.perSecond)[RUNS >> 1]!;
  const name = `${prefix}: ${route.name}`;
  return [
    { name, value: perSecond, unit: "requests/s", reference: route.go },
    { name: `${name}, CPU`, value: cpuUs, unit: "us", lessIsBetter: true },
    { name: `${name}, p50`, value: p50, unit: "ms", lessIsBetter: true },
    { name: `${name}, p99`, value: p99, unit: "ms", lessIsBetter: true },
  ];
}

/** CPU time of all of them, in seconds. */
export async function cpuOf(processes: readonly ServicesProcess[]): Promise<number> {
  const each = await Promise.all(processes.map((process) => process.cpuSeconds()));
  return each.reduce((sum, seconds) => sum + seconds, 0);
}
