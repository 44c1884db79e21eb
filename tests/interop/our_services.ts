/** This project's own program as a whole deployment, and as a visor with a configuration of `conf gen`. @module */
import { textOf } from "./build.ts";
import type { Lab } from "./lab.ts";
import { inNamespace, PUBLIC_ADDRESS } from "./namespace.ts";
import type { OurBuild } from "./ours.ts";
import { runOurVisor } from "./ours_routes.ts";
import type { RouteVisor } from "./route_build.ts";
import type { ServiceBuild, ServiceVisorOptions, WholeDeployment } from "./service_build.ts";

export interface OurDeploymentOptions {
  /** Life of what is registered, dmsg entries too. Undefined: for ever, since a visor of 2024 registers once. */
  readonly entryTimeoutSeconds?: number;
}

export class OurServices implements ServiceBuild {
  readonly #lab: Lab;
  readonly #ours: OurBuild;

  constructor(lab: Lab, ours: OurBuild) {
    this.#lab = lab;
    this.#ours = ours;
  }

  async startDeployment({ entryTimeoutSeconds }: OurDeploymentOptions = {}): Promise<WholeDeployment> {
    const folder = this.#lab.path("deployment");
    const services = entryTimeoutSeconds === undefined
      ? ["--all", "--entry-timeout", "0"]
      : ["--config", await this.#runFile(entryTimeoutSeconds)];
    const program = this.#ours.start([
      ...["svc", "run", ...services, "--folder", folder, "--testing", "--free-ports", "--json"],
      ...["--host", inNamespace() ? PUBLIC_ADDRESS : "127.0.0.1"],
    ]);
    await program.said(/"event":"ready"/);
    const [, transportSetup] = await program.said(/"address":"([^"]+)".*"service":"transport-setup"/);
    const file = `${folder}/deployment.json`;
    const [all] = Object.values<Record<string, string>>(JSON.parse(await Deno.readTextFile(file)));
    return {
      file,
      services: all as unknown as WholeDeployment["services"],
      overDmsg: Object.fromEntries(Object.entries(all!).filter(([field]) => field.endsWith("_dmsg"))),
      transportSetup: transportSetup!,
      refreshUptimes: () => Promise.resolve(), // its list is never older than what it was told
      end: async () => void await program.end("SIGINT"),
    };
  }

  async startVisor({ services }: WholeDeployment, options: ServiceVisorOptions = {}): Promise<RouteVisor> {
    const home = this.#lab.path("home");
    await generateConfig(this.#ours, `${home}/visor.json`, ["--url", services.conf, "--http"], options);
    return await runOurVisor(this.#ours, home);
  }

  /** Every service, each with that life of what it keeps. */
  async #runFile(seconds: number): Promise<string> {
    const file = this.#lab.path("services.json");
    const keeping = ["dmsg-discovery", "transport-discovery", "address-resolver", "service-discovery"];
    const others = ["dmsg-server", "route-finder", "setup-node", "uptime-tracker", "transport-setup"];
    const services = [
      ...keeping.map((type) => ({ type, testing: true, entry_timeout: `${seconds}s` })),
      ...[...others, "config-bootstrapper"].map((type) => ({ type })),
    ];
    await Deno.writeTextFile(file, JSON.stringify({ services }));
    return file;
  }
}

/** A configuration of `conf gen`, with the services that `source` says. Gives what is in it. */
export async function generateConfig(
  ours: OurBuild,
  file: string,
  source: readonly string[],
  { isPublic = false, hasVpn = false, minHops = 1 }: ServiceVisorOptions,
) {
  const made = await ours.run([
    ...["conf", "gen", ...source, "--out", file, "--home", file.replace(/[^/]*$/, "")],
    ...["--autoconn", "--proxyserver"], // the first is "none of them"
    ...(isPublic ? ["--public"] : []),
    ...(hasVpn ? ["--servevpn"] : []),
  ]);
  textOf("skyctl conf gen", made);
  const set = await ours.run(["conf", "set", "routing.min_hops", `${minHops}`, "--config", file]);
  textOf("skyctl conf set", set);
  return JSON.parse(await Deno.readTextFile(file));
}
