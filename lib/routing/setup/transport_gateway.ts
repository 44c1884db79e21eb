/**
 * Transports that are made from afar: a visor's side on dmsg port 47, and the asking side (protocol: transport,
 * section 11). Only the transport setup nodes of the configuration are served, and only what they made is theirs.
 *
 * @module
 */
import { type Conn, describeError, type Log, PeerError, type Scope, SkyError } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import { type DmsgClient, TRANSPORT_SETUP_PORT } from "../../dmsg/mod.ts";
import type { World } from "../../runtime/mod.ts";
import { parseTransportType, type TransportId, type TransportType } from "../../transport/mod.ts";
import type { GobValue } from "../../wire/gob/mod.ts";
import { withDeadlines } from "../../wire/mod.ts";
import { RpcClient, rpcMethod, type RpcMethods, serveRpc } from "../../wire/rpc/mod.ts";
import type { SetupCounters } from "./counters.ts";
import {
  BOOL_RESPONSE,
  NOTHING,
  TRANSPORT_REQUEST,
  TRANSPORT_RESPONSE,
  TRANSPORT_RESPONSES,
  UUID_REQUEST,
} from "./wire_types.ts";

/** The label of transports that are made this way. */
export const GATEWAY_LABEL = "skycoin";
/** A transport setup node that says nothing for so long is gone. */
export const GATEWAY_IDLE_MS = 2 * 60_000;
/** Connections at once; further ones are closed. */
export const GATEWAY_CONNECTIONS_MAX = 64;

/** A transport as the gateway needs it. */
export interface GatewayTransport {
  readonly id: TransportId;
  readonly type: string;
  readonly local: PublicKey;
  readonly remote: PublicKey;
  readonly label: string;
}

/** A `TransportManager` is one. */
export interface GatewayTransports {
  transports(): readonly GatewayTransport[];
  find(id: TransportId): GatewayTransport | undefined;
  dial(
    remote: PublicKey,
    type: TransportType,
    options: { readonly label: string; readonly signal: AbortSignal },
  ): Promise<GatewayTransport>;
  remove(id: TransportId): Promise<unknown>;
}

export interface ServeTransportGatewayOptions {
  readonly world: Pick<World, "clock">;
  readonly dmsg: Pick<DmsgClient, "listen">;
  readonly transports: GatewayTransports;
  readonly trusts: (key: PublicKey) => boolean;
  readonly scope: Scope;
  readonly log: Log;
  /** What is refused is added to it. */
  readonly counters?: SetupCounters;
}

/** A call of a transport setup node is refused; the text is Skywire's own. */
export class TransportGatewayError extends PeerError {
  readonly code = "TRANSPORT_GATEWAY";
}

/** Serves dmsg port 47 until `scope` ends. Errors: 400 when the port is taken. */
export function serveTransportGateway(options: ServeTransportGatewayOptions): void {
  const { world: { clock }, dmsg, transports, trusts, scope, log, counters } = options;
  const listener = dmsg.listen(TRANSPORT_SETUP_PORT);
  const methods = gatewayMethods(transports);
  scope.spawn("calls of transport setup nodes", async (signal) => {
    if (signal.aborted) listener.close();
    signal.addEventListener("abort", () => listener.close(), { once: true });
    const serving = new Set<Promise<void>>();
    for (let stream = await listener.accept(); stream !== null; stream = await listener.accept()) {
      if (!trusts(stream.remote.publicKey) || serving.size >= GATEWAY_CONNECTIONS_MAX) {
        if (counters !== undefined) counters.gatewayConnectionsRefused++;
        stream.close();
        continue;
      }
      const timed = withDeadlines(stream, clock, { readIdleMs: GATEWAY_IDLE_MS, writeMs: GATEWAY_IDLE_MS });
      const served: Promise<void> = serveRpc(timed, methods, { signal, log }).finally(() =>
        serving.delete(served)
      );
      serving.add(served);
    }
    await Promise.all(serving);
  });
}

