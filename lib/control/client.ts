/**
 * The typed client of the control API.
 *
 * @module
 */
import type { Conn } from "../base/mod.ts";
import { type BodyReader, HttpClient } from "../http/mod.ts";
import { UnreachableError, withTimeout, type World } from "../runtime/mod.ts";
import { type ControlFile, NoVisorError, readControlFile } from "./file/mod.ts";
import {
  CONTROL_CALLS,
  type ControlInput,
  type ControlName,
  type ControlOutput,
  SERVE_PATH,
} from "./schema.ts";
import { ControlAnswerError, ControlError } from "./errors.ts";
import { z } from "zod";

/** One call, its answer included. Calls that reach into the network need more than a look at memory. */
export const CONTROL_TIMEOUT_MS = 60_000;
const ANSWER_BYTES_MAX = 8 * 1024 * 1024;

const errorBody = z.object({
  error: z.object({
    code: z.string(),
    fault: z.enum(["caller", "peer", "world"]),
    message: z.string(),
    hint: z.string().optional(),
  }),
});

export class ControlClient {
  readonly #http: HttpClient;
  readonly #world: Pick<World, "clock" | "ledger" | "network">;
  readonly #origin: string;
  readonly #home: string;

  constructor(
    readonly control: ControlFile,
    home: string,
    world: Pick<World, "clock" | "ledger" | "network">,
  ) {
    const { hostname, port } = control.address;
    this.#home = home;
    this.#world = world;
    this.#origin = `http://${hostname.includes(":") ? `[${hostname}]` : hostname}:${port}`;
    this.#http = new HttpClient({
      clock: world.clock,
      ledger: world.ledger,
      userAgent: "skyctl",
      dial: (_authority, signal) => this.#dial(signal),
    });
  }

  /** The client for the visor of `home`. Errors: `NoVisorError` when no control file is there. */
  static async open(
    home: string,
    world: Pick<World, "clock" | "ledger" | "network" | "files">,
  ): Promise<ControlClient> {
    return new ControlClient(await readControlFile(world.files, home), home, world);
  }

  /** One call. Errors: `NoVisorError` when nobody answers, `ControlError`, `ControlAnswerError`, timed out. */
  async call<Name extends ControlName>(
    name: Name,
    input: ControlInput<Name>,
    signal?: AbortSignal,
  ): Promise<ControlOutput<Name>> {
    const { method, path, output } = CONTROL_CALLS[name];
    const query = method === "GET" ? new URLSearchParams(input as Record<string, string>).toString() : "";
    const url = this.#origin + path + (query === "" ? "" : `?${query}`);
    const limit = { what: `Call ${name} of the visor`, afterMs: CONTROL_TIMEOUT_MS, signal };
    return await withTimeout(this.#world.clock, limit, async (ended) => {
      const response = await this.#http.send({
        url,
        method,
        headers: this.#headers(),
        body: method === "POST" ? JSON.stringify(input) : undefined,
      }, { signal: ended });
      const text = await response.text(ANSWER_BYTES_MAX);
      if (response.status !== 200) throw refused(name, response.status, text);
      const answer = output.safeParse(safeJson(text));
      if (answer.success) return answer.data as ControlOutput<Name>;
      throw new ControlAnswerError(`The visor answered call ${name} with what is none of its answers`, {
        hint: "stop it, and run one of this version",
      });
    });
  }

  /** Serves a folder for as long as the returned body is read; cancelling it, or our end, ends the serving. */
  async serve(input: { folder: string; port: number }, signal: AbortSignal): Promise<BodyReader> {
    const response = await this.#http.send({
      url: this.#origin + SERVE_PATH,
      method: "POST",
      headers: this.#headers(),
      body: JSON.stringify(input),
    }, { signal });
    if (response.status === 200) return response.bodyReader;
    throw refused("serve", response.status, await response.text(ANSWER_BYTES_MAX));
  }

  async close(): Promise<void> {
    await this.#http.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #headers(): [string, string][] {
    return [["Authorization", `Bearer ${this.control.token}`], ["Content-Type", "application/json"]];
  }

  async #dial(signal: AbortSignal | undefined): Promise<Conn> {
    try {
      return await this.#world.network.dial(this.control.address, { signal });
    } catch (cause) {
      // The file outlived its visor.
      if (cause instanceof UnreachableError) throw new NoVisorError(this.#home, { cause });
      throw cause;
    }
  }
}

function refused(name: string, status: number, text: string): ControlError | ControlAnswerError {
  const parsed = errorBody.safeParse(safeJson(text));
  if (!parsed.success) {
    return new ControlAnswerError(`The visor answered call ${name} with status ${status} and no reason`);
  }
  const { code, fault, message, hint } = parsed.data.error;
  return new ControlError(message, status, code, fault, { hint });
}

function safeJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
