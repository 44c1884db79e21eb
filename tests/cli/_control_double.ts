/** A visor's control API with answers that a test gives, and `skyctl` on it in this process. @module */
import { silentLog } from "../../lib/base/mod.ts";
import { failureOf, renderFailure, renderFailureJson } from "../../lib/cli/failure.ts";
import { ProcessIo } from "../../lib/cli/mod.ts";
import { writeControlFile } from "../../lib/control/mod.ts";
import { serveHttp } from "../../lib/http/mod.ts";
import type { World } from "../../lib/runtime/mod.ts";
import { buildTree } from "../../commands/mod.ts";
import {
  type ControlActions,
  controlHandler,
  type FetchAction,
  type StreamActions,
} from "../../lib/visor/control_server.ts";
import { withSimulation } from "../support/world.ts";
import { FakeTerminal } from "./_fakes.ts";
import type { RunResult } from "./_run.ts";

/**
 * Verbs load what they need when they run. Loading takes real time, of which a simulation knows nothing: it would see
 * a test that waits for nothing. So everything is loaded before one begins.
 */
async function loadVerbs(folder: URL): Promise<void> {
  for await (const { name, isDirectory } of Deno.readDir(folder)) {
    const at = new URL(isDirectory ? `${name}/` : name, folder);
    if (isDirectory) {
      await loadVerbs(at);
      continue;
    }
    for (const [, path] of (await Deno.readTextFile(at)).matchAll(/\bimport\(\s*"(\.[^"]+)"/g)) {
      await import(new URL(path!, at).href);
    }
  }
}
await loadVerbs(new URL("../../commands/", import.meta.url));
await import("../../lib/cli/progress.ts");
await import("../../lib/cli/screen.ts");

const HOME = "/home";
const TOKEN = "ab".repeat(32);
/** The visor's key. */
export const HERE = "02".padEnd(66, "a");

/** What a test does with it. */
export interface Double {
  /** One command line, carried out as `main.ts` does; `--home` is added. */
  run(...argv: string[]): Promise<RunResult>;
  /** One of a verb that has no home, or with an environment. */
  plain(argv: readonly string[], environment?: Readonly<Record<string, string>>): Promise<RunResult>;
  /** The same, with Ctrl-C after `ms` of virtual time. */
  interrupted(ms: number, ...argv: string[]): Promise<RunResult>;
  /** The same on a terminal of this size. */
  onTerminal(
    terminal: { readonly columns: number; readonly rows: number; readonly interruptMs: number },
    argv: readonly string[],
  ): Promise<RunResult>;
  readonly nowMs: () => number;
  /** The machine. */
  readonly world: World;
}

/** What stands beside the visor on its machine: a network, say, that its deployment file names. */
export interface Beside extends AsyncDisposable {
  readonly deploymentFile: string;
}

/**
 * Runs `test` beside a visor whose control API answers with `actions`; a call that is not given is a defect. Without
 * `actions` no visor runs there.
 */
export function withControlDouble(
  actions: Partial<ControlActions> | undefined,
  test: (double: Double) => Promise<void>,
  { streams = {}, fetch = noFetch, setUp }: {
    readonly streams?: Partial<StreamActions>;
    readonly fetch?: FetchAction;
    readonly setUp?: (world: World) => Promise<Beside>;
  } = {},
): Promise<void> {
  return withSimulation(1, async (simulation) => {
    const world = simulation.node("visor");
    await simulation.run(async () => {
      await using beside = await setUp?.(world) ?? undefined;
      const listener = await world.network.listen({ hostname: "127.0.0.1", port: 0 });
      const handler = controlHandler({
        token: TOKEN,
        actions: (actions ?? {}) as ControlActions,
        streams: streams as StreamActions,
        fetch,
        stopping: new AbortController().signal,
        log: silentLog,
        every: () => () => {},
      });
      const server = serveHttp(listener, handler, { world });
      await world.files.makeDirectory(HOME);
      await writeControlFile(world.files, HOME, {
        address: listener.address,
        token: TOKEN,
        publicKey: HERE,
        pid: 1,
        deploymentFile: beside?.deploymentFile,
      });
      if (actions === undefined) await server.close(); // its file is left behind, as after a crash

      async function run(
        terminal: FakeTerminal,
        argv: readonly string[],
        given = withHome(argv),
      ): Promise<RunResult> {
        const io = new ProcessIo({
          json: argv.includes("--json"),
          version: "1.2.3",
          terminal,
          makeWorld: () => Promise.resolve(world),
        });
        let code = 0;
        try {
          const tree = await buildTree({ argv, io, version: "1.2.3" });
          await tree.parseAsync(given, { from: "user" });
        } catch (error) {
          const failure = failureOf(error);
          code = failure.exitCode;
          io.note(renderFailure(failure));
          if (io.json && io.answered !== "whole") {
            terminal.out(renderFailureJson(failure, { oneLine: io.answered === "lines" }));
          }
        }
        return { code, stdout: terminal.stdout, stderr: terminal.stderr };
      }

      async function interruptedOn(
        terminal: FakeTerminal,
        ms: number,
        argv: readonly string[],
      ): Promise<RunResult> {
        const timer = world.clock.timer(ms, () => terminal.interrupt());
        try {
          return await run(terminal, argv);
        } finally {
          timer.cancel();
        }
      }

      await test({
        run: (...argv) => run(new FakeTerminal(), argv),
        plain(argv, environment = {}) {
          const terminal = new FakeTerminal();
          Object.assign(terminal.environment, environment);
          return run(terminal, argv, [...argv]);
        },
        interrupted: (ms, ...argv) => interruptedOn(new FakeTerminal(), ms, argv),
        onTerminal({ columns, rows, interruptMs }, argv) {
          const terminal = new FakeTerminal({ outIsTerminal: true, errIsTerminal: true });
          terminal.size = { columns, rows };
          return interruptedOn(terminal, interruptMs, argv);
        },
        nowMs: () => world.clock.monotonicMs(),
        world,
      });
      await server.close();
    });
  });
}

const noFetch: FetchAction = () => Promise.reject(new TypeError("Nothing is fetched here"));

/** Options end at `--`. */
function withHome(argv: readonly string[]): string[] {
  const end = argv.indexOf("--");
  return end < 0 ? [...argv, "--home", HOME] : argv.toSpliced(end, 0, "--home", HOME);
}
