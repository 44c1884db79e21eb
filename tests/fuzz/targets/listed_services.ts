/** Requests of the service discovery, the uptime tracker and the transport setup node, and what clients are answered. @module */
import {
  BadDailyUptimesError,
  ConfigBootstrapperClient,
  dailyLines,
  LocationClient,
  parseDailyUptimes,
  ServiceDiscoveryClient,
  TransportDiscoveryClient,
  UptimeTrackerClient,
} from "../../../lib/directory/mod.ts";
import type { AskService } from "../../../lib/dmsg/mod.ts";
import { VirtualClock } from "../../../lib/runtime/simulated/mod.ts";
import { createTransportSetup } from "../../../lib/services/transport_setup/mod.ts";
import {
  ask,
  recordedPair,
  ServiceDiscoveryUnderTest,
  TransportDiscoveryUnderTest,
  UptimeTrackerUnderTest,
} from "../../services/service_support.ts";
import bootstrapping from "../../vectors/services/config-bootstrapper.json" with { type: "json" };
import services from "../../vectors/services/service-discovery.json" with { type: "json" };
import setup from "../../vectors/services/transport-setup.json" with { type: "json" };
import uptimes from "../../vectors/services/uptime-tracker.json" with { type: "json" };
import operating from "../../vectors/services/uptime-tracker-private.json" with { type: "json" };
import { jsonMutants, textMutants } from "../_mutants.ts";
import type { FuzzTarget } from "../_target.ts";

type Recorded = { readonly exchanges: readonly RecordedExchange[] };
type RecordedExchange = {
  readonly request: { readonly path: string; readonly body?: string | null };
  readonly response: { readonly status: number; readonly body: string };
};

const bodiesOf = ({ exchanges }: Recorded) =>
  exchanges.flatMap(({ request }) => request.body ? [request.body] : []);
const pathsOf = ({ exchanges }: Recorded) => [...new Set(exchanges.map(({ request }) => request.path))];
const answersOf = ({ exchanges }: Recorded, path: RegExp) =>
  exchanges.filter(({ request, response }) => path.test(request.path) && response.status === 200)
    .map(({ response }) => response.body);

const visor = recordedPair("visorA");
const HERE = { "SW-PublicIP": "203.0.113.7" };

/** It is answered, whatever comes, and what is refused is stored nowhere. */
async function register(body: string): Promise<string> {
  await using service = new ServiceDiscoveryUnderTest();
  const answer = await service.askAs(visor, "/api/services", { method: "POST", body, headers: HERE });
  if (![200, 400, 403, 413].includes(answer.status)) throw new Error(`${answer.status}: ${answer.body}`);
  const type = answer.status === 200 ? JSON.parse(answer.body).type : "vpn";
  const listed = (await service.ask(`/api/services?type=${encodeURIComponent(type)}`)).body;
  if ((answer.status === 200) !== (listed !== "null\n")) {
    throw new Error(`${answer.status}, but listed: ${listed}`);
  }
  return answer.body;
}

/** Uptimes that are posted for, and asked for by path. */
async function askUptimes(text: string): Promise<string[]> {
  await using service = new TransportDiscoveryUnderTest({ requestsPerMinute: 0 });
  const posted = { method: "POST", body: text };
  const answers = [
    await service.ask("/uptimes", posted),
    await service.ask("/uptimes/transports", posted),
    await service.ask(text),
    await service.askAs(visor, "/v3/transports/", posted),
  ];
  for (const { status } of answers) {
    if (![200, 201, 400, 401, 404, 405, 410, 413, 500].includes(status)) throw new Error(`${status}`);
  }
  return answers.map(({ body }) => body);
}

async function look(path: string): Promise<string[]> {
  await using discovery = new ServiceDiscoveryUnderTest();
  await using tracker = new UptimeTrackerUnderTest();
  await tracker.askAs(visor, "/v4/update?version=v1");
  const answers = [
    await discovery.askAs(visor, path),
    await tracker.askAs(visor, path),
    await ask(tracker.privateApi, { path }),
  ];
  for (const { status } of answers) {
    if (![200, 400, 404, 405, 410, 500].includes(status)) throw new Error(`${status}`);
  }
  return answers.map(({ body }) => body);
}

