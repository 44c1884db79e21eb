/**
 * Visors in a row, each a process of its own, on one local network in one more process:
 *
 *     visor 1 --stcpr-- visor 2 --stcpr-- visor 3 ...        all with the network's discoveries and setup node
 *
 * @module
 */
import { Child } from "./_child.ts";

/** One visor. */
export interface VisorProcess {
  readonly child: Child;
  readonly publicKey: string;
}

export class Visors implements AsyncDisposable {
  private constructor(
    readonly network: Child,
    readonly deploymentFile: string,
    readonly visors: readonly VisorProcess[],
    readonly stack: AsyncDisposableStack,
  ) {}

  /** Starts so many, and joins neighbours by transports that the transport discovery knows. */
  static async start(count: number): Promise<Visors> {
    await using stack = new AsyncDisposableStack();
    const folder = await Deno.makeTempDir({ prefix: "skyctl-bench-" });
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    const network = stack.use(new Child("_network_role.ts"));
    await Deno.mkdir(`${folder}/network`);
    const deploymentFile = await network.ask<string>("start", { folder: `${folder}/network` });
    const visors: VisorProcess[] = [];
    for (let index = 0; index < count; index++) {
      const child = stack.use(new Child("_visor_role.ts"));
      const home = `${folder}/visor-${index}`;
      visors.push({ child, publicKey: await child.ask<string>("start", { home, deploymentFile }) });
    }
    for (const [index, { child, publicKey }] of visors.entries()) {
      const next = visors[index + 1];
      if (next === undefined) break;
      await child.ask("connect", { to: next.publicKey });
      await child.ask("awaitRegistered", { edges: [publicKey, next.publicKey] });
    }
    return new Visors(network, deploymentFile, visors, stack.move());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack.disposeAsync();
  }
}

/** CPU seconds of each process while `work` runs, beside its result. */
export async function measureCpu<T>(
  children: readonly Child[],
  work: () => Promise<T>,
): Promise<{ result: T; cpuSeconds: number[] }> {
  const all = () => Promise.all(children.map((child) => child.cpuSeconds()));
  const before = await all();
  const result = await work();
  const after = await all();
  return { result, cpuSeconds: after.map((seconds, index) => seconds - before[index]!) };
}
