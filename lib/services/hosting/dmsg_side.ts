/**
 * The dmsg side of a service: a client with a session at every server, its entry announced, port 80 served.
 *
 * @module
 */
import { type Log, Scope } from "../../base/mod.ts";
import type { KeyPair, PublicKey } from "../../crypto/mod.ts";
import { type DmsgNetwork, joinNetwork } from "../../directory/mod.ts";
import {
  type DmsgAddress,
  type DmsgClient,
  HTTP_PORT,
  renderDmsgAddress,
  withDebug,
} from "../../dmsg/mod.ts";
import { type RawHandler, serveHttpOver } from "../../http/mod.ts";
import type { PostQuantumSettings } from "../../noise/mod.ts";
import type { World } from "../../runtime/mod.ts";
import { noticed } from "./noticed.ts";
import { type AttachService, CLOSE_REQUESTS_MS, HANDLER_END_MS, type ServiceDmsgSide } from "./run.ts";

export interface ServiceDmsgSideOptions {
  readonly world: Pick<World, "clock" | "random" | "ledger" | "network" | "diagnostics">;
  /** The service's own keys. */
  readonly local: KeyPair;
  readonly network: DmsgNetwork;
  readonly log: Log;
  readonly userAgent: string;
  /** The post-quantum hybrid: offered or required. */
  readonly postQuantum?: PostQuantumSettings;
}

/** What `runService` takes for modes `dmsg` and `dual`. */
export function attachService(options: ServiceDmsgSideOptions): AttachService {
  const { world, local, network, log, userAgent, postQuantum } = options;
  return (handler) => {
    const client = joinNetwork({
      world,
      local,
      network,
      log,
      userAgent,
      sessionsMin: 0, // with every server: clients take the service for a client of all (dmsg.md 11)
      postQuantum,
      publish: true,
    });
    const { surveyWhitelist } = network;
    return serveOverDmsg({ client: client.dmsg, world, handler, log, surveyWhitelist, owned: client });
  };
}

export interface ServeOverDmsgOptions {
  /** Has its sessions from elsewhere. */
  readonly client: DmsgClient;
  readonly world: Pick<World, "clock" | "ledger" | "diagnostics">;
  readonly handler: RawHandler;
  /** Its ring is `/debug/log`. */
  readonly log: Log;
  /** Who may use the debug endpoints besides the service itself. Default: nobody. */
  readonly surveyWhitelist?: readonly PublicKey[];
  /** Default 80; debug endpoints are on no other one. */
  readonly port?: number;
  /** What else the service does over dmsg: ends with this side, and ends it by a failure. */
  readonly alongside?: (scope: Scope) => void;
  /** Closed with this side, once requests in progress have ended: the client, unless it is somebody else's. */
  readonly owned?: { close(): Promise<void> };
}

/** Serves `handler` on a dmsg port of a client that is there already, and the debug endpoints on port 80 (SV-5). */
export function serveOverDmsg(
  { client, world, handler, log, surveyWhitelist = [], port = HTTP_PORT, alongside, owned }:
    ServeOverDmsgOptions,
): ServiceDmsgSide {
  const scope = new Scope();
  const trusted = { own: client.publicKey, whitelist: new Set(surveyWhitelist) };
  const isOn80 = port === HTTP_PORT;
  const raw = withDebug(isOn80 ? handler : () => ({ status: 404 }), { world, log, ...trusted });
  const on80 = serveStreams(client, HTTP_PORT, { world, raw, log });
  const main = isOn80 ? on80 : serveStreams(client, port, { world, raw: handler, log });
  alongside?.(scope);
  const failed = new Promise<void>((resolve) =>
    scope.signal.addEventListener("abort", () => resolve(), { once: true })
  );
  return {
    closed: Promise.race([main.ended, failed]),
    status: () => ({
      address: `${client.publicKey}:${port}`,
      servers: client.sessions().map((session) => session.remote),
    }),
    reach: (address, signal) => client.isConnected ? reached(client, address, signal) : undefined,
    async [Symbol.asyncDispose]() {
      // Requests in progress end over sessions that are still there, while nobody new finds the way.
      const withdrawn = owned === undefined ? undefined : client.withdraw();
      await Promise.all([on80.close(), main.close(), withdrawn]);
      await Promise.all([scope[Symbol.asyncDispose](), owned?.close()]);
    },
  };
}

/** Requests on streams to a port of `client`: `ended` when no more streams are taken, by a close or by itself. */
function serveStreams(
  client: DmsgClient,
  port: number,
  { world, raw, log }: Pick<ServeOverDmsgOptions, "world" | "log"> & { readonly raw: RawHandler },
): { readonly ended: Promise<void>; close(): Promise<void> } {
  const { listener, ended } = noticed(client.listen(port));
  const server = serveHttpOver(listener, { raw }, ({ remote }) => renderDmsgAddress(remote), {
    world,
    log,
    closeMs: CLOSE_REQUESTS_MS,
    handlerEndMs: HANDLER_END_MS,
  });
  return { ended, close: () => server.close() };
}

async function reached(client: DmsgClient, address: DmsgAddress, signal: AbortSignal): Promise<void> {
  const stream = await client.dial(address, { signal });
  stream.close();
  await stream.closed;
}
