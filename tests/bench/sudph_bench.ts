/**
 * What a SOCKS connection gets through a route over one sudph transport, on lines of different quality: between two
 * of ours, and with `--peer` between every pair of ours and a `skywire` program.
 *
 * Each visor is in a network namespace of its own, on a public address, and meets others and the resolver over a
 * line that delays all packets, and loses and reorders those of UDP (`tests/nat/line_role.ts`). A delay is that of
 * a round trip. Needs root on Linux, `ip`, `unshare` and `/dev/net/tun`; elsewhere there are no rows.
 *
 * @module
 */
import { Lab } from "../interop/lab.ts";
import { canMakeNamespace, inNamespace, outputInNamespace, PUBLIC_ADDRESS } from "../interop/namespace.ts";
import { OurBuild } from "../interop/ours.ts";
import { OurRoutes } from "../interop/ours_routes.ts";
import { PeerBuild } from "../interop/peer.ts";
import { PeerRoutes } from "../interop/peer_routes.ts";
import type { Deployment, RouteVisor } from "../interop/route_build.ts";
import type { LineSettings } from "../nat/line_role.ts";
import { run, Segment } from "../nat/segment.ts";
import type { Flow } from "../nat/web_role.ts";
import type { BenchOptions, BenchRow } from "../../scripts/bench.ts";
import { Child, usageOf } from "./_child.ts";

/** Until a window has grown as far as it will. */
const WARM_UP_MS = 2_500;
const MEASURED_MS = 4_000;
const ROUND_TRIPS_MS = [20, 100];
const LOSSES_PCT = [0, 1, 3];
const WEB_ROLE = new URL("../nat/web_role.ts", import.meta.url).href;

function lineOf(roundTripMs: number, lossPct: number): LineSettings {
  const delay = { seed: 1, delayMs: roundTripMs / 2 };
  return lossPct === 0 ? delay : { ...delay, lossPct, burstPackets: 2, reorderPct: 1, reorderMs: 3 };
}

interface Member {
  readonly namespace: string;
  readonly visor: RouteVisor;
}

export default async function sudphBench({ peer }: BenchOptions): Promise<readonly BenchRow[]> {
  if (inNamespace()) return await measureAll(peer);
  if (!await canMakeNamespace()) {
    console.error("sudph: skipped, needs root on Linux, unshare and ip");
    return [];
  }
  const args = ["run", "-A", "--no-check", import.meta.filename!, JSON.stringify({ peer })];
  return JSON.parse((await outputInNamespace(Deno.execPath(), args)).trimEnd().split("\n").at(-1)!);
}

async function measureAll(peerPath: string | undefined): Promise<BenchRow[]> {
  await using stack = new AsyncDisposableStack();
  const names = peerPath === undefined ? ["our1", "our2"] : ["our1", "our2", "peer1", "peer2"];
  const easy: LineSettings = { seed: 1, delayMs: 0 };
  const segment = stack.use(await Segment.open(names.map((name) => ({ name })), { line: easy }));
  const own = stack.use(await Lab.open());
  const network = stack.use(new Child("_network_role.ts"));
  const file = await network.ask<string>("start", { folder: own.folder, hostname: PUBLIC_ADDRESS });
  const [services] = Object.values<Deployment["services"]>(JSON.parse(await Deno.readTextFile(file)));
  const start = async (namespace: string): Promise<Member> => {
    const lab = stack.use(await Lab.open({ namespace, hostname: PUBLIC_ADDRESS }));
    const routes = namespace.startsWith("our")
      ? new OurRoutes(lab, new OurBuild(lab, "bench", "offer"))
      : new PeerRoutes(lab, await PeerBuild.open(lab, peerPath!));
    const deployment = { file, services: services!, end: () => Promise.resolve() };
    return { namespace, visor: await routes.startRouteVisor(deployment, { minHops: 1 }) };
  };
  const members = await Promise.all(names.map(start));
  const [our1, our2, peer1, peer2] = members;
  const pairs = peerPath === undefined ? [[our2!, our1!]] as const : [
    [our2!, our1!],
    [our2!, peer1!],
    [peer2!, our1!],
    [peer2!, peer1!],
  ] as const;
  const rows: BenchRow[] = [];
  for (const [from, to] of pairs) {
    const pair = new Pair(from, to, `sudph, ${sideOf(from)} to ${sideOf(to)}`);
    rows.push(...await pair.measure(segment));
  }
  return rows;
}

