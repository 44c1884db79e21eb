/**
 * The control API's calls about transports, routes and apps; `schema.ts` has them in its one table.
 *
 * @module
 */
import { z } from "zod";

const key = z.string().describe("public key, 66 hex characters");
const id = z.string().describe("transport id, a UUID");
const nothing = z.object({});

export const latencySchema = z.object({ min: z.number(), max: z.number(), avg: z.number() })
  .describe("round trips over this transport, in milliseconds");

/** One live transport. */
export const transportSchema = z.object({
  id,
  type: z.string(),
  remote: key,
  label: z.string(),
  initiator: z.boolean().describe("this visor dialled it"),
  latency: latencySchema.nullable().describe("null: not measured yet"),
  bytesSent: z.number(),
  bytesReceived: z.number(),
  uptimeMs: z.number(),
});

const routeAddress = z.object({ key, port: z.int() });

/** One rule of the routing table. */
export const ruleSchema = z.object({
  id: z.int().describe("route id that packets of this rule arrive with"),
  type: z.enum(["consume", "forward", "intermediary"]),
  local: routeAddress.optional().describe("this visor's end, of a rule at the end of a route"),
  remote: routeAddress.optional(),
  nextId: z.int().optional(),
  nextTransport: z.string().optional(),
  keepAliveMs: z.number(),
  idleMs: z.number(),
});

/** One route group: a connection over routes. */
export const routeGroupSchema = z.object({
  local: routeAddress,
  remote: routeAddress,
  initiator: z.boolean(),
  transport: z.string().describe("id of the transport that its packets leave by"),
  postQuantum: z.boolean(),
  bytesSent: z.number(),
  bytesReceived: z.number(),
  uptimeMs: z.number(),
});

/** One hop of a route, with what is known of its transport. */
export const hopSchema = z.object({
  transport: id,
  from: key,
  to: key,
  latencyMs: z.number().nullable().describe("measured by its ends; null: not known"),
});

/** What a skysocks client says of itself beside its state. */
export const proxyStatusSchema = z.object({
  server: key,
  address: z.string().describe("host:port where SOCKS is spoken"),
  direct: z.boolean(),
  connected: z.boolean(),
  connections: z.int(),
  bytesIn: z.number(),
  bytesOut: z.number(),
  latencyMs: z.number().nullable(),
  sessions: z.int().describe("sessions with the server since the start: more than one means that it healed"),
  lastFailure: z.string().optional(),
});

/** One app of the launcher. */
export const appSchema = z.object({
  name: z.string(),
  app: z.string().describe("which program it is; several may be the same one"),
  builtIn: z.boolean().describe("false: an app of the configuration that this program does not have"),
  args: z.array(z.string()),
  port: z.int(),
  autoStart: z.boolean(),
  status: z.enum(["stopped", "running", "errored", "starting"]),
  detailedStatus: z.string(),
  restarts: z.int(),
  proxy: proxyStatusSchema.optional(),
});

const tierTimes = {
  runningMs: z.number(),
  dmsgMs: z.number(),
  skynetMs: z.number(),
  skynetWithoutDmsgMs: z.number().describe(
    "part of skynetMs: transports that need no dmsg were up, dmsg was not",
  ),
};

/** How long the visor was up, as it saw itself. Times of the day are Unix time in milliseconds. */
export const uptimeSchema = z.object({
  sampleIntervalMs: z.number().describe("0: nothing is sampled"),
  now: z.object({ dmsg: z.boolean(), skynet: z.boolean() }),
  panel: z.object({ fromMs: z.number(), toMs: z.number(), ...tierTimes }).describe("the last 24 hours"),
  retained: z.object(tierTimes).describe("the last 30 days"),
  hours: z.array(z.object({ startMs: z.number(), ...tierTimes })).describe("of the panel, oldest first"),
  failure: z.string().optional().describe("why the newest samples are not on disk"),
});

const count = z.int().min(0);

