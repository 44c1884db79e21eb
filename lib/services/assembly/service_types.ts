/** The services that there are: names, ports, modes (services.md 1.4, 13.1). @module */
import type { DmsgNetwork } from "../../directory/mod.ts";
import { HTTP_PORT, SETUP_NODE_PORT, TRANSPORT_SETUP_SERVICE_PORT } from "../../dmsg/mod.ts";
import type { ServiceMode } from "../hosting/mod.ts";

/** A service that can be run. */
export interface ServiceType {
  readonly type: string;
  /** As people say it. */
  readonly title: string;
  /** Other names, as Skywire's own programs and files have them. */
  readonly aliases: readonly string[];
  /** Of HTTP, unless told otherwise; undefined: there is none then. For a dmsg server, where it takes sessions. */
  readonly port: number | undefined;
  /** Where it is over dmsg. */
  readonly dmsgPort: number | undefined;
  readonly modes: readonly ServiceMode[];
  /** Its member in a network; undefined for what is found otherwise. */
  readonly member?: NetworkMember;
  /** Without a key nobody finds it. */
  readonly needsKey: boolean;
  /** It has a store. */
  readonly isKeeping: boolean;
}

/** Members of a network that are addresses of services. */
export type NetworkMember = {
  [Member in keyof DmsgNetwork]-?: NonNullable<DmsgNetwork[Member]> extends { readonly http?: string }
    ? Member
    : never;
}[keyof DmsgNetwork];

const ALL_MODES: readonly ServiceMode[] = ["http", "dmsg", "dual"];

/** In the order in which they start: each finds what it needs. */
export const SERVICE_KINDS = [
  {
    type: "dmsg-discovery",
    title: "dmsg discovery",
    aliases: ["dmsgd", "dmsg-disc", "disc"],
    port: 9090,
    dmsgPort: HTTP_PORT,
    modes: ["http", "dual"],
    needsKey: false,
    isKeeping: true,
  },
  {
    type: "dmsg-server",
    title: "dmsg server",
    aliases: ["dmsg-srv"],
    port: 8081,
    dmsgPort: undefined,
    modes: [],
    needsKey: true,
    isKeeping: false,
  },
  {
    type: "transport-discovery",
    title: "transport discovery",
    aliases: ["tpd"],
    port: 9091,
    dmsgPort: HTTP_PORT,
    modes: ALL_MODES,
    member: "transportDiscovery",
    needsKey: false,
    isKeeping: true,
  },
  {
    type: "address-resolver",
    title: "address resolver",
    aliases: ["ar"],
    port: 9093,
    dmsgPort: HTTP_PORT,
    modes: ALL_MODES,
    member: "addressResolver",
    needsKey: false,
    isKeeping: true,
  },
  {
    type: "route-finder",
    title: "route finder",
    aliases: ["rf"],
    port: 9092,
    dmsgPort: HTTP_PORT,
    modes: ALL_MODES,
    member: "routeFinder",
    needsKey: false,
    isKeeping: false,
  },
  {
    type: "setup-node",
    title: "setup node",
    aliases: ["sn", "rsn"],
    port: undefined,
    dmsgPort: SETUP_NODE_PORT,
    modes: ["dmsg", "dual"],
    needsKey: true,
    isKeeping: false,
  },
  {
    type: "service-discovery",
    title: "service discovery",
    aliases: ["sd"],
    port: 9098,
    dmsgPort: HTTP_PORT,
    modes: ALL_MODES,
    member: "serviceDiscovery",
    needsKey: false,
    isKeeping: true,
  },
  {
    type: "uptime-tracker",
    title: "uptime tracker",
    aliases: ["ut"],
    port: 9096,
    dmsgPort: HTTP_PORT,
    modes: ALL_MODES,
    member: "uptimeTracker",
    needsKey: false,
    isKeeping: true,
  },
  {
    type: "transport-setup",
    title: "transport setup node",
    aliases: ["tsn", "tps"],
    port: 8080,
    dmsgPort: TRANSPORT_SETUP_SERVICE_PORT,
    modes: ["dual"],
    needsKey: true,
    isKeeping: false,
  },
  {
    type: "config-bootstrapper",
    title: "config bootstrapper",
    aliases: ["conf", "confbs"],
    port: 9082,
    dmsgPort: HTTP_PORT,
    modes: ALL_MODES,
    member: "conf",
    needsKey: false,
    isKeeping: false,
  },
] as const satisfies readonly ServiceType[];

/** A service by its name in commands and files. */
export type ServiceTypeName = (typeof SERVICE_KINDS)[number]["type"];

/** By its name, with `-` or `_`, or by one of its other names; undefined for what is none. */
export function findServiceType(text: string): ServiceType & { readonly type: ServiceTypeName } | undefined {
  const name = text.trim().toLowerCase().replaceAll("_", "-");
  return SERVICE_KINDS.find(({ type, aliases }) =>
    type === name || (aliases as readonly string[]).includes(name)
  );
}

/** The service of this name. */
export function serviceTypeOf(name: ServiceTypeName): ServiceType & { readonly type: ServiceTypeName } {
  return SERVICE_KINDS.find(({ type }) => type === name)!;
}
