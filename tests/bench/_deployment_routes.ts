/** The routes of a deployment that visors ask. @module */
import type { KeyPair } from "../../lib/crypto/mod.ts";
import { wireTransport } from "../../lib/directory/mod.ts";
import { renderEntry, signEntry } from "../../lib/dmsg/mod.ts";
import { type Asked, pairOf, proofOf, transportOf } from "./_deployment.ts";

const QUICK_REQUESTS = 1_000; // per connection and run, where nothing is signed: CPU time is told in steps of 10 ms
const OWN_TRANSPORTS = 10;
/** A transport discovery takes so many of one key at once (services.md 1.3): then comes the next key. */
const REQUESTS_OF_KEY = 10;

const HEARTBEAT: Asked = { method: "GET", path: "/v4/update?version=v1.3.29" };

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
  /** For each connection and run, at saturation. Default 100. */
  readonly requests?: number;
  /** In place of `make` at saturation. */
  readonly makeMany?: (index: number) => Asked;
  /** What `makeMany` wants asked before what it made, in no hurry: taken out by whoever asks it. */
  readonly before?: { readonly asked: Asked; readonly status: number }[];
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
  const bodyOf = (visor: KeyPair, peers: readonly KeyPair[]) =>
    JSON.stringify(peers.map((peer) => wireTransport(transportOf(visor, peer)))) + "\n";
  /** Its answer is 201, which leaves the number as it is. */
  const registration = (visor: KeyPair, body: string, nonce: number): Asked => {
    return { method: "POST", path: "/v3/transports/", body, headers: proofOf(visor, body, nonce) };
  };
  const peers = Array.from({ length: OWN_TRANSPORTS }, (_, index) => pairOf(`bench peer ${index}`));
  const own = visors.map((visor) => bodyOf(visor, peers));
  let registered: Asked | undefined;
  let asker: KeyPair | undefined;
  let living: KeyPair | undefined;
  const livingFirst: Route["before"] = [];
  const next = (index: number) => visors[(index + 1) % visors.length]!.publicKey;
  const [discovery, transports] = ["dmsg discovery", "transport discovery"];
  const [resolver, listing, uptimes] = ["address resolver", "service discovery", "uptime tracker"];
  const [routing, configs] = ["route finder", "config bootstrapper"];
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
      make: (index) => registration(visors[index]!, own[index]!, counters.get(`${transports} ${index}`) ?? 0),
      // One transport, of a key that registers it and renews it.
      makeMany: () => {
        const number = count("registrations");
        if (number % REQUESTS_OF_KEY === 0) {
          const edge = pairOf(`bench edge ${number}`);
          registered = registration(edge, bodyOf(edge, [peers[number % peers.length]!]), 0);
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
      name: "transport heartbeat",
      service: transports!,
      status: 200,
      everyMs: 90_000,
      requests: 11 * (REQUESTS_OF_KEY - 1), // all of a key on one connection
      make: (index) => counted(transports!, index, HEARTBEAT),
      // Of a key that has a transport: one that has none is in no list, whatever it says.
      before: livingFirst,
      makeMany: () => {
        const number = count("lives");
        const nonce = number % (REQUESTS_OF_KEY - 1);
        if (nonce === 0) {
          living = pairOf(`bench life ${number}`);
          const asked = registration(living, bodyOf(living, [peers[number % peers.length]!]), 0);
          livingFirst.push({ asked, status: 201 });
        }
        return { ...HEARTBEAT, headers: proofOf(living!, "", nonce) };
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
      make: (index) => counted(uptimes!, index, HEARTBEAT),
    },
    {
      name: "route finder, two hops",
      service: routing!,
      status: 200,
      everyMs: 10_000,
      requests: QUICK_REQUESTS,
      make: (index) => {
        const edge = `${visors[index]!.publicKey}:${next(index)}`;
        return {
          method: "POST",
          path: "/routes",
          body: JSON.stringify({ Edges: [edge], Opts: { MinHops: 1, MaxHops: 3 } }),
        };
      },
    },
    {
      name: "configuration",
      service: configs!,
      status: 200,
      everyMs: 300_000,
      requests: QUICK_REQUESTS,
      make: () => ({ method: "GET", path: "/" }),
    },
  ];
}
