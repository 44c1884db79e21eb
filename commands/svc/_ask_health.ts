/**
 * How the services of a deployment are: the running visor says it of what it reaches by its own sessions, a quiet
 * client says it of the rest, or of everything where no visor can (CL-4).
 *
 * @module
 */
import type { Io } from "../../lib/cli/mod.ts";
import { type ControlOutput, HEALTH_TIMEOUT_MS_MAX } from "../../lib/control/mod.ts";
import { parsePublicKey } from "../../lib/crypto/mod.ts";
import {
  type DmsgNetwork,
  healthOf,
  joinForHealth,
  type NetworkClient,
  serverHealth,
} from "../../lib/directory/mod.ts";
import { chosenNetworkOf, logOf, type NetworkOptions, throughVisor } from "../_look_up.ts";
import { postQuantumOf } from "../_post_quantum.ts";

/** One service by one way, and who asked it. */
export type HealthRow = ControlOutput<"serviceHealth">["rows"][number] & {
  readonly askedBy: "visor" | "client";
};

export interface AskHealthOptions extends NetworkOptions {
  /** For each question, in ms. */
  readonly timeout: number;
}

/** Beyond the time of its questions, for the visor to answer the command. */
const VISOR_ANSWER_MS = 1_000;

/** Looks at the services, one after the other; a client of its own is made when it is needed, and kept. */
export class HealthLooks implements AsyncDisposable {
  readonly #io: Io;
  readonly #options: AskHealthOptions;
  #client: { readonly network: DmsgNetwork; readonly client: NetworkClient } | undefined;

  constructor(io: Io, options: AskHealthOptions) {
    this.#io = io;
    this.#options = options;
  }

  /** Every service by every way, in the order of the deployment. */
  async look(signal: AbortSignal): Promise<HealthRow[]> {
    const { timeout: timeoutMs } = this.#options;
    const seen = await throughVisor(
      this.#io,
      this.#options,
      (call) => call("serviceHealth", { timeoutMs: Math.min(timeoutMs, HEALTH_TIMEOUT_MS_MAX) }),
      signal,
      timeoutMs + VISOR_ANSWER_MS,
    );
    if (seen !== undefined && seen.withoutSession.length === 0) return seen.rows.map(byVisor);
    const world = await this.#io.world();
    const { client, network } = this.#client ??= await this.#join();
    const asking = { world, network, timeoutMs, signal };
    if (seen === undefined) return (await healthOf(client, asking)).map(byClient);
    const servers = seen.withoutSession.map(({ publicKey, address }) => ({
      publicKey: parsePublicKey(publicKey),
      address,
    }));
    const others = await Promise.all(serverHealth(client, { ...asking, servers }));
    return [...seen.rows.map(byVisor), ...others.map(byClient)];
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client?.client.close();
  }

  async #join() {
    const [io, options] = [this.#io, this.#options];
    const world = await io.world();
    const network = await chosenNetworkOf(io, options);
    const client = joinForHealth({
      world,
      network,
      log: logOf(io, options, world),
      userAgent: `skyctl/${io.version}`,
      postQuantum: postQuantumOf(io, world, options),
    });
    return { network, client };
  }
}

function byVisor(row: Omit<HealthRow, "askedBy">): HealthRow {
  return { ...row, askedBy: "visor" };
}

function byClient(row: Omit<HealthRow, "askedBy">): HealthRow {
  return { ...row, askedBy: "client" };
}
