/**
 * A place for programs: started, listened to, and all of them ended, whatever happens.
 *
 * @module
 */

/** A program that is asked to end gets so long: a visor waits 4 s for its transports. */
const END_MS = 8_000;
/** What is kept of each output: a progress bar can fill megabytes. */
const KEPT_CHARACTERS = 256 * 1024;

/** How a short command ended. */
export interface RunResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  readonly tookMs: number;
}

export interface ProgramOptions {
  readonly env?: Record<string, string>;
  readonly cwd?: string;
}

/** One running program. */
export class Program {
  readonly name: string;
  readonly exited: Promise<number>;
  readonly #child: Deno.ChildProcess;
  readonly #stdout: Output;
  readonly #stderr: Output;
  #isOver = false;

  constructor(name: string, command: string, args: readonly string[], { env, cwd }: ProgramOptions = {}) {
    this.name = name;
    this.#child = new Deno.Command(command, {
      args: [...args],
      cwd,
      env: { NO_COLOR: "1", ...env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#stdout = new Output(this.#child.stdout);
    this.#stderr = new Output(this.#child.stderr);
    this.exited = this.#child.status.then(async ({ code }) => {
      await Promise.all([this.#stdout.over, this.#stderr.over]);
      this.#isOver = true;
      return code;
    });
  }

  get stdout(): string {
    return this.#stdout.text;
  }

  get stderr(): string {
    return this.#stderr.text;
  }

  /** The first match in what it printed. Errors: it ended, or was silent for too long; both with its last words. */
  async said(pattern: RegExp, withinMs = 30_000): Promise<RegExpExecArray> {
    const find = () => pattern.exec(this.stdout) ?? pattern.exec(this.stderr) ?? undefined;
    return await poll(() => {
      const match = find();
      if (match === undefined && this.#isOver) throw new Error(`${this.name} ended: ${lastWords(this)}`);
      return match;
    }, { withinMs, what: () => `${this.name} did not say ${pattern}: ${lastWords(this)}` });
  }

  /** Asks it to end, then makes it. */
  async end(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    if (!this.#isOver) this.#kill(signal);
    const timer = setTimeout(() => this.#kill("SIGKILL"), END_MS);
    const code = await this.exited;
    clearTimeout(timer);
    return code;
  }

  #kill(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended in between
    }
  }
}

export interface LabOptions {
  /** The named network namespace in which its programs run. Default: this process's. */
  readonly namespace?: string;
  /** An address of this process that its programs reach. Default: loopback. */
  readonly hostname?: string;
}

/** Owns programs, a folder and a time limit. Leaving its block ends and removes everything. */
export class Lab implements AsyncDisposable {
  readonly folder: string;
  readonly #options: LabOptions;
  readonly #programs: Program[] = [];
  readonly #servers: Deno.HttpServer[] = [];
  #files = 0;
  #isOver = false;

  private constructor(folder: string, options: LabOptions) {
    this.folder = folder;
    this.#options = options;
  }

  static async open(options: LabOptions = {}): Promise<Lab> {
    return new Lab(await Deno.makeTempDir({ prefix: "skyctl-interop-" }), options);
  }

  /** True from the beginning of the end: nothing is started any more. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** A new path in the lab's folder. */
  path(name: string): string {
    return `${this.folder}/${++this.#files}-${name}`;
  }

  start(name: string, command: string, args: readonly string[], options: ProgramOptions = {}): Program {
    if (this.#isOver) throw new Error(`Cannot start ${name}: the end has begun`);
    const { namespace } = this.#options;
    const within = namespace === undefined ? [] : ["ip", "netns", "exec", namespace];
    const [first, ...rest] = [...within, command, ...args];
    const program = new Program(name, first!, rest, { cwd: this.folder, ...options });
    this.#programs.push(program);
    return program;
  }

  /** A command that ends by itself, or is ended. */
  async run(
    name: string,
    command: string,
    args: readonly string[],
    { withinMs = 40_000, ...options }: ProgramOptions & { readonly withinMs?: number } = {},
  ): Promise<RunResult> {
    const startedMs = performance.now();
    const program = this.start(name, command, args, options);
    const timer = setTimeout(() => void program.end("SIGKILL"), withinMs);
    const code = await program.exited;
    clearTimeout(timer);
    this.#programs.splice(this.#programs.indexOf(program), 1);
    return {
      code,
      stdout: program.stdout,
      stderr: program.stderr,
      tookMs: performance.now() - startedMs,
    };
  }

  /** A web server of this process, on any free port unless told. Returns its URL. */
  serve(
    handler: (request: Request) => Response | Promise<Response>,
    { port = 0 }: { readonly port?: number } = {},
  ): string {
    const { hostname = "127.0.0.1" } = this.#options;
    const server = Deno.serve({ hostname, port, onListen: () => {} }, handler);
    this.#servers.push(server);
    return `http://${hostname}:${server.addr.port}`;
  }

  /** Ends what was started, all at once: within seconds, whatever state it is in. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#programs.splice(0).map((program) => program.end()));
    await Promise.all(this.#servers.splice(0).map((server) => server.shutdown()));
    await Deno.remove(this.folder, { recursive: true }).catch((error) => {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    });
  }
}

/** Calls until something is given, every 50 ms unless told otherwise. What `look` throws is final. */
export async function poll<T>(
  look: () => T | undefined | Promise<T | undefined>,
  { withinMs, everyMs = 50, what }: {
    readonly withinMs: number;
    readonly everyMs?: number;
    readonly what: () => string;
  },
): Promise<T> {
  const endMs = performance.now() + withinMs;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (performance.now() > endMs) throw new Error(`${what()} (within ${withinMs} ms)`);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

/** A port that was free a moment ago. */
export function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return (listener.addr as Deno.NetAddr).port;
}

/** The end of what a program printed, in one line. */
export function lastWords({ stdout, stderr }: { readonly stdout: string; readonly stderr: string }): string {
  const words = `${stdout.slice(-300)} ${stderr.slice(-600)}`.replace(/\s+/g, " ").trim();
  return words === "" ? "it said nothing" : words;
}

/** The last of what a stream carried; read on whether anybody looks or not, so that the writer never blocks. */
class Output {
  text = "";
  readonly over: Promise<void>;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.over = this.#read(stream);
  }

  async #read(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    for await (const chunk of stream) {
      this.text = (this.text + decoder.decode(chunk, { stream: true })).slice(-KEPT_CHARACTERS);
    }
  }
}
