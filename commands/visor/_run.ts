/** What `skyctl visor run` does and shows. @module */
import { type LogLevel, renderLogRecord } from "../../lib/base/mod.ts";
import { homeOf, type Io } from "../../lib/cli/mod.ts";
import { renderSocketAddress } from "../../lib/runtime/mod.ts";
import { runVisor } from "../../lib/visor/mod.ts";

export interface RunOptions {
  readonly local?: boolean | undefined;
  readonly deployment?: string | undefined;
  readonly config?: string | undefined;
  readonly control?: string | undefined;
  readonly home?: string | undefined;
  readonly logLevel?: LogLevel | undefined;
}

/** One line of `visor run --json`: what has just become true. */
export interface RunEvent {
  readonly event: "started" | "ready" | "stopped";
  readonly publicKey: string;
  readonly control?: string;
  readonly home?: string;
  readonly config?: string;
  readonly deployment?: string;
  readonly deploymentFile?: string | undefined;
}

/** Runs until Ctrl-C, `skyctl visor stop`, or the death of a part. */
export async function runVisorCommand(io: Io, options: RunOptions): Promise<void> {
  const { signal } = io;
  const world = await io.world();
  const home = homeOf(io, options);
  const running = await runVisor({
    world,
    version: io.version,
    home,
    local: options.local === true,
    deploymentFile: options.deployment,
    configFile: options.config,
    controlAddress: options.control,
    logLevel: options.logLevel,
    pid: io.pid,
    onStep: (step) => io.note(step),
    onRecord: (record) => {
      if (options.logLevel !== undefined || record.level === "warn" || record.level === "error") {
        io.note(renderLogRecord(record));
      }
    },
  });
  const { publicKey } = running.visor;
  const ending = new AbortController();
  const interrupted = new Promise<void>((resolve) =>
    signal.addEventListener("abort", () => resolve(), { once: true })
  );
  try {
    const started: RunEvent = {
      event: "started",
      publicKey,
      control: renderSocketAddress(running.control),
      home,
      config: running.configFile,
      deployment: running.network.name,
      deploymentFile: running.network.file,
    };
    io.emitEach(started, renderEvent);
    io.note("connecting to dmsg servers...");
    const ready = running.whenReady(ending.signal).then(() => {
      for (const { server, address } of running.visor.status().dmsg.sessions) {
        io.note(`session with dmsg server ${server} at ${address}`);
      }
      io.emitEach({ event: "ready", publicKey } satisfies RunEvent, renderEvent);
      if (!io.json) io.note("Ctrl-C stops it");
    }, () => {}); // ended before it was ready: said below
    const failure = await Promise.race([running.ended, interrupted]);
    ending.abort();
    await ready;
    if (failure !== undefined) throw failure;
  } finally {
    io.note("stopping...");
    await running.close();
    io.emitEach({ event: "stopped", publicKey } satisfies RunEvent, renderEvent);
  }
}

function renderEvent({ event, publicKey, control, deployment }: RunEvent): string {
  switch (event) {
    case "started":
      return `visor ${publicKey} on the ${deployment} network, control API on ${control}`;
    case "ready":
      return `ready: dmsg://${publicKey}:80`;
    case "stopped":
      return "stopped";
  }
}