/** What was carried, and what of others was refused or could not be used, since the start. */
export const countersSchema = z.object({
  transports: z.record(z.string(), count).describe("refused of peers, by reason"),
  router: z.object({
    packetsForwarded: count,
    bytesForwarded: count,
    packetsConsumed: count,
    unknownRoute: count,
    wrongTransport: count,
    transportMissing: count,
    forwardFailed: count,
    transportsStalled: count,
    rulesBroken: count,
    unknownType: count,
    malformed: count,
    parkedDropped: count,
    serviceDropped: count,
    rulesRefused: count,
    groupsOpened: count,
    groupsFailed: count,
    groupsStalled: count,
  }),
  setup: z.object({ connectionsRefused: count, callsRefused: count, gatewayConnectionsRefused: count }),
  apps: z.object({ streamsRefused: count }),
});

/** What the visor does to be known, and to know others. */
const presenceSchema = z.object({
  services: z.array(z.object({
    type: z.string(),
    port: z.int().optional(),
    registeredAgoMs: z.number().optional().describe("absent: not known to the service discovery"),
    failure: z.string().optional(),
  })).describe("offered to everybody"),
  heartbeat: z.object({
    service: z.string(),
    lastAgoMs: z.number().optional(),
    failure: z.string().optional(),
  }).optional().describe("absent: the network has nobody who counts"),
  autoconnect: z.object({ connected: count, wanted: count }).optional()
    .describe("transports to public visors, made by itself; absent: not done"),
});

/** The routed part in short, for `status`. */
export const nodeStatusSchema = z.object({
  transports: z.record(z.string(), count).describe("live ones, by type"),
  rules: count,
  routeGroups: count,
  apps: z.object({ running: count, known: count }),
  presence: presenceSchema,
  counters: countersSchema,
});

/** A look at the services may be given so long for each question: below the bound of a call. */
export const HEALTH_TIMEOUT_MS_MAX = 50_000;

/** One service, asked one way. */
export const serviceHealthSchema = z.object({
  service: z.string(),
  way: z.enum(["http", "dmsg"]),
  address: z.string(),
  publicKey: key.optional(),
  isUp: z.boolean(),
  latencyMs: z.number().optional(),
  version: z.string().optional(),
  dmsgServers: z.int().optional(),
  clockAheadMs: z.int().optional(),
  failure: z.string().optional(),
});

/** Hops as text: a transport id, or a key. Empty: whatever the route finder finds. */
const hops = z.array(z.string()).max(64).optional();

