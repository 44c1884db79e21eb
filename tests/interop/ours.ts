/** This project's own program as a part of a network. @module */
import { skyctlArguments } from "./skyctl_arguments.ts";
import type { Build, Place, RunningServer, RunningVisor } from "./build.ts";
import { textOf } from "./build.ts";
import { type Lab, type Program, type RunResult } from "./lab.ts";

/** Of our side; `require` is said as an operator says it, in the environment. */
export type OurMode = "offer" | "off" | "require";

/** `skyctl`, from the sources. */
export class OurBuild implements Build {
  readonly version: string;
  readonly hasHybrid: boolean;
  readonly #lab: Lab;
  readonly #mode: OurMode;

  constructor(lab: Lab, version: string, mode: OurMode) {
    this.version = version;
    this.hasHybrid = mode !== "off";
    this.#lab = lab;
    this.#mode = mode;
  }

  /** The same program with another mode. */
  with(mode: OurMode): OurBuild {
    return new OurBuild(this.#lab, this.version, mode);
  }

  start(args: readonly string[]): Program {
    return this.#lab.start(`skyctl ${args.slice(0, 3).join(" ")}`, Deno.execPath(), this.#arguments(args), {
      env: this.#env,
    });
  }

  async run(args: readonly string[], withinMs?: number): Promise<RunResult> {
    return await this.#lab.run(
      `skyctl ${args.slice(0, 2).join(" ")}`,
      Deno.execPath(),
      this.#arguments(args),
      {
        env: this.#env,
        withinMs,
      },
    );
  }

  async startDiscovery() {
    // Without a key it has no handshakes, so no mode either.
    const program = this.#lab.start("skyctl svc run dmsg-discovery", Deno.execPath(), [
      ...skyctlArguments(),
      ...["svc", "run", "dmsg-discovery", "--test-mode", "--addr", "127.0.0.1:0", "--json"],
    ]);
    const [, url] = await program.said(/"event":"listening","address":"([^"]+)"/);
    return { url: url!, end: async () => void await program.end("SIGINT") };
  }

  async startServer(
    discovery: string,
    config = this.#lab.path("server.json"),
    listen = "127.0.0.1:0",
  ): Promise<RunningServer & { readonly program: Program; readonly config: string }> {
    const program = this.start([
      ...["dmsg", "server", "run", config, "--discovery", discovery, "--http-registration"],
      ...["--listen", listen, "--health", "none", "--json", "--log-level", "info"],
    ]);
    const [, publicKey] = await program.said(/"event":"listening","publicKey":"(\w+)"/);
    const [, address] = await program.said(/"event":"listening".*"address":"([^"]+)"/);
    return {
      publicKey: publicKey!,
      address: address!,
      program,
      config,
      sessionWith: async (client) => {
        const line = await program.said(new RegExp(`Session established.*${client}.*`));
        return { isHybrid: /post_quantum="?true/.test(line[0]) };
      },
      end: async () => void await program.end("SIGINT"),
    };
  }

  async startVisor({ deploymentFile }: Place, site: string): Promise<RunningVisor> {
    const home = this.#lab.path("home");
    const visor = this.start(
      ["visor", "run", "--deployment", deploymentFile, "--home", home, "--control", "127.0.0.1:0", "--json"],
    );
    const [, publicKey] = await visor.said(/"event":"ready","publicKey":"(\w+)"/);
    const serving = this.start(["dmsg", "serve", site, "--home", home, "--json"]);
    await serving.said(/"event":"serving"/);
    // Sessions, pings and entries are asked of the visor; a request dials by a client of its own.
    const command = async (...args: string[]) =>
      textOf(`skyctl ${args.slice(0, 2).join(" ")}`, await this.run([...args, "--home", home]));
    return {
      publicKey: publicKey!,
      sessionIsHybrid: async (server) => {
        const sessions: { server: string; postQuantum: boolean }[] = JSON.parse(
          await command("dmsg", "sessions", "--json"),
        );
        const session = sessions.find((each) => each.server === server);
        if (session === undefined) throw new Error(`No session with ${server}: ${JSON.stringify(sessions)}`);
        return session.postQuantum;
      },
      warnedOfDowngrade: (server) => new RegExp(`DOWNGRADE.*${server}`).test(visor.stderr),
      ping: async (key) =>
        JSON.parse(await command("dmsg", "ping", key, "-n", "3", "--json")).roundTripsMs.at(-1),
      get: (url) => command("dmsg", "curl", url),
      download: async (url, file) => void await command("dmsg", "curl", url, "-o", file),
      delegatedServers: async (key) =>
        JSON.parse(await command("dmsg", "entry", key, "--json")).client?.delegatedServers ?? [],
      end: async () => {
        await serving.end("SIGINT");
        await visor.end("SIGINT");
      },
    };
  }

  #arguments(args: readonly string[]): string[] {
    const mode = takesMode(args) && this.#mode !== "require" ? ["--post-quantum", this.#mode] : [];
    return [...skyctlArguments(), ...args, ...mode];
  }

  get #env(): Record<string, string> {
    return { SKYWIRE_REQUIRE_PQ: this.#mode === "require" ? "1" : "" };
  }
}

/** Whether a command has handshakes of its own: the others ask the running visor. */
function takesMode([noun, verb]: readonly string[]): boolean {
  return (noun === "dmsg" && verb !== "sessions") || COMMANDS_WITH_MODE.has(`${noun} ${verb}`);
}

const COMMANDS_WITH_MODE: ReadonlySet<string> = new Set([
  "visor run",
  "svc run",
  "svc health",
  "tp disc",
  "route find",
  "conf gen",
  "conf pull",
]);
