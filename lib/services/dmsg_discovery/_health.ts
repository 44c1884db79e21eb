/** What `/health` says (protocol: services.md 1.1): computed when it is asked, never remembered. @module */
import type { PublicKey } from "../../crypto/mod.ts";
import type { BuildInfo, DmsgDiscoverySettings } from "./settings.ts";

/** The dmsg side of a discovery as it is now. */
export interface DmsgStatus {
  /** `<key>:<port>` that it is served on. */
  readonly address: string;
  /** Servers with a session now. */
  readonly servers: readonly PublicKey[];
}

export function renderHealth(
  { settings, startedAtMs, dmsg }: {
    readonly settings: DmsgDiscoverySettings;
    readonly startedAtMs: number;
    readonly dmsg: DmsgStatus | undefined;
  },
): string {
  return JSON.stringify({
    build_info: settings.build ?? UNSTAMPED,
    started_at: new Date(startedAtMs).toISOString(),
    dmsg_address: dmsg?.address,
    dmsg_servers: dmsg === undefined || dmsg.servers.length === 0 ? undefined : dmsg.servers,
    service_name: SERVICE_NAME,
    public_key: settings.publicKey,
  });
}

const SERVICE_NAME = "dmsg-discovery";
const UNSTAMPED: BuildInfo = { version: "unknown", commit: "unknown", date: "unknown" };
