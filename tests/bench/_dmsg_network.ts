/**
 * Client A, server S and client B of the dmsg benches, each a process of its own, over loopback sockets. S is our
 * server, or one that already runs: then the same clients measure it.
 *
 * @module
 */
import type { BenchOptions, BenchRow, BenchTarget } from "../../scripts/bench.ts";
import { Child, type Usage, usageOf } from "./_child.ts";

/** How a client finds S. */
export interface ServerAddress {
  readonly publicKey: string;
  /** `host:port`. */
  readonly address: string;
}

/** The server under test, started here or found running. */
export class Server implements AsyncDisposable {
  private constructor(
    readonly address: ServerAddress,
    readonly child: Child | undefined,
    readonly pid: number | undefined,
  ) {}

  static async start(target: BenchTarget | undefined): Promise<Server> {
    if (target !== undefined) return new Server(target, undefined, target.pid);
    const child = new Child("_dmsg_server_role.ts");
    try {
      return new Server(await child.ask<ServerAddress>("listen"), child, undefined);
    } catch (error) {
      await child[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Undefined for a server that runs elsewhere, or whose process id was not given. */
  async usage(): Promise<Usage | undefined> {
    if (this.child !== undefined) return await this.child.usage();
    return this.pid === undefined ? undefined : await usageOf(this.pid);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.child?.[Symbol.asyncDispose]();
  }
}

/** A, S and B, or more clients; every client has its session with S. */
export class Network implements AsyncDisposable {
  private constructor(
    readonly server: Server,
    readonly clients: readonly Child[],
    readonly keys: readonly string[],
    readonly stack: AsyncDisposableStack,
  ) {}

  static async start(target: BenchTarget | undefined, clients = 2): Promise<Network> {
    await using stack = new AsyncDisposableStack();
    const server = stack.use(await Server.start(target));
    const children = Array.from({ length: clients }, () => stack.use(new Child("_dmsg_client_role.ts")));
    const keys: string[] = [];
    for (const child of children) keys.push(await child.ask<string>("connect", server.address));
    return new Network(server, children, keys, stack.move());
  }

  /** CPU seconds of A, S and B while `work` runs, beside its result. */
  async measure<T>(work: () => Promise<T>): Promise<{ result: T; cpu: CpuSeconds }> {
    const before = await this.#cpuSeconds();
    const result = await work();
    const after = await this.#cpuSeconds();
    const cpu = after.map((seconds, index) => seconds === undefined ? undefined : seconds - before[index]!);
    return { result, cpu: { server: cpu[0], clients: cpu.slice(1) as number[] } };
  }

  async #cpuSeconds(): Promise<(number | undefined)[]> {
    const all = [this.server.usage(), ...this.clients.map((client) => client.usage())];
    return (await Promise.all(all)).map((usage) => usage?.cpuSeconds);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack.disposeAsync();
  }
}

/** What the processes of a network used. */
export interface CpuSeconds {
  readonly server: number | undefined;
  readonly clients: readonly number[];
}

/** A bench of a dmsg server, in rounds of which the medians count. */
export interface DmsgBench {
  /** Default 2: A and B. */
  readonly clients?: number;
  readonly rounds: number;
  /** Before the first round; nothing of it counts. */
  warmUp(network: Network): Promise<unknown>;
  /** Every row, each time the same ones. */
  round(network: Network): Promise<readonly BenchRow[]>;
}

/**
 * Runs the rounds on our server. When another one is given, each round is followed by one on that, so that both
 * meet the same load of the machine; its figures are then what ours are held against.
 */
export async function runRounds(
  { target }: BenchOptions,
  { clients = 2, rounds, warmUp, round }: DmsgBench,
): Promise<readonly BenchRow[]> {
  await using stack = new AsyncDisposableStack();
  const networks: Network[] = [];
  for (const server of target === undefined ? [undefined] : [undefined, target]) {
    networks.push(stack.use(await Network.start(server, clients)));
  }
  for (const network of networks) await warmUp(network);
  const all = networks.map((): (readonly BenchRow[])[] => []);
  for (let count = 0; count < rounds; count++) {
    for (const [index, network] of networks.entries()) all[index]!.push(await round(network));
  }
  const [ours, theirs] = all.map(medians);
  if (theirs === undefined) return ours!;
  const references = new Map(theirs.map(({ name, value }) => [name, value]));
  return ours!.map(({ reference: _, ...row }) => ({ ...row, reference: references.get(row.name) }));
}

function medians(rounds: readonly (readonly BenchRow[])[]): BenchRow[] {
  return rounds[0]!.map((row, index) => ({
    ...row,
    value: percentile(rounds.map((rows) => rows[index]!.value), 0.5),
  }));
}

/** A row of CPU time, `seconds` times `scale`; none when it is not known. */
export function cpuRow(
  row: Omit<BenchRow, "value" | "lessIsBetter">,
  seconds: number | undefined,
  scale: number,
): BenchRow[] {
  return seconds === undefined ? [] : [{ ...row, value: seconds * scale, lessIsBetter: true }];
}

/** The value that the given share of all does not exceed. */
export function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!;
}
