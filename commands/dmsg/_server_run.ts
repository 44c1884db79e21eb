/** What `skyctl dmsg server run` does. @module */
import type { LogLevel } from "../../lib/base/mod.ts";
import type { Io } from "../../lib/cli/mod.ts";
import { generateKeyPair, type KeyPair } from "../../lib/crypto/mod.ts";
import { FileNotFoundError, renderSocketAddress, type World } from "../../lib/runtime/mod.ts";
import {
  type DmsgServerOverrides,
  parseDmsgServerConfig,
  renderDmsgServerConfig,
  runDmsgServer,
} from "../../lib/services/dmsg_server/mod.ts";
import { postQuantumOf } from "../_post_quantum.ts";
import type { PostQuantumOptions } from "../post_quantum_option.ts";
import { logToTerminal, untilInterrupt } from "../_until_interrupt.ts";

export interface ServerRunOptions extends DmsgServerOverrides, PostQuantumOptions {
  readonly logLevel?: LogLevel | undefined;
}

/** Runs until Ctrl-C or the death of a plane. */
export async function runServerCommand(io: Io, file: string, options: ServerRunOptions): Promise<void> {
  void io.signal; // from here on Ctrl-C ends in order
  const world = await io.world();
  const { text, made } = await configText(world, file, options);
  const config = parseDmsgServerConfig(text, file, options);
  const keys = made ?? keysOf(config.secretKey) ?? generateKeyPair(world.random);
  if (made !== undefined) {
    await world.files.write(file, new TextEncoder().encode(text), { mode: 0o600 });
    io.note(`configuration made: ${file}`);
  }
  const running = await runDmsgServer({
    world,
    log: logToTerminal(io, world, config.logLevel),
    config,
    keys,
    version: io.version,
    postQuantum: postQuantumOf(io, world, options),
  });
  const { publicKey } = keys;
  try {
    io.emitEach({
      event: "listening",
      publicKey,
      address: renderSocketAddress(running.address),
      publicAddress: running.server.status().address,
      health: running.health && `http://${renderSocketAddress(running.health)}/health`,
      discovery: config.deployments[0]?.discovery,
      registration: config.registration,
    }, (event) => `dmsg server ${publicKey} accepts sessions on ${event.address}`);
    await untilInterrupt(io, running.ended);
  } finally {
    io.note("stopping...");
    await running.close();
    io.emitEach({ event: "stopped", publicKey }, () => "stopped");
  }
}

async function configText(
  { files, random }: World,
  file: string,
  overrides: DmsgServerOverrides,
): Promise<{ text: string; made: KeyPair | undefined }> {
  try {
    return { text: new TextDecoder().decode(await files.read(file)), made: undefined };
  } catch (error) {
    if (!(error instanceof FileNotFoundError)) throw error;
    const made = generateKeyPair(random);
    return { text: renderDmsgServerConfig(made, overrides), made };
  }
}

function keysOf(secretKey: KeyPair["secretKey"] | undefined): KeyPair | undefined {
  return secretKey === undefined ? undefined : { publicKey: secretKey.publicKey, secretKey };
}
