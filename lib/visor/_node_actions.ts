/** What the calls of the control API about transports, routes and apps do. @module */
import { describeError, SkyError } from "../base/mod.ts";
import type { AppSummary, HopSummary, NodeStatus, RuleSummary, TransportSummary } from "../control/mod.ts";
import { parsePublicKey, type PublicKey } from "../crypto/mod.ts";
import { grantedKeepAlive, type Hop, type RouteGroup, type Rule } from "../routing/mod.ts";
import { type HopLabel, RouteHopError } from "../routing/setup/mod.ts";
import { type Clock, withTimeout } from "../runtime/mod.ts";
import {
  parseTransportId,
  parseTransportType,
  type Transport,
  TransportDialError,
  type TransportType,
} from "../transport/mod.ts";
import type { StreamActions } from "./_control_streams.ts";
import type { ControlActions } from "./control_server.ts";
import { OwnKeyError } from "./errors.ts";
import { watchPing } from "./_ping_watch.ts";
import { pingOverRoute, PingPorts } from "./_route_ping.ts";
import type { VisorNode } from "./node.ts";

type NodeActions = Pick<
  ControlActions,
  | "transports"
  | "transportAdd"
  | "transportRemove"
  | "routeRules"
  | "routeRuleRemove"
  | "routeGroups"
  | "visorPing"
  | "counters"
  | "apps"
  | "appStart"
  | "appStop"
  | "appRemove"
>;

/** The routed part in short. */
export function nodeStatus(node: VisorNode): NodeStatus {
  const transports: Record<string, number> = {};
  for (const { type } of node.transports.transports()) transports[type] = (transports[type] ?? 0) + 1;
  const apps = node.launcher.apps();
  return {
    transports,
    rules: node.router.rules().length,
    routeGroups: node.router.groups().filter(({ isReady }) => isReady).length,
    apps: { running: apps.filter(({ status }) => status === "running").length, known: apps.length },
    presence: node.presence.state(),
    counters: node.counters(),
  };
}

/** Tried in this order when no type is asked for (visor.md 2). */
const ADD_TYPES: readonly TransportType[] = ["stcpr", "sudph", "dmsg"];
/** For a transport that was asked for without a limit. */
const ADD_TIMEOUT_MS = 60_000;

interface NodeActionsOptions {
  readonly clock: Clock;
  /** Remembered from one ping to the next. */
  readonly ports?: PingPorts;
}

export function nodeActions(
  node: VisorNode,
  { clock, ports = new PingPorts() }: NodeActionsOptions,
): NodeActions {
  return {
    transports: () => node.transports.transports().map(summaryOf),
    transportAdd: async ({ key, type, timeoutMs = ADD_TIMEOUT_MS }, signal) => {
      const remote = parsePublicKey(key);
      const types = type === undefined ? ADD_TYPES : [parseTransportType(type)];
      if (remote === node.publicKey) throw new OwnKeyError("make a transport to");
      const limit = { what: `A transport to ${remote}`, afterMs: timeoutMs, signal };
      const { transport, passedOver } = await withTimeout(
        clock,
        limit,
        (ended) => firstTransport(node, remote, types, { clock, timeoutMs, signal: ended }),
      );
      return { ...summaryOf(transport), ...(passedOver.length === 0 ? {} : { passedOver }) };
    },
    transportRemove: async ({ id: text }) => {
      const id = parseTransportId(text);
      const isThere = node.transports.find(id) !== undefined;
      if (isThere) await node.transports.remove(id);
      return { id, removed: isThere };
    },
    routeRules: () => node.router.ruleStates().map(({ rule, idleMs }) => ruleSummary(rule, idleMs)),
    routeRuleRemove: ({ id }) => {
      const isThere = node.router.rules().some((rule) => rule.routeId === id);
      node.router.deleteRules([id]);
      return { id, removed: isThere };
    },
    routeGroups: () =>
      node.router.groups().filter(({ isReady }) => isReady).map((group) => ({
        local: addressOf(group.local),
        remote: addressOf(group.remote),
        initiator: group.isInitiator,
        transport: group.transportId,
        postQuantum: group.postQuantum,
        bytesSent: group.bytesSent,
        bytesReceived: group.bytesReceived,
        uptimeMs: Math.round(group.ageMs),
      })),
    visorPing: async ({ key, count = 1, minHops, forward, reverse }, signal) => {
      const remote = parsePublicKey(key);
      if (remote === node.publicKey) throw new OwnKeyError("ping");
      const startedMs = clock.monotonicMs();
      const options = { minHops, ...hopLabels({ forward, reverse }), signal };
      const { group, dialledMs, roundTripsMs } = await pingOverRoute(node, remote, {
        ...options,
        ports,
        count,
        clock,
      });
      try {
        const dialMs = dialledMs - startedMs;
        return { key: remote, dialMs, roundTripsMs, ...await routeOf(node, group, signal) };
      } finally {
        group.close();
        await group.closed;
      }
    },
    counters: () => node.counters(),
    apps: () => node.launcher.apps(),
    appStart: async ({ name, app, args }): Promise<AppSummary> =>
      await node.launcher.start(name, { app, args }),
    appStop: async ({ name }): Promise<AppSummary> => await node.launcher.stop(name),
    appRemove: async ({ name }): Promise<AppSummary> => await node.launcher.remove(name),
  };
}

