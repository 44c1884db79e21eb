/** Assemblies on a simulated machine, and what asks them from another one. */
import { type Log, silentLog } from "../../../lib/base/mod.ts";
import { tcpHttpClient } from "../../../lib/directory/mod.ts";
import { sleep, type SocketAddress, type World } from "../../../lib/runtime/mod.ts";
import {
  ALL_TYPES,
  Assembly,
  type AssemblyOptions,
  completed,
  type FiledService,
  type PlanDefaults,
  type PlannedService,
  servicesOfTypes,
  type ServiceTypeName,
} from "../../../lib/services/assembly/mod.ts";

export const FOLDER = "/deployment";
export const HOST = "198.51.100.1";

/** What an operator says who says nothing. */
export function defaults(more: Partial<PlanDefaults> = {}): PlanDefaults {
  return {
    folder: FOLDER,
    hostname: HOST,
    testing: true,
    locationsAt: () => {
      throw new Error("nobody is asked");
    },
    transportsElsewhere: () => Promise.reject(new Error("there is none")),
    ...more,
  };
}

/** The plan of these types. */
export function planOf(
  types: readonly ServiceTypeName[] = ALL_TYPES,
  more: Partial<PlanDefaults> = {},
): PlannedService[] {
  return completed(servicesOfTypes(types), defaults(more));
}

/** The plan of services as a file has them. */
export function planOfFiled(services: readonly FiledService[], more: Partial<PlanDefaults> = {}) {
  return completed(services, defaults(more));
}

export async function startAssembly(
  world: World,
  services: readonly PlannedService[],
  { log = silentLog, ...more }: Partial<AssemblyOptions> & { readonly log?: Log } = {},
): Promise<Assembly> {
  await world.files.makeDirectory(FOLDER);
  return await Assembly.start({
    world,
    log,
    services,
    build: { version: "1.2.3", commit: "unknown", date: "unknown" },
    userAgent: "test/1",
    ...more,
  });
}

/** Waits for `isDone`, at most so long. */
export async function until({ clock }: Pick<World, "clock">, isDone: () => boolean, withinMs = 10_000) {
  const startedMs = clock.monotonicMs();
  while (!isDone()) {
    if (clock.monotonicMs() - startedMs > withinMs) throw new Error(`Not within ${withinMs} ms`);
    await sleep(clock, 50);
  }
  return clock.monotonicMs() - startedMs;
}

/** Status and text of an answer. */
export async function get(world: World, url: string): Promise<{ status: number; text: string }> {
  await using client = tcpHttpClient(world, "test/1");
  const response = await client.fetch({ url });
  return { status: response.status, text: await response.text() };
}

/** A machine whose sockets a test can take away, and whose randomness can fail. */
export class Breakable {
  readonly world: World;
  readonly #open: { readonly port: number; close(): void }[] = [];
  isRandomBroken = false;

  constructor(world: World) {
    const { network } = world;
    const keep = <S extends { readonly address: { readonly port: number }; close(): void }>(socket: S): S => {
      this.#open.push({ port: socket.address.port, close: () => socket.close() });
      return socket;
    };
    this.world = {
      ...world,
      network: {
        ...network,
        addresses: () => network.addresses(),
        dial: (...given) => network.dial(...given),
        datagrams: async (at) => keep(await network.datagrams(at)),
        listen: async (at, options) => keep(await network.listen(at, options)),
      },
      random: {
        bytes: (length) => {
          if (this.isRandomBroken) throw new Error("No randomness");
          return world.random.bytes(length);
        },
      },
    };
  }

  /** The last socket that was opened on `port`: the first were looks whether it is free. */
  close(port: number): void {
    this.#open.findLast((socket) => socket.port === port)!.close();
  }
}

/** A client whose connection was used, and is kept. */
export async function keptConnection(
  world: World,
  { hostname, port }: SocketAddress,
): Promise<AsyncDisposable> {
  const client = tcpHttpClient(world, "test/1");
  const answer = await client.fetch({ url: `http://${hostname}:${port}/health` });
  await answer.text();
  if (answer.status !== 200 && answer.status !== 404) throw new Error(`Status ${answer.status}`);
  return client;
}
