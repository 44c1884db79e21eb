/**
 * The typed client of the control API.
 *
 * @module
 */
import { type Conn, TimedOutError } from "../base/mod.ts";
import { bodyLines, HttpClient, type HttpResponse } from "../http/mod.ts";
import { UnreachableError, withTimeout, type World } from "../runtime/mod.ts";
import { type ControlFile, NoVisorError, readControlFile } from "./file/mod.ts";
import { CONTROL_CALLS, type ControlInput, type ControlName, type ControlOutput } from "./schema.ts";
import {
  CONTROL_STREAMS,
  STREAM_SILENCE_MS,
  type StreamInput,
  type StreamLine,
  type StreamName,
} from "./streams.ts";
import { ControlAnswerError, ControlError, doctorHint } from "./errors.ts";
import { FETCH_PATH, type FetchInput } from "./fetch.ts";
import { fetchedAnswer } from "./fetched_body.ts";
import { z } from "zod";

/** One call, its answer included. Calls that reach into the network need more than a look at memory. */
export const CONTROL_TIMEOUT_MS = 60_000;
/** A call that the visor answers from memory: a process that takes longer is stopped, or busy with one thing. */
export const MEMORY_CALL_TIMEOUT_MS = 10_000;
const FROM_MEMORY: ReadonlySet<ControlName> = new Set<ControlName>([
  "status",
  "stop",
  "dmsgSessions",
  "transports",
  "routeRules",
  "routeGroups",
  "visorUptime",
  "counters",
  "apps",
]);
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

  /** One call. Errors: `NoVisorError` when nobody answers, `ControlError`, `ControlAnswerError`, `TimedOutError`. */
  async call<Name extends ControlName>(
    name: Name,
    input: ControlInput<Name>,
    signal?: AbortSignal,
  ): Promise<ControlOutput<Name>> {
    const { method, path, output } = CONTROL_CALLS[name];
    const query = method === "GET" ? new URLSearchParams(input as Record<string, string>).toString() : "";
    const url = this.#origin + path + (query === "" ? "" : `?${query}`);
    const what = `Call ${name} of the visor`;
    const afterMs = FROM_MEMORY.has(name) ? MEMORY_CALL_TIMEOUT_MS : CONTROL_TIMEOUT_MS;
    const limit = { what, afterMs, signal, hint: doctorHint(this.#home) };
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

  /**
   * The lines of a stream, until it ends in order: the visor stops. Leaving the loop, or the signal, ends it there too.
   * Errors as `call`; `TimedOutError` for a visor that is silent; those of a connection that breaks.
   */
  async *stream<Name extends StreamName>(
    name: Name,
    input: StreamInput<Name>,
    signal: AbortSignal,
  ): AsyncGenerator<StreamLine<Name>, void> {
    const { path, line: schema } = CONTROL_STREAMS[name];
    const left = new AbortController();
    const leave = () => left.abort(signal.reason);
    if (signal.aborted) leave();
    signal.addEventListener("abort", leave, { once: true });
    const { clock } = this.#world;
    const hint = doctorHint(this.#home);
    const silence = new TimedOutError(`Stream ${name} of the visor`, STREAM_SILENCE_MS, { hint });
    let timer = clock.timer(STREAM_SILENCE_MS, () => left.abort(silence));
    try {
      const response = await this.#begin(name, { path, input, signal: left.signal });
      for await (const text of bodyLines(response.bodyReader, ANSWER_BYTES_MAX)) {
        timer.cancel();
        timer = clock.timer(STREAM_SILENCE_MS, () => left.abort(silence));
        if (text === "{}") continue;
        const line = schema.safeParse(safeJson(text));
        if (!line.success) throw refused(name, 200, text);
        yield line.data as StreamLine<Name>;
      }
    } catch (error) {
      if (left.signal.aborted) throw left.signal.reason;
      throw error;
    } finally {
      timer.cancel();
      signal.removeEventListener("abort", leave);
      left.abort(new DOMException("Nobody reads on", "AbortError"));
    }
  }

  /**
   * One HTTP request over dmsg in the visor's name; resolves with the answer's head. Read the body to its end or discard
   * it. The signal ends the exchange, body included. Errors as `stream`, also those of reading the body; what fails
   * on the way to the node is a `ControlError`.
   */
  async fetch(input: FetchInput, signal: AbortSignal): Promise<HttpResponse> {
    const left = new AbortController();
    const leave = () => left.abort(signal.reason);
    if (signal.aborted) leave();
    signal.addEventListener("abort", leave, { once: true });
    const onDone = () => signal.removeEventListener("abort", leave);
    try {
      const response = await this.#begin("dmsgFetch", { path: FETCH_PATH, input, signal: left.signal });
      return await fetchedAnswer(input.url, response.bodyReader, {
        clock: this.#world.clock,
        hint: doctorHint(this.#home),
        leave: (reason) => left.abort(reason),
        left: () => left.signal.aborted ? left.signal.reason : undefined,
        onDone,
        failureOf: (text) => refused("dmsgFetch", 200, text),
      });
    } catch (error) {
      onDone();
      throw left.signal.aborted ? left.signal.reason : error;
    }
  }

  /** An answer that comes bit by bit, its body unread. Errors: what the visor says that it refuses. */
  async #begin(
    name: string,
    { path, input, signal }: { readonly path: string; readonly input: unknown; readonly signal: AbortSignal },
  ): Promise<HttpResponse> {
    const response = await this.#http.send({
      url: this.#origin + path,
      method: "POST",
      headers: this.#headers(),
      body: JSON.stringify(input),
    }, { signal });
    if (response.status === 200) return response;
    throw refused(name, response.status, await response.text(ANSWER_BYTES_MAX));
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
