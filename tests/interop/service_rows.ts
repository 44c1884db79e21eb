/**
 * The rows of the matrix about services: clients of ours at every service, and visors on a whole deployment.
 *
 * Pure: it starts nothing.
 *
 * @module
 */
import type { Side } from "./matrix.ts";

/** Ways to a service. */
export const WAYS = ["http", "dmsg"] as const;
export type Way = typeof WAYS[number];

/** What our clients do at each service, by either way. */
export const CLIENT_OPERATIONS = {
  "dmsg discovery": [
    "publishes an entry",
    "publishes it anew",
    "looks it up",
    "lists servers",
    "deletes it",
  ],
  "transport discovery": [
    "registers",
    "registers again",
    "looks up by id",
    "looks up by edge",
    "lists all",
    "says that it is up",
    "removes",
  ],
  "address resolver": ["binds stcpr", "resolves it", "lists who is bound", "unbinds it"],
  "route finder": ["finds a path of one hop", "finds a path of two hops", "finds none"],
  "service discovery": [
    "registers skysocks",
    "registers a VPN",
    "registers a public visor",
    "lists them",
    "looks one up",
    "removes them",
  ],
  "uptime tracker": ["says that it is up", "lists uptimes"],
  "config bootstrapper": ["tells the deployment", "tells it over dmsg"],
} as const;

export type ClientService = keyof typeof CLIENT_OPERATIONS;
/** `transport discovery registers, over dmsg`. */
export type ClientRole = {
  [Name in ClientService]: `${Name}: ${typeof CLIENT_OPERATIONS[Name][number]}, over ${Way}`;
}[ClientService];

/** What our commands do at a deployment. */
export const COMMAND_ROLES = {
  "svc health": "every service is up by each way, the servers are pinged",
  "svc ls": "every service of the deployment is listed",
  "dmsg entry": "an entry that our client published is shown",
  "dmsg servers": "the servers are listed",
  "tp disc": "transports of a key, and one by its id; of another id exit code 4",
  "route find": "a path there and back; to nowhere exit code 4",
  "conf gen": "a configuration with what the config bootstrapper tells",
  "conf pull": "the servers of the discovery are written into a file, nothing else",
} as const;
export type CommandRole = `command: ${keyof typeof COMMAND_ROLES}`;

/** What a visor does on a deployment of the other side. */
export const VISOR_ROLES = {
  "starts with a configuration of conf gen": "and is ready",
  "dmsg entry": "is in the dmsg discovery",
  "bound for stcpr": "is in the address resolver with its address",
  "bound for sudph": "the same, over the resolver's UDP side",
  "public visor": "is in the service discovery",
  "skysocks server": "is in the service discovery",
  "VPN server": "is in the service discovery",
  "says that it is up": "is online in the uptime tracker",
  "uptime by transports": "is online in the transport discovery's uptimes",
  "stcpr transport": "is made, listed at both ends, and registered",
  "sudph transport": "the same",
  "dmsg transport": "the same, and gone when it is closed",
  "found by route find": "over two hops, there and back",
  "SOCKS, 1 hop": "a file of 32 MiB over a route by the deployment's setup node",
  "SOCKS, 2 hops": "the same over a visor of the other side",
  "two hops by the setup node": "pings over a route over a relay",
  "transport setup": "the deployment's transport setup node adds, lists and removes a transport of it",
  "transport setup, their command": "the same with `svc tps add`, `list` and `rm`",
  "orderly end": "nothing of it is left in any service",
  "killed": "everything of it is gone after its time to live",
} as const;
export type VisorRole = `visor: ${keyof typeof VISOR_ROLES}`;

export type ServiceRole = ClientRole | CommandRole | VisorRole;

/** A whole deployment, every service of one side. */
export interface ServiceNetworkPlan {
  readonly deployment: Side;
}

export const SERVICE_NETWORKS: readonly ServiceNetworkPlan[] = [
  { deployment: "theirs" },
  { deployment: "ours" },
];

/** One line of the matrix that is about services. */
export interface ServiceRow extends ServiceNetworkPlan {
  readonly role: ServiceRole;
  readonly from: Side;
  readonly to: Side;
}

/** The rows of one deployment: our clients and visors on theirs, their visors on ours. */
export function serviceRowsOf({ deployment }: ServiceNetworkPlan): ServiceRow[] {
  const [from, to]: [Side, Side] = deployment === "theirs" ? ["ours", "theirs"] : ["theirs", "ours"];
  const row = (role: ServiceRole, end: Side = to): ServiceRow => ({ role, from, to: end, deployment });
  const visor = (...roles: (keyof typeof VISOR_ROLES)[]) => roles.map((role) => row(`visor: ${role}`));
  const transports = (["stcpr", "sudph", "dmsg"] as const).map((type) => `visor: ${type} transport` as const);
  if (deployment === "theirs") {
    const services = Object.keys(CLIENT_OPERATIONS) as ClientService[];
    return [
      ...services.flatMap((service) =>
        WAYS.flatMap((way) =>
          CLIENT_OPERATIONS[service].map((done) => row(`${service}: ${done}, over ${way}` as ClientRole))
        )
      ),
      ...Object.keys(COMMAND_ROLES).map((name) => row(`command: ${name}` as CommandRole)),
      ...visor("dmsg entry", "bound for stcpr", "bound for sudph"),
      ...visor("public visor", "skysocks server", "says that it is up"),
      ...transports.map((role) => row(role, "ours")),
      ...visor("found by route find", "two hops by the setup node", "transport setup", "orderly end"),
    ];
  }
  return [
    ...visor("starts with a configuration of conf gen"),
    ...visor("dmsg entry", "bound for stcpr", "bound for sudph"),
    ...visor("public visor", "skysocks server", "VPN server", "says that it is up"),
    ...transports.map((role) => row(role, "theirs")),
    ...transports.map((role) => row(role, "ours")),
    ...visor("found by route find", "uptime by transports", "transport setup"),
    ...visor("transport setup, their command"),
    row("visor: SOCKS, 1 hop", "theirs"),
    row("visor: SOCKS, 2 hops", "theirs"),
    ...visor("orderly end", "killed"),
  ];
}
