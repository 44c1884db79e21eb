/**
 * A role of a bench as a process of its own: the parent asks by lines of JSON, the child answers by one line each.
 *
 *     parent  { "do": "dial", "with": {...} }  -->  stdin of the child
 *             { "done": result } | { "failed": "why" }  <--  stdout
 *
 * A child ends with its stdin, so that nothing is left when the parent dies.
 *
 * @module
 */
import process from "node:process";

/** What a process has used so far, and holds now. */
export interface Usage {
  readonly cpuSeconds: number;
  readonly rssBytes: number;
  /** Undefined where only the system can be asked. */
  readonly heapBytes?: number;
  readonly handles: number;
}

/** Longest answer to wait for: a bench that hangs fails, it does not stay. */
const ANSWER_TIMEOUT_MS = 60_000;
/** From the end of its stdin to being killed. */
const END_TIMEOUT_MS = 3_000;

/** The parent's end of a role. Leaving its block ends the process, by force if need be. */
export class Child implements AsyncDisposable {
  readonly #process: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array>;
  readonly #lines: AsyncIterator<string>;

  /** Starts the role of a file beside this one, or of a URL; in a named network namespace, if one is given. */
  constructor(
    file: string,
    args: readonly string[] = [],
    { namespace }: { readonly namespace?: string } = {},
  ) {
    const within = namespace === undefined ? [] : ["ip", "netns", "exec", namespace];
    const [command, ...before] = [...within, Deno.execPath()];
    this.#process = new Deno.Command(command!, {
      args: [
        ...before,
        "run",
        "-A",
        "--no-check",
        "--v8-flags=--expose-gc",
        new URL(file, import.meta.url).href,
        ...args,
      ],
      stdin: "piped",
      stdout: "piped",
      stderr: "inherit",
    }).spawn();
    this.#input = this.#process.stdin.getWriter();
    this.#lines = lines(this.#process.stdout);
  }

  /** What the role's command `name` returns; rejects with what it throws. */
  async ask<T>(name: string, options: unknown = {}): Promise<T> {
    await this.#input.write(encoder.encode(`${JSON.stringify({ do: name, with: options })}\n`));
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) =>
      timer = setTimeout(() => reject(new Error(`No answer to ${name}`)), ANSWER_TIMEOUT_MS)
    );
    try {
      const { value, done } = await Promise.race([this.#lines.next(), late]);
      if (done) throw new Error(`A role of the bench ended before it answered ${name}`);
      const answer: { done?: T; failed?: string } = JSON.parse(value);
      if (answer.failed !== undefined) throw new Error(`${name}: ${answer.failed}`);
      return answer.done as T;
    } finally {
      clearTimeout(timer);
    }
  }

  usage(): Promise<Usage> {
    return this.ask("usage");
  }

  /** CPU time since its start; unlike {@link usage} it costs none. */
  cpuSeconds(): Promise<number> {
    return this.ask("cpuSeconds");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#input.close().catch(() => {}); // it may be gone already
    const timer = setTimeout(() => this.#process.kill("SIGKILL"), END_TIMEOUT_MS);
    await this.#process.status;
    clearTimeout(timer);
    await this.#lines.return?.();
  }
}

/** A command of a role: options in, a JSON value out. */
export type Command = (options: never) => unknown;

/** The child's end: serves commands, one after the other, until stdin ends; then the process ends. */
export async function serveCommands(commands: Readonly<Record<string, Command>>): Promise<never> {
  const all: Readonly<Record<string, Command>> = { usage: ownUsage, cpuSeconds: ownCpuSeconds, ...commands };
  for await (const line of lines(Deno.stdin.readable)) {
    const request: { do: string; with: never } = JSON.parse(line);
    const answer = await (async () => ({ done: await all[request.do]!(request.with) ?? null }))()
      .catch((error) => ({ failed: Deno.inspect(error) }));
    console.log(JSON.stringify(answer));
  }
  Deno.exit(0);
}

function ownCpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

/** After a full collection of garbage: only what is held counts. */
async function ownUsage(): Promise<Usage> {
  const cpuSeconds = ownCpuSeconds();
  const collect = (globalThis as { gc?: () => void }).gc!;
  for (let round = 0; round < 3; round++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const { heapUsed, rss } = Deno.memoryUsage();
  return {
    cpuSeconds,
    heapBytes: heapUsed,
    rssBytes: rss,
    handles: await handlesOf("self"),
  };
}

/** Usage of a process that is none of ours, as Linux tells it. */
export async function usageOf(pid: number): Promise<Usage> {
  const stat = await Deno.readTextFile(`/proc/${pid}/stat`);
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return {
    cpuSeconds: (Number(fields[11]) + Number(fields[12])) / CLOCK_TICKS_PER_SECOND,
    rssBytes: Number(/VmRSS:\s+([0-9]+) kB/.exec(status)?.[1]) * 1024,
    handles: await handlesOf(pid),
  };
}

/** Linux tells CPU times in these whatever its own clock is. */
const CLOCK_TICKS_PER_SECOND = 100;

async function handlesOf(pid: number | "self"): Promise<number> {
  if (Deno.build.os !== "linux") return 0;
  return (await Array.fromAsync(Deno.readDir(`/proc/${pid}/fd`))).length;
}

async function* lines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}

const encoder = new TextEncoder();
