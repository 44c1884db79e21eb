/** What `skyctl visor run` does and shows. @module */
import { type LogLevel, renderLogRecord } from "../../lib/base/mod.ts";
import { homeOf, type Io } from "../../lib/cli/mod.ts";
import { renderSocketAddress } from "../../lib/runtime/mod.ts";
import { runVisor, type Visor } from "../../lib/visor/mod.ts";
import { postQuantumOf } from "../_post_quantum.ts";
import type { PostQuantumOptions } from "../post_quantum_option.ts";
import { untilInterrupt } from "../_until_interrupt.ts";

export interface RunOptions extends PostQuantumOptions {
  readonly local?: boolean | undefined;
  readonly visors?: number | undefined;
  readonly deployment?: string | undefined;
  readonly config?: string | undefined;
  readonly control?: string | undefined;
  readonly home?: string | undefined;
  readonly logLevel?: LogLevel | undefined;
}

/** One line of `visor run --json`: what has just become true. */
export type RunEvent =
  | {
    readonly event: "started";
    readonly publicKey: string;
    readonly control: string;
    readonly home: string;
    readonly config: string;
    readonly deployment: string;
    readonly deploymentFile: string | undefined;
  }
  | { readonly event: "visor"; readonly publicKey: string; readonly home: string }
  | { readonly event: "session"; readonly server: string; readonly address: string }
  | { readonly event: "published"; readonly sequence: string | undefined }
  | { readonly event: "ready"; readonly publicKey: string }
  | { readonly event: "stopped"; readonly publicKey: string };

/** Runs until Ctrl-C, `skyctl visor stop`, or the death of a part. */
export async function runVisorCommand(io: Io, options: RunOptions): Promise<void> {
  void io.signal; // from here on Ctrl-C ends in order
  const world = await io.world();
  const tell = (event: RunEvent) => io.emitEach(event, renderEvent);
  let progress: StartProgress | undefined;
  const running = await runVisor({
    world,
    version: io.version,
    home: homeOf(io, options),
    local: options.local === true,
    visors: options.visors,
    deploymentFile: options.deployment,
    configFile: options.config,
    controlAddress: options.control,
    logLevel: options.logLevel,
    pid: io.pid,
    postQuantum: postQuantumOf(io, world, options),
    onStep: (step) => io.note(step),
    onChange: () => progress?.look(),
    onRecord: (record) => {
      if (options.logLevel !== undefined || record.level === "warn" || record.level === "error") {
        io.note(renderLogRecord(record));
      }
    },
  });
  const { publicKey } = running.visor;
  try {
    tell({
      event: "started",
      publicKey,
      control: renderSocketAddress(running.control),
      home: running.home,
      config: running.configFile,
      deployment: running.network.name,
      deploymentFile: running.network.file,
    });
    for (const { visor, home } of running.others) tell({ event: "visor", publicKey: visor.publicKey, home });
    if (!io.json) io.note("connecting to dmsg servers...");
    progress = new StartProgress(running.visor, tell);
    progress.look();
    await untilInterrupt(io, running.ended);
  } finally {
    progress = undefined;
    if (!io.json) io.note("stopping...");
    await running.close();
    tell({ event: "stopped", publicKey });
  }
}

/** Tells each step once, when it first becomes true. A session may well come after readiness, which one suffices for. */
export class StartProgress {
  readonly #visor: Pick<Visor, "status">;
  readonly #tell: (event: RunEvent) => void;
  readonly #servers = new Set<string>();
  #isPublished = false;
  #isReady = false;

  constructor(visor: Pick<Visor, "status">, tell: (event: RunEvent) => void) {
    this.#visor = visor;
    this.#tell = tell;
  }

  look(): void {
    const { ready, publicKey, dmsg: { sessions, entry } } = this.#visor.status();
    for (const { server, address } of sessions) {
      if (!this.#servers.has(server)) this.#tell({ event: "session", server, address });
      this.#servers.add(server);
    }
    if (entry.published && !this.#isPublished) {
      this.#isPublished = true;
      this.#tell({ event: "published", sequence: entry.sequence });
    }
    if (ready && !this.#isReady) {
      this.#isReady = true;
      this.#tell({ event: "ready", publicKey });
    }
  }
}

function renderEvent(event: RunEvent): string {
  switch (event.event) {
    case "started":
      return `visor ${event.publicKey} on the ${event.deployment} network, control API on ${event.control}`;
    case "visor":
      return `visor ${event.publicKey} beside it, home ${event.home}`;
    case "session":
      return `session with dmsg server ${event.server} at ${event.address}`;
    case "published":
      return "others find this visor: its entry is in the discovery";
    case "ready":
      return `ready: dmsg://${event.publicKey}:80 (Ctrl-C stops it)`;
    case "stopped":
      return "stopped";
  }
}