/** Nobody is dialled for what is refused; what is not fails at the dial. */
async function order(body: string): Promise<string[]> {
  const { operator } = createTransportSetup({
    world: { clock: new VirtualClock() },
    dial: () => Promise.reject(new Error("nobody is there")),
  });
  const answers = await Promise.all(
    ["/add", "/remove"].map((path) => ask(operator, { method: "POST", path, body })),
  );
  for (const { status } of answers) if (![400, 413, 500].includes(status)) throw new Error(`${status}`);
  return answers.map((answer) => answer.body);
}

const UPTIME_QUESTIONS = [
  "/uptimes?v=v3&visors=x&startDate=1&endDate=2&status=on",
  "/uptimes/transports?v=v2&tp=e2973841-33a2-0ed6-90cb-e777a6615a73&type=stcpr&edges=true",
  "/metrics/uptime/visor/x",
  "/metrics/e2973841-33a2-0ed6-90cb-e777a6615a73?days=7&live=true&edges=true",
  "/versions/x,y?on=true&status=true",
  "/bandwidth/transport/e2973841-33a2-0ed6-90cb-e777a6615a73?period=daily&limit=7",
];

/** A service that answers every question with one text. */
const saying = (text: string): AskService => () => Promise.resolve({ status: 200, text });

export const listedServiceTargets: readonly FuzzTarget[] = [
  {
    name: "services/service-registrations",
    inputs: jsonMutants(bodiesOf(services)),
    feed: register,
    refuses: false,
  },
  {
    name: "services/listed-paths",
    inputs: textMutants([
      ...pathsOf(services),
      ...pathsOf(uptimes),
      ...pathsOf(operating),
      UPTIME_QUESTIONS[0]!,
    ]),
    feed: look,
    refuses: false,
  },
  { name: "services/transport-orders", inputs: jsonMutants(bodiesOf(setup)), feed: order, refuses: false },
  {
    name: "directory/service-lists",
    inputs: jsonMutants(answersOf(services, /services\?type/)),
    feed: (text: string) => new ServiceDiscoveryClient(saying(text)).find({ type: "vpn" }),
  },
  {
    name: "directory/uptimes",
    inputs: jsonMutants(answersOf(uptimes, /^\/uptimes/)),
    feed: (text: string) => new UptimeTrackerClient(saying(text)).uptimes(),
  },
  {
    name: "directory/per-key-stats",
    inputs: jsonMutants([`{"${visor.publicKey}":{"total":3,"stcpr":2,"sudph":1},"02":{"total":1}}`, "{}"]),
    feed: (text: string) => new TransportDiscoveryClient(saying(text)).perKeyStats(),
  },
  {
    name: "services/transport-uptimes",
    inputs: textMutants([
      ...UPTIME_QUESTIONS,
      `{"pks":["${visor.publicKey}"],"v":"v3","edges":true,"type":"stcpr"}`,
      `{"ids":["e2973841-33a2-0ed6-90cb-e777a6615a73"],"v":"v2"}`,
    ]),
    feed: askUptimes,
    refuses: false,
  },
  {
    name: "directory/daily-uptimes",
    inputs: textMutants([
      ...answersOf(uptimes, /^\/uptimes/),
      `${visor.publicKey} 2026-06-10 97.22\n${HERE["SW-PublicIP"]} 2026-06-10 1\n`,
    ]),
    feed: (text: string) => {
      try {
        return dailyLines(parseDailyUptimes(text, "file"));
      } catch (error) {
        if (error instanceof BadDailyUptimesError) throw error;
        throw new Error("another error than its own", { cause: error });
      }
    },
  },
  {
    name: "directory/bootstrapped",
    inputs: jsonMutants(answersOf(bootstrapping, /^\/(?:dmsghttp)?$/)),
    feed: async (text: string) => {
      const client = new ConfigBootstrapperClient(saying(text));
      await client.overDmsg();
      return await client.deployment();
    },
  },
  {
    name: "directory/locations",
    inputs: jsonMutants([`{"country_code":"NL","region_code":"NH","latitude":52.37,"longitude":4.89}`]),
    feed: (text: string) => new LocationClient(saying(text)).placeOf("203.0.113.7"),
  },
];
