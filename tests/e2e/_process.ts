/** Long-running `skyctl` processes: what they print is waited for, never slept for. @module */
import assert from "node:assert/strict";
import { RUN_ARGUMENTS } from "../cli/_run.ts";

/** A line is waited for no longer than this: a loaded machine is slow, a broken program silent. */
const LINE_MAX_MS = 30_000;
/** What a process may print in all before a test gives up on it. */
const OUTPUT_CHARACTERS_MAX = 1_000_000;

/** One running command; leaving its block ends it. */
export class Process implements AsyncDisposable {
  readonly #child: Deno.ChildProcess;
  readonly #stdout: Lines;
  readonly #stderr: Lines;
  #isOver = false;

  constructor(
    args: readonly string[],
    env: Record<string, string> = {},
    { before = [], program = RUN_ARGUMENTS }: {
      /** A command that runs it, `nohup` for one. */
      readonly before?: readonly string[];
      /** What deno is given to run; the sources unless told. */
      readonly program?: readonly string[];
    } = {},
  ) {
    const [command, ...rest] = [...before, Deno.execPath(), ...program, ...args];
    this.#child = new Deno.Command(command!, {
      args: rest,
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
      env: { NO_COLOR: "1", ...env },
    }).spawn();
    this.#stdout = new Lines(this.#child.stdout);
    this.#stderr = new Lines(this.#child.stderr);
    this.#child.status.then(() => this.#isOver = true);
  }

  /** The next line of stdout that matches. */
  async line(pattern: RegExp): Promise<string> {
    return await this.#within(this.#stdout.find(pattern), pattern);
  }

  /** The next line of stderr that matches. */
  async talk(pattern: RegExp): Promise<string> {
    return await this.#within(this.#stderr.find(pattern), pattern);
  }

  /** The next event of this name, of a command that was given `--json`. */
  async event(name: string): Promise<Record<string, string>> {
    return JSON.parse(await this.line(new RegExp(`"event":"${name}"`)));
  }

  /** Sends Ctrl-C (again). */
  interrupt(): void {
    this.#child.kill("SIGINT");
  }

  /** Tells it that its terminal was closed. */
  hangUp(): void {
    this.#child.kill("SIGHUP");
  }

  /** Halts it as it is, until it goes on or is ended. */
  freeze(): void {
    this.#child.kill("SIGSTOP");
  }

  /** After {@link freeze}. */
  goOn(): void {
    this.#child.kill("SIGCONT");
  }

  /** Waits for the end; tells how long it took from here. */
  async ended(): Promise<{ code: number; stdout: string; stderr: string; tookMs: number }> {
    const startedMs = performance.now();
    const { code } = await this.#within(this.#child.status, /its end/);
    await Promise.all([this.#stdout.over, this.#stderr.over]);
    const tookMs = performance.now() - startedMs;
    return { code, stdout: this.#stdout.text, stderr: this.#stderr.text, tookMs };
  }

  /** Nobody reads stdout any more. */
  async closeStdout(): Promise<void> {
    await this.#stdout.cancel();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#isOver) this.#child.kill("SIGKILL");
    await this.#child.status;
    await Promise.all([this.#stdout.over, this.#stderr.over]);
  }

  async #within<T>(promise: Promise<T>, what: RegExp): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const said = `stdout:\n${this.#stdout.text}\nstderr:\n${this.#stderr.text}`;
        reject(new Error(`${what} did not come within ${LINE_MAX_MS} ms\n${said}`));
      }, LINE_MAX_MS);
    });
    try {
      return await Promise.race([promise, late]);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Lines of a stream as they come; read on whether anybody waits or not, so that the writer never blocks. */
class Lines {
  text = "";
  readonly over: Promise<void>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #searchedTo = 0;
  #wake = Promise.withResolvers<void>();
  #isOver = false;

  constructor(stream: ReadableStream<Uint8Array>) {
    this.#reader = stream.getReader();
    this.over = this.#readAll();
  }

  async find(pattern: RegExp): Promise<string> {
    for (;;) {
      for (let end; (end = this.text.indexOf("\n", this.#searchedTo)) >= 0;) {
        const line = this.text.slice(this.#searchedTo, end);
        this.#searchedTo = end + 1;
        if (pattern.test(line)) return line;
      }
      if (this.#isOver) throw new Error(`${pattern} never came; it ended after:\n${this.text}`);
      await this.#wake.promise;
    }
  }

  async cancel(): Promise<void> {
    await this.#reader.cancel();
  }

  async #readAll(): Promise<void> {
    const decoder = new TextDecoder();
    for (;;) {
      const { value, done } = await this.#reader.read();
      if (done) break;
      this.text += decoder.decode(value, { stream: true });
      assert(this.text.length < OUTPUT_CHARACTERS_MAX, "A process prints without end");
      this.#wake.resolve();
      this.#wake = Promise.withResolvers();
    }
    this.#isOver = true;
    this.#wake.resolve();
  }
}

/** A folder that is removed with everything in it. */
export async function withFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "skyctl-e2e-" });
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** A port that was free a moment ago, for what must be told one. */
export function freePort(): number {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  listener.close();
  return port;
}

/** The SHA-256 of bytes, in hex. */
export async function hashOf(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)).toHex();
}
