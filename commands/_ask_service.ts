/** How commands ask a service of the deployment: over dmsg where it has an address there, then over HTTP. @module */
import { CallerError } from "../lib/base/mod.ts";
import type { Io } from "../lib/cli/mod.ts";
import { BadUrlError, type DmsgNetwork, type ServiceAddress } from "../lib/directory/mod.ts";
import { type AskService, parseDmsgUrl } from "../lib/dmsg/mod.ts";
import { withTimeout } from "../lib/runtime/mod.ts";
import { awaitSession, chosenNetworkOf, type NetworkOptions, withClient } from "./_look_up.ts";

/** A service by its member in a network, and by the name that people know. */
const SERVICES = { transportDiscovery: "transport discovery", routeFinder: "route finder" } as const;

export interface ServiceOptions extends NetworkOptions {
  /** Another address than the deployment's. */
  readonly addr?: string | undefined;
  /** For everything together, in ms. */
  readonly timeout: number;
}

/** The network that is meant has no such service. */
export class NoServiceError extends CallerError {
  readonly code = "NO_SERVICE";
  constructor(service: string, network: DmsgNetwork) {
    super(`${network.file ?? `The ${network.name} deployment`} names no ${service}`, {
      hint: "name it with --addr, or another network with --deployment",
    });
  }
}

/** Runs `work` with the way to ask one service. */
export async function withService<T>(
  io: Io,
  options: ServiceOptions,
  service: keyof typeof SERVICES,
  work: (ask: AskService, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const name = SERVICES[service];
  const given = options.addr === undefined ? undefined : parseServiceUrl(options.addr);
  const network = await chosenNetworkOf(io, options);
  const address = given ?? network[service];
  if (address === undefined) throw new NoServiceError(name, network);
  const { clock } = await io.world();
  const limit = { what: `Asking the ${name}`, afterMs: options.timeout, signal: io.signal };
  return await withTimeout(clock, limit, (signal) =>
    withClient(io, options, {}, async (client) => {
      if (address.dmsg !== undefined) await awaitSession(client.dmsg, clock, signal);
      return await work(client.askService(name, address), signal);
    }));
}

/** `http://host[:port]`, `https://...` or `dmsg://<key>[:port]`. Errors: `BadUrlError`, those of a dmsg URL. */
export function parseServiceUrl(text: string): ServiceAddress {
  if (/^dmsg:/i.test(text)) return { dmsg: parseDmsgUrl(text).address };
  const url = URL.parse(text);
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw new BadUrlError(`${JSON.stringify(text.slice(0, 200))} is no address of a service`, {
      hint: "write http://HOST[:PORT] or dmsg://KEY[:PORT]",
    });
  }
  return { http: url.origin };
}