/** The streams of the control API about routes. */
export function nodeStreams(
  node: VisorNode,
  { clock, ports = new PingPorts() }: NodeActionsOptions,
): Pick<StreamActions, "visorPingWatch"> {
  return {
    visorPingWatch: async ({ key, intervalMs, minHops, forward, reverse }, tell, signal) => {
      const remote = parsePublicKey(key);
      if (remote === node.publicKey) throw new OwnKeyError("ping");
      const options = { minHops, ...hopLabels({ forward, reverse }), ports, clock };
      await watchPing({
        clock,
        intervalMs,
        tell,
        async dial(signal) {
          const startedMs = clock.monotonicMs();
          const { group, dialledMs } = await pingOverRoute(node, remote, { ...options, count: 0, signal });
          return { group, dialMs: dialledMs - startedMs };
        },
        hops: (group, signal) => routeOf(node, group, signal),
      }, signal);
    },
  };
}

/** By the first type that works, and what was tried before; an error that names each when none does. */
async function firstTransport(
  { transports }: VisorNode,
  remote: PublicKey,
  types: readonly TransportType[],
  { clock, timeoutMs, signal }: {
    readonly clock: Clock;
    readonly timeoutMs: number;
    readonly signal: AbortSignal;
  },
): Promise<{ transport: Transport; passedOver: { type: TransportType; failure: string }[] }> {
  const passedOver: { type: TransportType; failure: string }[] = [];
  const open = transports.to(remote).find(({ type }) => types.some((each) => each === type));
  if (open !== undefined) return { transport: open, passedOver };
  const served = types.length === 1 ? types : types.filter((type) => transports.types.includes(type));
  const endsMs = clock.monotonicMs() + timeoutMs;
  let last: unknown;
  for (const [index, type] of served.entries()) {
    // A share of what is left: the silence of one type must leave time for the next.
    const afterMs = (endsMs - clock.monotonicMs()) / (served.length - index);
    try {
      const limit = { what: `A transport of type ${type}`, afterMs, signal };
      const transport = await withTimeout(
        clock,
        limit,
        (ended) => transports.dial(remote, type, { label: "user", signal: ended }),
      );
      return { transport, passedOver };
    } catch (error) {
      signal.throwIfAborted();
      last = error;
      passedOver.push({ type, failure: failureText(error) });
    }
  }
  if (passedOver.length < 2) throw last;
  const each = passedOver.map(({ type, failure }) => `${type}: ${failure}`).join("; ");
  throw new TransportDialError(remote, served.join(", "), new Error(each));
}