/** The methods of the service, for whoever is trusted. */
export function gatewayMethods(transports: GatewayTransports): RpcMethods {
  return {
    "TransportGateway.AddTransport": rpcMethod({
      argument: TRANSPORT_REQUEST,
      reply: TRANSPORT_RESPONSE,
      async handle({ RemotePK, Type }, signal) {
        if (RemotePK === undefined) {
          throw new TransportGatewayError("save transport: unknown remote public key");
        }
        try {
          return response(await transports.dial(RemotePK, typeOf(Type), { label: GATEWAY_LABEL, signal }));
        } catch (cause) {
          throw saveFailure(cause);
        }
      },
    }),
    "TransportGateway.RemoveTransport": rpcMethod({
      argument: UUID_REQUEST,
      reply: BOOL_RESPONSE,
      async handle({ ID }) {
        const transport = ID === undefined ? undefined : transports.find(ID);
        if (transport === undefined) throw new TransportGatewayError("transport not found");
        if (transport.label !== GATEWAY_LABEL) {
          throw new TransportGatewayError("transport was not created by skycoin");
        }
        await transports.remove(transport.id);
        return { Result: true };
      },
    }),
    "TransportGateway.GetTransports": rpcMethod({
      argument: NOTHING,
      reply: TRANSPORT_RESPONSES,
      handle: () => transports.transports().filter(({ label }) => label === GATEWAY_LABEL).map(response),
    }),
  };
}

/** Asks one visor. Owns the connection. */
export class TransportGatewayClient {
  readonly #client: RpcClient;

  constructor(conn: Conn, world: Pick<World, "clock">) {
    this.#client = new RpcClient(conn, { world });
  }

  /** Settles when nothing is held any more. */
  get closed(): Promise<void> {
    return this.#client.closed;
  }

  /** Has the visor make a transport. Errors: those of `RpcClient.call`. */
  async add(remote: PublicKey, type: string, signal?: AbortSignal): Promise<Omit<GatewayTransport, "label">> {
    const request = { RemotePK: remote, Type: type };
    const method = "TransportGateway.AddTransport";
    return transportOf(
      await this.#client.call(method, TRANSPORT_REQUEST, request, TRANSPORT_RESPONSE, { signal }),
    );
  }

  /** Has the visor drop one that was made this way. */
  async remove(id: TransportId, signal?: AbortSignal): Promise<boolean> {
    const method = "TransportGateway.RemoveTransport";
    return (await this.#client.call(method, UUID_REQUEST, { ID: id }, BOOL_RESPONSE, { signal })).Result;
  }

  /** Those that were made this way. */
  async list(signal?: AbortSignal): Promise<Omit<GatewayTransport, "label">[]> {
    const method = "TransportGateway.GetTransports";
    return (await this.#client.call(method, NOTHING, {}, TRANSPORT_RESPONSES, { signal })).map(transportOf);
  }

  close(): void {
    this.#client.close();
  }
}

function typeOf(text: string): TransportType {
  try {
    return parseTransportType(text);
  } catch (cause) {
    throw new TransportGatewayError("save transport: unknown network type", { cause });
  }
}

/** Dials say what they are called in Skywire by themselves. */
function saveFailure(cause: unknown): unknown {
  if (cause instanceof TransportGatewayError || !(cause instanceof SkyError)) return cause;
  if (typeof (cause as { rpcText?: unknown }).rpcText === "string") return cause;
  return new TransportGatewayError(`save transport: ${describeError(cause)}`, { cause });
}

function response({ id, local, remote, type }: GatewayTransport): GobValue<typeof TRANSPORT_RESPONSE> {
  return { ID: id, Local: local, Remote: remote, Type: type };
}

function transportOf(
  { ID, Local, Remote, Type }: GobValue<typeof TRANSPORT_RESPONSE>,
): Omit<GatewayTransport, "label"> {
  if (ID === undefined || Local === undefined || Remote === undefined) {
    throw new TransportGatewayError("The visor answered with a transport without its id or a key");
  }
  return { id: ID, local: Local, remote: Remote, type: Type };
}