export const NODE_CALLS = {
  transports: {
    method: "GET",
    path: "/v1/transports",
    input: nothing,
    output: z.array(transportSchema),
    about: "live transports",
  },
  transportAdd: {
    method: "POST",
    path: "/v1/transports/add",
    input: z.object({
      key,
      type: z.string().optional().describe("default: stcpr, then sudph, then dmsg"),
      timeoutMs: z.number().min(1).max(600_000).optional(),
    }),
    output: transportSchema.extend({
      passedOver: z.array(z.object({ type: z.string(), failure: z.string() })).optional()
        .describe("types that were tried before, and why they failed"),
    }),
    about: "make a transport to a visor, or give the one there is",
  },
  transportRemove: {
    method: "POST",
    path: "/v1/transports/remove",
    input: z.object({ id }),
    output: z.object({ id, removed: z.boolean() }),
    about: "close a transport",
  },
  routeRules: {
    method: "GET",
    path: "/v1/routes/rules",
    input: nothing,
    output: z.array(ruleSchema),
    about: "rules of the routing table",
  },
  routeRuleRemove: {
    method: "POST",
    path: "/v1/routes/rules/remove",
    input: z.object({ id: z.int().min(1).max(4_294_967_295) }),
    output: z.object({ id: z.int(), removed: z.boolean() }),
    about: "take a rule away; a route's end loses its connection with it",
  },
  routeGroups: {
    method: "GET",
    path: "/v1/routes/groups",
    input: nothing,
    output: z.array(routeGroupSchema),
    about: "connections over routes",
  },
  visorPing: {
    method: "POST",
    path: "/v1/visor/ping",
    input: z.object({
      key,
      count: z.int().min(1).max(1000).optional(),
      minHops: z.int().min(1).max(64).optional(),
      forward: hops,
      reverse: hops,
    }),
    output: z.object({
      key,
      dialMs: z.number(),
      roundTripsMs: z.array(z.number()),
      forward: z.array(hopSchema),
      reverse: z.array(hopSchema),
    }),
    about: "round trips to a visor over a route, with what is measured of each hop's transport",
  },
  visorUptime: {
    method: "GET",
    path: "/v1/visor/uptime",
    input: nothing,
    output: uptimeSchema,
    about: "how long the visor was up, by its own look: dmsg and what is routed",
  },
  serviceAsk: {
    method: "POST",
    path: "/v1/services/ask",
    input: z.object({
      service: z.enum([
        "dmsgDiscovery",
        "transportDiscovery",
        "addressResolver",
        "routeFinder",
        "serviceDiscovery",
        "uptimeTracker",
        "conf",
      ]),
      method: z.enum(["GET", "POST"]).describe("POST: of the route finder only, whose questions have a body"),
      path: z.string().max(2_048).startsWith("/"),
      body: z.string().max(32_768).optional(),
    }).refine(
      ({ service, method }) => method === "GET" || service === "routeFinder",
      "it must change nothing",
    ),
    output: z.object({ status: z.int(), text: z.string() }),
    about:
      "what a service of the deployment answers to a question that changes nothing: dmsg first, then HTTP",
  },
  serviceHealth: {
    method: "POST",
    path: "/v1/services/health",
    input: z.object({
      timeoutMs: z.number().min(1).max(HEALTH_TIMEOUT_MS_MAX).optional().describe("for each question"),
    }),
    output: z.object({
      rows: z.array(serviceHealthSchema),
      withoutSession: z.array(z.object({ publicKey: key, address: z.string() }))
        .describe("dmsg servers that were not looked at: the visor makes no session for a question"),
    }),
    about: "how every service of the deployment is, over dmsg by the visor's own sessions and over HTTP",
  },
  counters: {
    method: "GET",
    path: "/v1/counters",
    input: nothing,
    output: countersSchema,
    about: "what was carried and what was refused since the start",
  },
  apps: {
    method: "GET",
    path: "/v1/apps",
    input: nothing,
    output: z.array(appSchema),
    about: "apps of the launcher",
  },
  appStart: {
    method: "POST",
    path: "/v1/apps/start",
    input: z.object({
      name: z.string().min(1).max(64),
      app: z.enum(["skysocks", "skysocks-client"]).optional()
        .describe("which app a new name is; default: the name itself"),
      args: z.array(z.string().max(1_024)).max(64).optional().describe("default: those it has"),
    }),
    output: appSchema,
    about: "start an app; one that runs is started anew when args are given",
  },
  appStop: {
    method: "POST",
    path: "/v1/apps/stop",
    input: z.object({ name: z.string().min(1).max(64) }),
    output: appSchema,
    about: "stop an app",
  },
  appRemove: {
    method: "POST",
    path: "/v1/apps/remove",
    input: z.object({ name: z.string().min(1).max(64) }),
    output: appSchema,
    about: "stop an app that is not of the configuration, and forget it",
  },
} as const;

export type TransportSummary = z.infer<typeof transportSchema>;
export type RuleSummary = z.infer<typeof ruleSchema>;
export type RouteGroupSummary = z.infer<typeof routeGroupSchema>;
export type HopSummary = z.infer<typeof hopSchema>;
export type AppSummary = z.infer<typeof appSchema>;
export type NodeCounters = z.infer<typeof countersSchema>;
export type NodeStatus = z.infer<typeof nodeStatusSchema>;
export type UptimeSummary = z.infer<typeof uptimeSchema>;
export type ProxyStatus = z.infer<typeof proxyStatusSchema>;
