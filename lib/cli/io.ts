/**
 * `Io`: how a command talks. The answer goes to stdout once, everything else to stderr.
 *
 * A command never touches the process: it is given an Io, and a test gives it one over two strings.
 *
 * @module
 */
import type { World } from "../runtime/mod.ts";
import type { Progress } from "./progress.ts";
import type { Screen } from "./screen.ts";

/** The terminal, or what stands in for it. */
export interface Terminal {
  /** Writes to stdout; text goes out in call order. Throws when it cannot be taken, e.g. by a full disk. */
  out(text: string): void;
  /** Writes bytes to stdout, in call order with `out`; settles when they are taken. */
  outBytes(bytes: Uint8Array): Promise<void>;
  /** Writes to stderr. Never throws. */
  err(text: string): void;
  /** True when a person reads stdout. */
  readonly outIsTerminal: boolean;
  /** True when a person reads stderr: progress is drawn only then. */
  readonly errIsTerminal: boolean;
  /** Columns of the terminal, or undefined off a terminal. */
  columns(): number | undefined;
  /** Rows of the terminal, or undefined off a terminal. */
  rows(): number | undefined;
  /** A variable of the environment. */
  env(name: string): string | undefined;
  /** The number of this process. */
  readonly pid: number;
  /** Calls `handler` at Ctrl-C or a request to end. The first call of this takes the signal over. */
  onInterrupt(handler: () => void): void;
}

/** How a command talks. */
export interface Io {
  /** True with `--json`: results are JSON on stdout. */
  readonly json: boolean;
  /** True when a person reads stdout. */
  readonly isTerminal: boolean;
  /** Aborted at Ctrl-C, and when nobody reads stdout any more. */
  readonly signal: AbortSignal;
  /** The one result of a command: its JSON with `--json`, else the text that `render` makes of it. */
  emit<T>(result: T, render: (result: T) => string): void;
  /** One of many results that come over time: one line of JSON with `--json`, else the rendered line. */
  emitEach<T>(result: T, render: (result: T) => string): void;
  /** An answer that is bytes as they are, in pieces; the bytes are the caller's again when it settles. */
  emitBytes(bytes: Uint8Array): Promise<void>;
  /** Talk for a person, on stderr, one line. */
  note(text: string): void;
  /** A bar on stderr when that is a terminal, else silence. Ends with `done()`. */
  progress(label: string, options?: { readonly total?: number }): Promise<Progress>;
  /**
   * The whole terminal for a picture; undefined where there is none to draw on: a pipe, `--json`, `TERM=dumb`. Whoever
   * asks closes it.
   */
  screen(): Promise<Screen | undefined>;
  /** The system's world, made at the first call. */
  world(): Promise<World>;
  /** A variable of the environment. */
  env(name: string): string | undefined;
  /** The number of this process. */
  readonly pid: number;
  /** The version of this program. */
  readonly version: string;
}

/** What a process's Io is made of. */
export interface IoOptions {
  readonly json: boolean;
  readonly version: string;
  readonly terminal: Terminal;
  /** Called at most once. */
  readonly makeWorld: () => Promise<World>;
}

/** The answer could not be written; `cause` is the system's reason. Becomes an `OUTPUT` failure. */
export class UnwrittenError extends Error {}

/** An Io that its owner can interrupt. */
export class ProcessIo implements Io {
  readonly json: boolean;
  readonly version: string;
  readonly #terminal: Terminal;
  readonly #makeWorld: () => Promise<World>;
  readonly #controller = new AbortController();
  #listening = false;
  #answered: "nothing" | "lines" | "whole" = "nothing";
  #world: Promise<World> | undefined;
  #screen: Screen | undefined;

  constructor({ json, version, terminal, makeWorld }: IoOptions) {
    this.json = json;
    this.version = version;
    this.#terminal = terminal;
    this.#makeWorld = makeWorld;
  }

  get isTerminal(): boolean {
    return this.#terminal.outIsTerminal;
  }

  /** What stdout holds: after one whole result, a failure must add no second document to it. */
  get answered(): "nothing" | "lines" | "whole" {
    return this.#answered;
  }

  /** Whoever asks for the signal promises to end by it: until then Ctrl-C ends the process by itself. */
  get signal(): AbortSignal {
    if (!this.#listening) {
      this.#listening = true;
      this.#terminal.onInterrupt(() => this.interrupt());
    }
    return this.#controller.signal;
  }

  /** Aborts the signal, once; `reason` is the error that waiting work rejects with. */
  interrupt(reason: DOMException = new DOMException("Interrupted", "AbortError")): void {
    this.#controller.abort(reason);
  }

  emit<T>(result: T, render: (result: T) => string): void {
    this.#answered = "whole";
    this.#answer(this.json ? `${JSON.stringify(result, null, 2)}\n` : withLineEnd(render(result)));
  }

  emitEach<T>(result: T, render: (result: T) => string): void {
    this.#answered = "lines";
    this.#answer(this.json ? `${JSON.stringify(result)}\n` : withLineEnd(render(result)));
  }

  async emitBytes(bytes: Uint8Array): Promise<void> {
    try {
      await this.#terminal.outBytes(bytes);
    } catch (cause) {
      throw new UnwrittenError("Cannot write the answer to stdout", { cause });
    }
  }

  note(text: string): void {
    this.#terminal.err(withLineEnd(text));
  }

  async progress(label: string, options: { readonly total?: number } = {}): Promise<Progress> {
    const { drawProgress, silentProgress } = await import("./progress.ts");
    if (!this.#terminal.errIsTerminal) return silentProgress;
    const { clock } = await this.world();
    return drawProgress({
      label,
      total: options.total,
      columns: () => this.#terminal.columns() ?? 80,
      write: (text) => this.#terminal.err(text),
      nowMs: () => clock.monotonicMs(),
    });
  }

  async screen(): Promise<Screen | undefined> {
    const terminal = this.#terminal;
    if (this.json || !terminal.outIsTerminal || terminal.env("TERM") === "dumb") return undefined;
    const { Screen } = await import("./screen.ts");
    return this.#screen = new Screen({
      columns: () => terminal.columns(),
      rows: () => terminal.rows(),
      write: (text) => this.#answer(text),
    });
  }

  /** Gives the terminal back as it was, for a process that ends at once. */
  leaveScreen(): void {
    this.#screen?.close();
  }

  env(name: string): string | undefined {
    return this.#terminal.env(name);
  }

  get pid(): number {
    return this.#terminal.pid;
  }

  world(): Promise<World> {
    return this.#world ??= this.#makeWorld();
  }

  #answer(text: string): void {
    try {
      this.#terminal.out(text);
    } catch (cause) {
      throw new UnwrittenError("Cannot write the answer to stdout", { cause });
    }
  }
}

function withLineEnd(text: string): string {
  return text === "" || text.endsWith("\n") ? text : `${text}\n`;
}
