/**
 * Paths that the caller gives, hop by hop (RT-8; protocol: resolving-proxy, section 7).
 *
 *     transport id   its two ends: our own transports, else the transport discovery; it must begin where we are
 *     key            a transport to it: of our own stcpr or sudph, else made now; elsewhere what is listed
 *
 * @module
 */
import { describeError } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import { parseTransportId, type TransportId, type TransportType } from "../../transport/mod.ts";
import type { Hop } from "../hop.ts";
import { RouteHopError } from "./errors.ts";
import { ROUTE_HOPS_MAX } from "./generate_rules.ts";

/** A hop as a caller names it: over which transport, or to which visor. */
export type HopLabel = { readonly transportId: TransportId } | { readonly publicKey: PublicKey };

/** What is known of a transport of other visors. */
export interface KnownTransport {
  readonly id: string;
  readonly edges: readonly [PublicKey, PublicKey];
  readonly type: string;
}

/** Transports of other visors; a `TransportDiscoveryClient` is one. */
export interface TransportDirectory {
  byId(id: string, signal?: AbortSignal): Promise<KnownTransport | undefined>;
  byEdge(key: PublicKey, signal?: AbortSignal): Promise<readonly KnownTransport[]>;
}

/** Our own transports. */
export interface OwnTransports {
  find(id: TransportId): { readonly remote: PublicKey } | undefined;
  to(remote: PublicKey): readonly { readonly id: TransportId; readonly type: string }[];
  dial(
    remote: PublicKey,
    type: TransportType,
    options: { readonly label: string; readonly signal?: AbortSignal },
  ): Promise<{ readonly id: TransportId }>;
}

export interface ResolveHopsOptions {
  readonly local: PublicKey;
  readonly from: PublicKey;
  readonly to: PublicKey;
  readonly transports: OwnTransports;
  readonly directory: TransportDirectory | undefined;
  readonly signal?: AbortSignal;
}

/**
 * Resolves labels, one after the other, to a path from `from` to `to`; a last hop that is missing is appended by
 * the rule for keys. Errors: `RouteHopError`, the signal's reason.
 */
export async function resolveHops(labels: readonly HopLabel[], options: ResolveHopsOptions): Promise<Hop[]> {
  if (labels.length > ROUTE_HOPS_MAX) {
    throw new RouteHopError(
      `A route of ${labels.length} hops was given; at most ${ROUTE_HOPS_MAX} are taken`,
    );
  }
  const path: Hop[] = [];
  let at = options.from;
  for (const label of labels) {
    const hop = "transportId" in label
      ? await overTransport(at, label.transportId, options)
      : await toVisor(at, label.publicKey, options);
    path.push(hop);
    at = hop.to;
  }
  if (at !== options.to || path.length === 0) path.push(await toVisor(at, options.to, options));
  return path;
}

/** The same path the other way round. */
export function mirrored(path: readonly Hop[]): Hop[] {
  return path.toReversed().map(({ transportId, from, to }) => ({ transportId, from: to, to: from }));
}

async function overTransport(
  at: PublicKey,
  transportId: TransportId,
  { local, transports, directory, signal }: ResolveHopsOptions,
): Promise<Hop> {
  const own = transports.find(transportId);
  let edges: readonly [PublicKey, PublicKey] | undefined;
  if (own !== undefined) {
    edges = [local, own.remote];
  } else {
    try {
      edges = (await directory?.byId(transportId, signal))?.edges;
    } catch (cause) {
      signal?.throwIfAborted();
      throw new RouteHopError(`resolve transport ${transportId}: ${describeError(cause)}`, { cause });
    }
  }
  if (edges === undefined) {
    throw new RouteHopError(`resolve transport ${transportId}: nobody lists it`, { hint: "skyctl tp ls" });
  }
  if (!edges.includes(at)) {
    throw new RouteHopError(`transport ${transportId} does not connect from ${at}`, { hint: "skyctl tp ls" });
  }
  return { transportId, from: at, to: edges[0] === at ? edges[1] : edges[0] };
}

async function toVisor(at: PublicKey, to: PublicKey, options: ResolveHopsOptions): Promise<Hop> {
  const transportId = at === options.local
    ? await ownTransport(to, options)
    : await listedTransport(at, to, options);
  return { transportId, from: at, to };
}

/** Existing or made now; never dmsg, since that relays through servers what the caller wants to go its own way. */
async function ownTransport(to: PublicKey, { transports, signal }: ResolveHopsOptions): Promise<TransportId> {
  const open = transports.to(to);
  for (const type of OWN_HOP_TYPES) {
    const found = open.find((transport) => transport.type === type);
    if (found !== undefined) return found.id;
  }
  const failures: unknown[] = [];
  for (const type of OWN_HOP_TYPES) {
    try {
      return (await transports.dial(to, type, { label: "user", signal })).id;
    } catch (cause) {
      signal?.throwIfAborted();
      failures.push(cause);
    }
  }
  const why = failures.map(describeError).join("; ");
  throw new RouteHopError(`no transport to ${to} and could not create one: ${why}`, { cause: failures[0] });
}

const OWN_HOP_TYPES = ["stcpr", "sudph"] as const;

async function listedTransport(
  at: PublicKey,
  to: PublicKey,
  { directory, signal }: ResolveHopsOptions,
): Promise<TransportId> {
  let listed: readonly KnownTransport[];
  try {
    listed = await directory?.byEdge(at, signal) ?? [];
  } catch (cause) {
    signal?.throwIfAborted();
    throw new RouteHopError(`look up transports of ${at}: ${describeError(cause)}`, { cause });
  }
  const found = listed.find(({ edges: [first, second] }) =>
    (first === at && second === to) || (first === to && second === at)
  );
  if (found !== undefined) return parseTransportId(found.id);
  throw new RouteHopError(`no known transport between ${at} and ${to} (remote-create not supported yet)`);
}
