/** What an idle session costs a server: memory and handles, at 1,000 of them; and what is left after their end. */
import type { BenchOptions, BenchRow } from "../../scripts/bench.ts";
import type { Usage } from "./_child.ts";
import { type Network, runRounds } from "./_dmsg_network.ts";

const SESSIONS = 1_000;
const PARALLEL = 64;
const WARM_UP = 100;
/** For what the other side still does after the last handshake. */
const SETTLE_MS = 500;

export const takesServer = true;

export default function idleBench(options: BenchOptions): Promise<readonly BenchRow[]> {
  return runRounds(options, { clients: 1, rounds: 1, warmUp, round });
}

async function hold({ clients, server }: Network, times: number): Promise<void> {
  await clients[0]!.ask("hold", { ...server.address, times, parallel: PARALLEL });
}

async function warmUp(network: Network): Promise<void> {
  await hold(network, WARM_UP);
  await network.clients[0]!.ask("release");
}

async function round(network: Network): Promise<BenchRow[]> {
  const settled = async (): Promise<Usage | undefined> => {
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    return await network.server.usage();
  };
  const empty = await settled();
  await hold(network, SESSIONS);
  const full = await settled();
  await network.clients[0]!.ask("release");
  const left = await settled();
  if (empty === undefined || full === undefined || left === undefined) return [];
  const each = (part: (usage: Usage) => number | undefined) =>
    part(full) === undefined ? undefined : (part(full)! - part(empty)!) / SESSIONS;
  const row = (name: string, unit: string, value: number | undefined, reference?: number): BenchRow[] =>
    value === undefined
      ? []
      : [{ name: `idle session: ${name}`, value, unit, reference, lessIsBetter: true }];
  return [
    ...row("RSS of S", "KB", each(({ rssBytes }) => rssBytes / 1000), 52),
    ...row("heap of S", "KB", each(({ heapBytes }) => heapBytes && heapBytes / 1000)),
    ...row("handles of S", "", each(({ handles }) => handles)),
    ...row("handles of S left after all have ended", "", left.handles - empty.handles),
  ];
}
