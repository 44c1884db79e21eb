/** What `skyctl svc run dmsg-discovery` does. @module */
import { ConnClosedError, type LogLevel } from "../../lib/base/mod.ts";
import type { Io } from "../../lib/cli/mod.ts";
import { parsePublicKey } from "../../lib/crypto/mod.ts";
import { embeddedNetwork, networkOfFile, parseAuthority, seededEntries } from "../../lib/directory/mod.ts";
import { renderSocketAddress, type World } from "../../lib/runtime/mod.ts";
import { attachDmsg, runDmsgDiscovery } from "../../lib/services/dmsg_discovery/mod.ts";
import { parseServiceMode } from "../../lib/services/hosting/mod.ts";
import { keptKeyPair } from "../../lib/visor/mod.ts";
import { postQuantumOf } from "../_post_quantum.ts";
import type { PostQuantumOptions } from "../post_quantum_option.ts";
import { logToTerminal, untilInterrupt } from "../_until_interrupt.ts";

export interface DiscoveryOptions extends PostQuantumOptions {
  readonly addr: string;
  readonly store: string;
  readonly redis?: string | undefined;
  readonly redisPoolSize: number;
  readonly mode?: string | undefined;
  readonly keyfile?: string | undefined;
  readonly deployment?: string | undefined;
  readonly testMode?: boolean | undefined;
  readonly auth?: string | undefined;
  readonly officialServers?: readonly string[] | undefined;
  readonly whitelistKeys?: readonly string[] | undefined;
  readonly entryTimeout: number;
  readonly logLevel: LogLevel;
}

/** Runs until Ctrl-C. */
export async function runDiscoveryCommand(io: Io, options: DiscoveryOptions): Promise<void> {
  void io.signal; // from here on Ctrl-C ends in order
  const world = await io.world();
  const log = logToTerminal(io, world, options.logLevel);
  const mode = parseServiceMode(options.mode ?? (options.keyfile === undefined ? "http" : "dual"));
  const address = parseAuthority(
    options.addr.startsWith(":") ? `0.0.0.0${options.addr}` : options.addr,
    9090,
  );
  const officialServers = options.officialServers?.map(parsePublicKey);
  const whitelistKeys = options.whitelistKeys?.map(parsePublicKey);
  const servers = await knownServers(world, options.deployment);
  const keys = options.keyfile === undefined ? undefined : await keptKeyPair(world, options.keyfile);
  const running = await runDmsgDiscovery({
    world,
    log,
    settings: {
      address,
      store: options.redis ?? options.store,
      redisPoolSize: options.redisPoolSize,
      mode,
      passPhrase: options.auth,
      officialServers,
      whitelistKeys,
      allowLoopbackAddresses: options.testMode === true,
      clientTtlMs: options.entryTimeout,
      publicKey: keys?.publicKey,
      build: { version: io.version, commit: "unknown", date: "unknown" },
    },
    dmsg: keys &&
      attachDmsg({ world, local: keys, servers, log, postQuantum: postQuantumOf(io, world, options) }),
  });
  try {
    io.emitEach(
      {
        event: "listening",
        address: `http://${renderSocketAddress(running.address)}`,
        publicKey: keys?.publicKey,
        mode,
      },
      (event) =>
        `dmsg discovery on ${event.address}${keys === undefined ? "" : `, dmsg://${keys.publicKey}:80`}`,
    );
    await untilInterrupt(
      io,
      running.closed.then(() => new ConnClosedError(undefined, "The dmsg discovery ended by itself")),
    );
  } finally {
    io.note("stopping...");
    await running.close();
    io.emitEach({ event: "stopped" }, () => "stopped");
  }
}

async function knownServers({ files }: World, deployment: string | undefined) {
  const network = deployment === undefined
    ? embeddedNetwork()
    : networkOfFile(new TextDecoder().decode(await files.read(deployment)), deployment);
  return seededEntries(network).filter((entry) => entry.server !== undefined);
}
