/**
 * What can be found while no visor runs: its files, its ports, the network that it would join, and whether somebody
 * else is on it with its key.
 *
 * @module
 */
import { describeError } from "../../base/mod.ts";
import { type DmsgNetwork, joinNetwork } from "../../directory/mod.ts";
import { generateKeyPair, type PublicKey } from "../../crypto/mod.ts";
import { silentLog } from "../../base/mod.ts";
import { renderSocketAddress, type SocketAddress, type World } from "../../runtime/mod.ts";
import { clockFindings, signedTimes } from "./clock.ts";
import { type Finding, okUnless } from "./finding.ts";
import { looked } from "./looked.ts";

/** An entry that was renewed since is somebody's who runs: it is so every 30 min at the latest. */
export const ENTRY_FRESH_MS = 35 * 60_000;

/** A port that a visor takes at its start. */
export interface PortFacts {
  readonly name: string;
  readonly address: SocketAddress;
  /** UDP, not TCP. */
  readonly isUdp?: boolean;
}

export interface StoppedFacts {
  readonly network: DmsgNetwork;
  /** Undefined: the configuration has none yet. */
  readonly publicKey: PublicKey | undefined;
  readonly ports: readonly PortFacts[];
  readonly userAgent: string;
}

export async function examineStopped(
  world: World,
  { network, publicKey, ports, userAgent }: StoppedFacts,
  signal: AbortSignal,
): Promise<Finding[]> {
  const client = joinNetwork({
    world,
    local: generateKeyPair(world.random),
    network,
    log: silentLog,
    userAgent,
    sessionsMin: 1,
    publish: false,
  });
  try {
    const [servers, taken] = await Promise.all([
      looked(
        "A look at the dmsg discovery",
        world.clock,
        signal,
        (ended) => client.dmsg.discovery.allServers(ended),
      ),
      portFindings(world, ports),
    ]);
    const findings: Finding[] = [
      ...taken,
      ...clockFindings({
        clocks: [...client.clocks.recent()].map(([name, aheadMs]) => ({ name, aheadMs })),
        signed: "value" in servers ? signedTimes(servers.value, world.clock.wallMs()) : [],
        wallMs: world.clock.wallMs(),
      }),
    ];
    if ("failure" in servers) {
      return [...findings, {
        check: "discovery",
        severity: "error",
        text: "The dmsg discovery does not answer",
        cause: servers.failure,
        next: "check this machine's network, and which network is meant: skyctl dmsg servers",
      }];
    }
    findings.push(...okUnless(
      "discovery",
      `the dmsg discovery answers, and has ${servers.value.length} servers`,
      servers.value.length > 0 ? [] : [{
        severity: "error",
        text: "The dmsg discovery has no server at all",
        cause: "none runs, or none could register there in the last hour",
        next: "check which network is meant: skyctl dmsg servers; then look at its dmsg servers' logs",
      }],
    ));
    const session = await looked(
      "A session with a dmsg server",
      world.clock,
      signal,
      (ended) => client.dmsg.whenReady(ended),
    );
    findings.push(...okUnless(
      "sessions",
      "a dmsg server accepts sessions from this machine",
      "failure" in session
        ? [{
          severity: "error",
          text: "No dmsg server accepts a session from this machine",
          cause: client.dmsg.status().lastFailure ?? session.failure,
          next: "skyctl dmsg servers; then see whether a firewall keeps their ports from this machine",
        }]
        : [],
    ));
    if (publicKey !== undefined) findings.push(...await keyFindings(client.dmsg, publicKey, world, signal));
    return findings;
  } finally {
    await client.close();
  }
}

/** Nobody should be there under the key of a visor that does not run. */
async function keyFindings(
  dmsg: ReturnType<typeof joinNetwork>["dmsg"],
  key: PublicKey,
  world: Pick<World, "clock">,
  signal: AbortSignal,
): Promise<Finding[]> {
  const entry = await looked(
    "A look at the own entry",
    world.clock,
    signal,
    (ended) => dmsg.discovery.published(key, ended),
  );
  if ("failure" in entry) return [];
  const renewedMs = entry.value === undefined ? undefined : Number(entry.value.timestamp / 1_000_000n);
  const agoMs = renewedMs === undefined ? Infinity : world.clock.wallMs() - renewedMs;
  return okUnless(
    "key",
    "nobody else is on the network with this visor's key",
    agoMs >= ENTRY_FRESH_MS ? [] : [{
      severity: "warning",
      text: "No visor runs here, and yet the discovery has a fresh entry of its key",
      cause: `it was renewed ${
        Math.round(agoMs / 1_000)
      } s ago: by another process with this key, or by a visor that was killed`,
      next: `skyctl dmsg ping ${key}: who answers uses the key`,
    }],
  );
}

/** Whether a visor would find its ports free. */
async function portFindings(
  { network }: Pick<World, "network">,
  ports: readonly PortFacts[],
): Promise<Finding[]> {
  const findings: Omit<Finding, "check">[] = [];
  for (const { name, address, isUdp = false } of ports) {
    if (address.port === 0) continue;
    try {
      (await (isUdp ? network.datagrams(address) : network.listen(address))).close();
    } catch (error) {
      findings.push({
        severity: "warning",
        text: `The port of ${name}, ${renderSocketAddress(address)}, cannot be had`,
        cause: describeError(error),
        next: `ss ${isUdp ? "-lunp" : "-ltnp"} 'sport = :${address.port}' shows who has it`,
      });
    }
  }
  return okUnless("ports", "the ports that the visor needs are free", findings);
}
