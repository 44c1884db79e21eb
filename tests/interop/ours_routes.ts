/** This project's own program as a network for transports and routes. @module */
import { textOf } from "./build.ts";
import { freePort, type Lab } from "./lab.ts";
import type { OurBuild } from "./ours.ts";
import type {
  Deployment,
  DeploymentServices,
  ListedTransport,
  RouteBuild,
  RouteVisor,
  RouteVisorOptions,
} from "./route_build.ts";

export class OurRoutes implements RouteBuild {
  readonly #lab: Lab;
  readonly #ours: OurBuild;

  constructor(lab: Lab, ours: OurBuild) {
    this.#lab = lab;
    this.#ours = ours;
  }

  /** All of it in one process, beside a visor that nobody asks. */
  async startDeployment(): Promise<Deployment> {
    const home = this.#lab.path("local");
    const program = this.#ours.start(
      ["visor", "run", "--local", "--home", home, "--control", "127.0.0.1:0", "--json"],
    );
    await program.said(/"event":"ready"/);
    const file = `${home}/local/deployment.json`;
    const [services] = Object.values<DeploymentServices>(JSON.parse(await Deno.readTextFile(file)));
    return { file, services: services!, end: async () => void await program.end("SIGINT") };
  }

  async startRouteVisor({ file }: Pick<Deployment, "file">, _: RouteVisorOptions): Promise<RouteVisor> {
    return await runOurVisor(this.#ours, this.#lab.path("home"), ["--deployment", file]);
  }
}

/** A visor in this home with skysocks on it, asked by our commands. */
export async function runOurVisor(
  ours: OurBuild,
  home: string,
  options: readonly string[] = [],
): Promise<RouteVisor> {
  const visor = ours.start(
    ["visor", "run", ...options, "--home", home, "--control", "127.0.0.1:0", "--json"],
  );
  const [, publicKey] = await visor.said(/"event":"ready","publicKey":"(\w+)"/);
  const command = async (...args: string[]) =>
    textOf(`skyctl ${args.slice(0, 2).join(" ")}`, await ours.run([...args, "--home", home]));
  await command("app", "start", "skysocks");
  return {
    publicKey: publicKey!,
    addTransport: async (key, type) => JSON.parse(await command("tp", "add", key, "-t", type, "--json")).id,
    removeTransport: async (id) => void await command("tp", "rm", id),
    transports: async (): Promise<ListedTransport[]> => JSON.parse(await command("tp", "ls", "--json")),
    ping: async (key, minHops) => {
      const { roundTripsMs, forward }: { roundTripsMs: number[]; forward: { to: string }[] } = JSON.parse(
        await command("visor", "ping", key, "-n", "3", "--min-hops", `${minHops}`, "--json"),
      );
      return { ms: Math.min(...roundTripsMs), way: forward.map(({ to }) => to) };
    },
    startProxy: async (key, minHops) => {
      const address = `127.0.0.1:${freePort()}`;
      await command("proxy", "start", "-k", key, "-a", address, "--min-hops", `${minHops}`);
      return address;
    },
    stopProxy: async () => void await command("proxy", "stop"),
    relayRules: async () => {
      const rules: { type: string }[] = JSON.parse(await command("route", "ls", "--json"));
      return rules.filter(({ type }) => type === "intermediary").length;
    },
    end: async () => void await visor.end("SIGINT"),
    kill: async () => void await visor.end("SIGKILL"),
  };
}
