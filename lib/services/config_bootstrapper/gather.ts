/** The same services over dmsg: what the deployment says, and else what each service says of itself (services.md 8). @module */
import { describeError, type Log } from "../../base/mod.ts";
import type { Deployment } from "../../deployment/mod.ts";
import type { ServiceAddress } from "../../directory/mod.ts";
import { type AskService, HttpDiscovery, parseDmsgUrl, renderDmsgAddress } from "../../dmsg/mod.ts";
import type { Clock } from "../../runtime/mod.ts";
import { GATHERED_MS, INCOMPLETE_MS } from "./settings.ts";

/** How a service is asked: `name` for logs. */
export type AskAt = (name: string, address: ServiceAddress) => AskService;

export interface GatherOptions {
  readonly told: () => Deployment;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly log: Log;
  /** Absent: nobody is asked, and only what the deployment says is told. */
  readonly ask?: AskAt;
}

interface Gathered {
  readonly text: string;
  readonly isComplete: boolean;
}

/** Services of `/dmsghttp`, in its order, with their members of a deployment. */
const TOLD = [
  ["dmsg_discovery", "dmsgDiscovery"],
  ["transport_discovery", "transportDiscovery"],
  ["address_resolver", "addressResolver"],
  ["route_finder", "routeFinder"],
  ["uptime_tracker", "uptimeTracker"],
  ["service_discovery", "serviceDiscovery"],
] as const;

/** Answers of `/dmsghttp`, kept for a while. */
export class OverDmsg {
  readonly #options: GatherOptions;
  #kept: { readonly gathered: Promise<Gathered>; untilMs: number } | undefined;

  constructor(options: GatherOptions) {
    this.#options = options;
  }

  /** As JSON; a service that cannot be asked has an empty text. Never rejects. */
  async text(): Promise<string> {
    const { clock } = this.#options;
    if (this.#kept !== undefined && this.#kept.untilMs > clock.monotonicMs()) {
      return (await this.#kept.gathered).text;
    }
    const kept = this.#kept = { gathered: this.#gather(), untilMs: Infinity }; // who comes meanwhile shares it
    const { text, isComplete } = await kept.gathered;
    kept.untilMs = clock.monotonicMs() + (isComplete ? GATHERED_MS : INCOMPLETE_MS);
    return text;
  }

  async #gather(): Promise<Gathered> {
    const deployment = this.#options.told();
    const [servers, ...addresses] = await Promise.all([
      this.#servers(deployment),
      ...TOLD.map(([, member]) => this.#addressOf(deployment, member)),
    ]);
    const isComplete =
      TOLD.every(([, member], at) => addresses[at] !== "" || deployment[member] === undefined) &&
      servers !== null;
    const told = TOLD.map(([field], at) => [field, addresses[at]]);
    return { text: JSON.stringify({ dmsg_servers: servers, ...Object.fromEntries(told) }), isComplete };
  }

  /** `<key>:<port>`, as the health of each service tells it too. */
  async #addressOf(deployment: Deployment, member: typeof TOLD[number][1]): Promise<string> {
    const { ask, log } = this.#options;
    const known = deployment[`${member}Dmsg`];
    if (known !== undefined) return renderDmsgAddress(parseDmsgUrl(known).address);
    const http = deployment[member];
    if (http === undefined || ask === undefined) return "";
    try {
      const { status, text } = await ask(member, { http })({ method: "GET", path: "/health" });
      const isThere = status === 200 || status === 503; // its store may be full: it is where it was
      const address: unknown = isThere ? JSON.parse(text)?.dmsg_address : undefined;
      return typeof address === "string" && /^0[23][0-9a-f]{64}:\d{1,5}$/.test(address) ? address : "";
    } catch (error) {
      log.debug("A service is not told of", { service: member, cause: describeError(error) });
      return "";
    }
  }

  /** Those of the discovery; where it cannot be asked, those of the deployment; null for none. */
  async #servers(deployment: Deployment): Promise<object[] | null> {
    const { ask, log } = this.#options;
    const { dmsgDiscovery: http, dmsgServers } = deployment;
    let servers = dmsgServers.map(({ publicKey, address }) => ({ static: publicKey, server: { address } }));
    try {
      if (http !== undefined && ask !== undefined) {
        const entries = await new HttpDiscovery(ask("dmsgDiscovery", { http })).allServers();
        servers = entries.map((entry) => ({
          static: entry.static,
          server: { address: entry.server!.address },
        }));
      }
    } catch (error) {
      log.debug("The discovery's servers are not told of", { cause: describeError(error) });
    }
    return servers.length === 0 ? null : servers;
  }
}