/** Bytes go from the first to the second, who dialled. */
class Pair {
  constructor(readonly from: Member, readonly to: Member, readonly name: string) {}

  async measure(segment: Segment): Promise<BenchRow[]> {
    const { from, to, name } = this;
    await using site = new Child(WEB_ROLE, [], { namespace: from.namespace });
    await using reader = new Child(WEB_ROLE, [], { namespace: to.namespace });
    const { port } = await site.ask<{ port: number }>("serve", { hostname: "127.0.0.1", bytes: 1 });
    const rows: BenchRow[] = [];
    for (const roundTripMs of ROUND_TRIPS_MS) {
      await segment.use(lineOf(roundTripMs, 0));
      const id = await to.visor.addTransport(from.visor.publicKey, "sudph");
      const proxy = await to.visor.startProxy(from.visor.publicKey, 1);
      for (const lossPct of LOSSES_PCT) {
        await segment.use(lineOf(roundTripMs, lossPct));
        await reader.ask("begin", { proxy, url: `http://127.0.0.1:${port}/endless` });
        await sleep(WARM_UP_MS);
        const before = [await cpuSeconds(from), await cpuSeconds(to)];
        await reader.ask("look");
        await sleep(MEASURED_MS);
        const { bytes, seconds } = await reader.ask<Flow>("look");
        const after = [await cpuSeconds(from), await cpuSeconds(to)];
        await reader.ask("stop");
        const title = `${name}, ${roundTripMs} ms, ${lossPct} % lost`;
        const row = { name: title, value: bytes / 1e6 / seconds, unit: "MB/s" };
        rows.push(row);
        for (const [index, end] of ["sender", "receiver"].entries()) {
          const value = (after[index]! - before[index]!) / (bytes / 1e9);
          rows.push({ name: `${title}: CPU of the ${end}`, value, unit: "s/GB", lessIsBetter: true });
        }
        console.error(
          rows.slice(-3).map(({ value, unit }) => `${value.toFixed(2)} ${unit}`).join("  "),
          title,
        );
      }
      await segment.use(lineOf(roundTripMs, 0));
      await to.visor.stopProxy();
      for (const { visor } of [to, from]) { // a visor of 2024 is not told by the other one's end
        if ((await visor.transports()).some((each) => each.id === id)) await visor.removeTransport(id);
      }
    }
    return rows;
  }
}

const sideOf = ({ namespace }: Member) => namespace.startsWith("our") ? "ours" : "Go";

/** Of all programs in its namespace but the bench's own. */
async function cpuSeconds({ namespace }: Member): Promise<number> {
  const pids = (await run("ip", "netns", "pids", namespace)).split("\n").filter((line) => line !== "");
  const each = await Promise.all(pids.map(async (pid) => {
    if ((await Deno.readTextFile(`/proc/${pid}/cmdline`)).includes("web_role.ts")) return 0;
    return (await usageOf(Number(pid))).cpuSeconds;
  }));
  return each.reduce((sum, seconds) => sum + seconds, 0);
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

if (import.meta.main) {
  const orphaned = Deno.stdin.readable.pipeTo(new WritableStream()).then(() => undefined);
  const rows = await Promise.race([sudphBench(JSON.parse(Deno.args[0]!)), orphaned]);
  if (rows !== undefined) console.log(JSON.stringify(rows));
  Deno.exit(rows === undefined ? 1 : 0);
}
