/** What `skyctl svc run setup-node` does. @module */
import { ConnClosedError, type LogLevel } from "../../lib/base/mod.ts";
import type { Io } from "../../lib/cli/mod.ts";
import { SETUP_NODE_PORT } from "../../lib/dmsg/mod.ts";
import { renderSocketAddress } from "../../lib/runtime/mod.ts";
import { runSetupNode } from "../../lib/services/setup_node/mod.ts";
import { postQuantumOf } from "../_post_quantum.ts";
import type { PostQuantumOptions } from "../post_quantum_option.ts";
import { logToTerminal, untilInterrupt } from "../_until_interrupt.ts";
import { keysOf, networkOf, parseListenAddress } from "./_service.ts";

export interface SetupNodeOptions extends PostQuantumOptions {
  readonly addr?: string | undefined;
  readonly keyfile?: string | undefined;
  readonly sk?: string | undefined;
  readonly deployment?: string | undefined;
  readonly logLevel: LogLevel;
  readonly circuitBreaker: boolean;
  readonly circuitFailures: number;
  readonly circuitWindow: number;
  readonly circuitOpen: number;
  readonly circuitReset: number;
}

/** Runs until Ctrl-C. One of the two keys is there. */
export async function runSetupNodeCommand(io: Io, options: SetupNodeOptions): Promise<void> {
  void io.signal; // from here on Ctrl-C ends in order
  const world = await io.world();
  const { addr } = options;
  const address = addr === undefined ? undefined : parseListenAddress(addr, PORT_DEFAULT);
  const network = await networkOf(world, options.deployment); // before a key file is made
  const keys = (await keysOf(world, options))!;
  const running = await runSetupNode({
    world,
    keys,
    network,
    log: logToTerminal(io, world, options.logLevel),
    userAgent: `skyctl/${io.version}`,
    settings: {
      address,
      build: { version: io.version, commit: "unknown", date: "unknown" },
      circuits: options.circuitBreaker && {
        failures: options.circuitFailures,
        windowMs: options.circuitWindow,
        openMs: options.circuitOpen,
        resetMs: options.circuitReset,
      },
    },
    postQuantum: postQuantumOf(io, world, options),
  });
  const bound = running.address && `http://${renderSocketAddress(running.address)}/stats`;
  try {
    io.emitEach(
      {
        event: "listening",
        publicKey: keys.publicKey,
        dmsg: `dmsg://${keys.publicKey}:${SETUP_NODE_PORT}`,
        stats: bound,
      },
      ({ dmsg, stats }) => `setup node on ${dmsg}${stats === undefined ? "" : `, ${stats}`}`,
    );
    await untilInterrupt(
      io,
      running.closed.then(() => new ConnClosedError(undefined, "The setup node ended by itself")),
    );
  } finally {
    io.note("stopping...");
    await running.close();
    io.emitEach({ event: "stopped" }, () => "stopped");
  }
}

const PORT_DEFAULT = 9094;
