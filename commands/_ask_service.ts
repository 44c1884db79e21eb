/**
 * How commands ask a service of the deployment (CL-4): the running visor, which asks over dmsg first; else a quiet
 * client of their own over dmsg; else plain HTTP.
 *
 * @module
 */
import type { Io } from "../lib/cli/mod.ts";
import {
  awaitSession,
  BadUrlError,
  type NetworkClient,
  type NetworkService,
  NoServiceError,
  SERVICE_NAMES,
  type ServiceAddress,
  serviceOfNetwork,
} from "../lib/directory/mod.ts";
import { type AskService, parseDmsgUrl } from "../lib/dmsg/mod.ts";
import { withTimeout } from "../lib/runtime/mod.ts";
import { chosenNetworkOf, type NetworkOptions, openClient, throughVisor } from "./_look_up.ts";

export interface ServiceOptions extends NetworkOptions {
  /** Another address than the deployment's. */
  readonly addr?: string | undefined;
  /** For everything together, in ms. */
  readonly timeout: number;
}

/** Runs `work` with the way to ask one service; what it asks must change nothing. */
export async function withService<T>(
  io: Io,
  options: ServiceOptions,
  service: NetworkService,
  work: (ask: AskService, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const name = SERVICE_NAMES[service];
  const given = options.addr === undefined ? undefined : parseServiceUrl(options.addr);
  const network = await chosenNetworkOf(io, options);
  const address = given ?? serviceOfNetwork(network, service);
  if (address === undefined) throw new NoServiceError(service, network);
  const { clock } = await io.world();
  const limit = { what: `Asking the ${name}`, afterMs: options.timeout, signal: io.signal };
  let client: NetworkClient | undefined;
  try {
    return await withTimeout(clock, limit, async (signal) => {
      const ask: AskService = async (question, ended = signal) => {
        const { method, path, body, isLarge = false } = question;
        // An answer about everything would be held by the visor too: that one is asked for without it.
        if (given === undefined && !isLarge && (method === "GET" || method === "POST")) {
          const answer = await throughVisor(
            io,
            options,
            (call) => call("serviceAsk", { service, method, path, body }),
            ended,
          );
          if (answer !== undefined) return answer;
        }
        client ??= await openClient(io, options);
        if (address.dmsg !== undefined) await awaitSession(client.dmsg, clock, ended);
        return await client.askService(name, address)(question, ended);
      };
      return await work(ask, signal);
    });
  } finally {
    await client?.close();
  }
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