/** Without the words that its surroundings say, and with what to do about it. */
function failureText(error: unknown): string {
  const hint = error instanceof SkyError && error.hint !== undefined ? ` (${error.hint})` : "";
  return describeError(error instanceof TransportDialError ? error.cause : error) + hint;
}

/** Both ways of a route group that this visor dialled. */
async function routeOf(
  node: VisorNode,
  group: RouteGroup,
  signal: AbortSignal,
): Promise<{ readonly forward: HopSummary[]; readonly reverse: HopSummary[] }> {
  const route = node.dialer.routeOf(group);
  const [forward, reverse] = await Promise.all([
    hopsOf(node, route?.forward ?? [], signal),
    hopsOf(node, route?.reverse ?? [], signal),
  ]);
  return { forward, reverse };
}

async function hopsOf(node: VisorNode, hops: readonly Hop[], signal: AbortSignal): Promise<HopSummary[]> {
  return await Promise.all(hops.map(async ({ transportId, from, to }) => ({
    transport: transportId,
    from,
    to,
    latencyMs: await latencyOf(node, transportId, signal),
  })));
}

/** Of an own transport as measured here, of another's as its ends registered it. */
async function latencyOf(
  node: VisorNode,
  id: Hop["transportId"],
  signal: AbortSignal,
): Promise<number | null> {
  const own = node.transports.find(id);
  if (own !== undefined) return own.latencyMs?.avg ?? null;
  const registered = await node.services.transportDiscovery?.byId(id, signal).catch(() => undefined);
  return registered?.latency === undefined ? null : registered.latency.avg / 1_000;
}

function hopLabels(
  { forward, reverse }: { readonly forward?: readonly string[]; readonly reverse?: readonly string[] },
): { readonly forward?: HopLabel[]; readonly reverse?: HopLabel[] } {
  return { forward: forward?.map(hopLabel), reverse: reverse?.map(hopLabel) };
}

/** A transport id or a key, told by its shape. */
function hopLabel(text: string): HopLabel {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)) {
    return { transportId: parseTransportId(text) };
  }
  if (/^[0-9a-f]{66}$/i.test(text)) return { publicKey: parsePublicKey(text) };
  throw new RouteHopError(`${JSON.stringify(text.slice(0, 80))} is neither a transport id nor a public key`, {
    hint: "skyctl tp ls shows ids and keys; several stand with commas between them",
  });
}

function summaryOf(transport: Transport): TransportSummary {
  const { id, type, remote, label, isInitiator, latencyMs, bytesSent, bytesReceived, ageMs } = transport;
  return {
    id,
    type,
    remote,
    label,
    initiator: isInitiator,
    latency: latencyMs ?? null,
    bytesSent,
    bytesReceived,
    uptimeMs: Math.round(ageMs),
  };
}

/** The descriptor of a rule names this visor as the source of a forward rule, the destination of a consume rule. */
function ruleSummary(rule: Rule, idleMs: number): RuleSummary {
  const common = {
    id: rule.routeId,
    type: rule.kind,
    keepAliveMs: Number(grantedKeepAlive(rule.keepAliveNs) / 1_000_000n),
    idleMs: Math.round(idleMs),
  };
  if (rule.kind === "intermediary") {
    return { ...common, nextId: rule.nextRouteId, nextTransport: rule.nextTransportId };
  }
  const { source, destination } = rule.descriptor;
  if (rule.kind === "consume") {
    return { ...common, local: addressOf(destination), remote: addressOf(source) };
  }
  const next = { nextId: rule.nextRouteId, nextTransport: rule.nextTransportId };
  return { ...common, local: addressOf(source), remote: addressOf(destination), ...next };
}

function addressOf({ publicKey, port }: { readonly publicKey: PublicKey; readonly port: number }) {
  return { key: publicKey, port };
}
