/** What a visor tells of itself: to commands over the control API, and to anybody on `/health`. @module */
import type { HostedService, VisorStatus } from "../control/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import type { DmsgNetwork } from "../directory/mod.ts";
import { type DmsgClient, HTTP_PORT, renderDmsgAddress } from "../dmsg/mod.ts";
import type { World } from "../runtime/mod.ts";
import { nodeStatus } from "./_node_actions.ts";
import { visorWarnings } from "./_warnings.ts";
import type { LogFile } from "./log_file.ts";
import type { VisorNode } from "./node.ts";

/** The parts that are asked. */
export interface ToldVisor {
  readonly publicKey: PublicKey;
  readonly dmsg: DmsgClient;
  readonly node: VisorNode;
}

export interface VisorStatusOptions {
  readonly world: World;
  readonly network: DmsgNetwork;
  readonly home: string;
  readonly logFile: LogFile;
  readonly version: string;
  readonly hosted?: { services(): HostedService[] };
  /** Monotonic. */
  readonly startedMs: number;
  readonly serving: VisorStatus["serving"];
  /** How far the discovery's clock is ahead, if it has told. */
  readonly discoveryAheadMs: number | undefined;
}

/** What is true now. */
export function visorStatus(
  { publicKey, dmsg: client, node }: ToldVisor,
  { world, network, home, logFile, version, hosted, startedMs, serving, discoveryAheadMs }:
    VisorStatusOptions,
): VisorStatus {
  const dmsg = client.status();
  const { ready, sessions, entry, lastFailure } = dmsg;
  const wallMs = world.clock.wallMs();
  const uptimeMs = world.clock.monotonicMs() - startedMs;
  return {
    publicKey,
    version,
    ready: ready && entry?.published === true,
    startedAtMs: Math.round(wallMs - uptimeMs),
    uptimeMs: Math.round(uptimeMs),
    home,
    deployment: { name: network.name, file: network.file },
    dmsg: {
      ready,
      sessions: sessions.map(({ remote, remoteAddress, ...rest }) => ({
        server: remote,
        remote: publicKey,
        address: remoteAddress,
        ...rest,
      })),
      entry: {
        published: entry?.published === true,
        sequence: entry?.sequence?.toString(),
        publishedAtMs: entry?.publishedAtMs,
        failure: entry?.failure,
      },
      lastFailure,
    },
    node: nodeStatus(node),
    services: hosted?.services() ?? [],
    serving,
    warnings: visorWarnings({ dmsg, discoveryAheadMs, wallMs, logFailure: logFile.failure }),
  };
}

/** The body of `/health` (operations.md 1). */
export function healthPage(
  publicKey: PublicKey,
  { startedAtMs, version, ready, dmsg }: VisorStatus,
): unknown {
  return {
    build_info: { version, commit: "unknown", date: "unknown" },
    started_at: new Date(startedAtMs).toISOString(),
    service_name: "visor",
    public_key: publicKey,
    dmsg_address: renderDmsgAddress({ publicKey, port: HTTP_PORT }),
    dmsg_servers: dmsg.sessions.map(({ server }) => server),
    ready,
  };
}
