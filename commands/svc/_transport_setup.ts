/** What `skyctl svc run transport-setup` does. @module */
import { ConnClosedError, type LogLevel } from "../../lib/base/mod.ts";
import type { Io } from "../../lib/cli/mod.ts";
import { ConfigError } from "../../lib/deployment/mod.ts";
import { renderSocketAddress } from "../../lib/runtime/mod.ts";
import {
  parseTransportSetupConfig,
  PORT_DEFAULT,
  runTransportSetup,
} from "../../lib/services/transport_setup/mod.ts";
import { postQuantumOf } from "../_post_quantum.ts";
import type { PostQuantumOptions } from "../post_quantum_option.ts";
import { logToTerminal, untilInterrupt } from "../_until_interrupt.ts";
import { keysOf, networkOf, parseListenAddress } from "./_service.ts";

export interface TransportSetupOptions extends PostQuantumOptions {
  readonly addr?: string | undefined;
  readonly config?: string | undefined;
  readonly keyfile?: string | undefined;
  readonly sk?: string | undefined;
  readonly deployment?: string | undefined;
  readonly logLevel: LogLevel;
}

/** Runs until Ctrl-C. */
export async function runTransportSetupCommand(io: Io, options: TransportSetupOptions): Promise<void> {
  void io.signal; // from here on Ctrl-C ends in order
  const world = await io.world();
  const { config: file } = options;
  const config = file === undefined
    ? undefined
    : parseTransportSetupConfig(new TextDecoder().decode(await world.files.read(file)), file);
  const network = config?.network ?? await networkOf(world, options.deployment); // before a key file is made
  const own = config?.secretKey && { publicKey: config.secretKey.publicKey, secretKey: config.secretKey };
  const keys = await keysOf(world, options) ?? own;
  if (keys === undefined) {
    throw new ConfigError(file!, "secret_key", "it is missing", {
      hint: "give --keyfile, or put the key there",
    });
  }
  const port = config?.port ?? PORT_DEFAULT;
  const running = await runTransportSetup({
    world,
    keys,
    network,
    log: logToTerminal(io, world, options.logLevel),
    userAgent: `skyctl/${io.version}`,
    settings: {
      address: parseListenAddress(options.addr ?? `127.0.0.1:${port}`, port, "127.0.0.1"),
      build: { version: io.version, commit: "unknown", date: "unknown" },
    },
    postQuantum: postQuantumOf(io, world, options),
  });
  const address = `http://${renderSocketAddress(running.address!)}`;
  try {
    io.emitEach(
      { event: "listening", publicKey: keys.publicKey, address },
      () => `transport setup node on ${address}`,
    );
    await untilInterrupt(
      io,
      running.closed.then(() => new ConnClosedError(undefined, "The transport setup node ended by itself")),
    );
  } finally {
    io.note("stopping...");
    await running.close();
    io.emitEach({ event: "stopped" }, () => "stopped");
  }
}
