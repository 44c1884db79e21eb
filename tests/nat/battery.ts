/**
 * Visors behind NATs: which pairs meet over sudph, with packets of the kernel, and what they carry then.
 *
 * @module
 */
import { Child } from "../bench/_child.ts";
import { SkipError } from "../interop/build.ts";
import { Lab, poll } from "../interop/lab.ts";
import { PUBLIC_ADDRESS } from "../interop/namespace.ts";
import { OurBuild } from "../interop/ours.ts";
import { OurRoutes } from "../interop/ours_routes.ts";
import type { Deployment, RouteVisor } from "../interop/route_build.ts";
import type { LineSettings } from "./line_role.ts";
import type { NatKind } from "./nat_rules.ts";
import { run, Segment, type Site, whyNoNetem } from "./segment.ts";

/** Of the file that is fetched through the proxy. */
export const FILE_BYTES = 8 * 1024 * 1024;
const FETCH_MS = 60_000;
const LISTED_MS = 10_000;

/** Two visors, and what is between them. */
export interface Meeting {
  /** Of the visor that dials; absent: none. */
  readonly dialler?: NatKind;
  readonly callee?: NatKind;
  /** What is done to packets: by the kernel, or by a process of ours. */
  readonly line?: LineSettings | "netem";
  /** False: they cannot, and have to say so; a dmsg transport carries the file. */
  readonly meets: boolean;
}

/** Bursts of lost packets, and some that are overtaken. */
const BAD_LINE: LineSettings = {
  seed: 1,
  delayMs: 20,
  lossPct: 3,
  burstPackets: 3,
  reorderPct: 1,
  reorderMs: 5,
};

export const MEETINGS: readonly Meeting[] = [
  { callee: "port-restricted", meets: true },
  { dialler: "port-restricted", meets: true },
  { dialler: "full-cone", callee: "full-cone", meets: true },
  { dialler: "restricted", callee: "restricted", meets: true },
  { dialler: "port-restricted", callee: "port-restricted", meets: true },
  { dialler: "symmetric", callee: "full-cone", meets: true },
  { dialler: "full-cone", callee: "symmetric", meets: true },
  { dialler: "symmetric", callee: "restricted", meets: true },
  { dialler: "restricted", callee: "symmetric", meets: true },
  { dialler: "symmetric", callee: "port-restricted", meets: false },
  { dialler: "symmetric", callee: "symmetric", meets: false },
  { dialler: "port-restricted", callee: "port-restricted", line: BAD_LINE, meets: true },
  { dialler: "port-restricted", callee: "port-restricted", line: "netem", meets: true },
];

export function titleOf({ dialler, callee, line }: Meeting): string {
  const how = line === undefined
    ? ""
    : line === "netem"
    ? ", tc netem 20 ms, 3 % lost"
    : `, a line of ${line.delayMs} ms, ${line.lossPct} % lost`;
  return `${dialler ?? "no NAT"} > ${callee ?? "no NAT"}${how}`;
}

/** What every meeting shares. */
export class NatBattery implements AsyncDisposable {
  private constructor(
    readonly stack: AsyncDisposableStack,
    readonly deployment: Pick<Deployment, "file">,
    readonly site: { readonly child: Child; readonly url: string; readonly hash: string },
    readonly version: string,
  ) {}

  static async open(lab: Lab, version: string): Promise<NatBattery> {
    await using stack = new AsyncDisposableStack();
    const network = stack.use(new Child("_network_role.ts"));
    const file = await network.ask<string>("start", { folder: lab.folder, hostname: PUBLIC_ADDRESS });
    const child = stack.use(new Child(WEB_ROLE));
    const options = { hostname: PUBLIC_ADDRESS, bytes: FILE_BYTES };
    const { port, hash } = await child.ask<{ port: number; hash: string }>("serve", options);
    const url = `http://${PUBLIC_ADDRESS}:${port}/file`;
    return new NatBattery(stack.move(), { file }, { child, url, hash }, version);
  }

  /** What was seen of a meeting that went as it has to. Errors: it did not; `SkipError`. */
  async meet({ dialler, callee, line, meets }: Meeting): Promise<string> {
    if ((dialler ?? callee) !== undefined && !await hasCommand("nft")) {
      throw new SkipError("nft is not on the PATH (Debian: nftables)");
    }
    if (line === "netem") {
      const why = await whyNoNetem();
      if (why !== undefined) throw new SkipError(why);
    }
    await using stack = new AsyncDisposableStack();
    const sites: readonly Site[] = [{ name: "a", nat: dialler }, { name: "b", nat: callee }];
    const impaired = line === "netem" ? undefined : line;
    const segment = stack.use(await Segment.open(sites, { line: impaired }));
    if (line === "netem") await segment.netem("delay", "20ms", "loss", "3%");
    const start = async ({ name }: Site): Promise<RouteVisor> => {
      const lab = stack.use(await Lab.open({ namespace: name }));
      const build = new OurBuild(lab, this.version, "offer");
      return await new OurRoutes(lab, build).startRouteVisor(this.deployment, { minHops: 1 });
    };
    const [a, b] = await Promise.all([start(sites[0]!), start(sites[1]!)]);
    if (!meets) {
      const startedMs = performance.now();
      const failure = await a.addTransport(b.publicKey, "sudph").then(() => undefined, (error) => error);
      if (failure === undefined) throw new Error("They met, which these NATs do not allow");
      const seconds = ((performance.now() - startedMs) / 1_000).toFixed(1);
      await a.addTransport(b.publicKey, "dmsg");
      return `refused after ${seconds} s (${failure.message.slice(0, 120)}); by dmsg ${await this.#fetch(
        a,
        b,
      )}`;
    }
    const startedMs = performance.now();
    const id = await a.addTransport(b.publicKey, "sudph");
    const dialMs = Math.round(performance.now() - startedMs);
    const isListed = async () => (await b.transports()).some((each) => each.id === id) || undefined;
    await poll(isListed, { withinMs: LISTED_MS, what: () => "the callee does not list it" });
    const { ms } = await a.ping(b.publicKey, 1);
    const fetched = await this.#fetch(a, b);
    const types = (await a.transports()).map(({ type }) => type);
    if (types.join() !== "sudph") throw new Error(`There are other transports: ${types}`);
    for (const { name, nat } of sites) {
      if (nat === undefined) continue;
      const bytes = await segment.translatedBytes(name);
      if (bytes < (name === "a" ? FILE_BYTES : 1)) throw new Error(`NAT ${name} passed ${bytes} bytes only`);
    }
    return `met after ${dialMs} ms, ping ${ms.toFixed(1)} ms, ${fetched}`;
  }

  async #fetch(a: RouteVisor, b: RouteVisor): Promise<string> {
    const proxy = await a.startProxy(b.publicKey, 1);
    await using reader = new Child(WEB_ROLE, [], { namespace: "a" });
    const { hash, bytes, seconds } = await reader.ask<{ hash: string; bytes: number; seconds: number }>(
      "get",
      {
        proxy,
        url: this.site.url,
        withinMs: FETCH_MS,
      },
    );
    if (hash !== this.site.hash) throw new Error(`SHA-256 is ${hash}, of ${bytes} bytes`);
    return `${(bytes / 1e6 / seconds).toFixed(1)} MB/s, SHA-256 ${hash.slice(0, 16)}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack.disposeAsync();
  }
}

const WEB_ROLE = new URL("./web_role.ts", import.meta.url).href;

async function hasCommand(name: string): Promise<boolean> {
  try {
    await run(name, "--version");
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
