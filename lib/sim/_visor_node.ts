/** A visor of a fleet, as the network sees it: its dmsg client, an echo and a checked bulk service. @module */
import { type DmsgNetwork, joinNetwork, type NetworkClient } from "../directory/mod.ts";
import type { DmsgClient, DmsgStream } from "../dmsg/mod.ts";
import type { World } from "../runtime/mod.ts";
import { FleetNode, type FleetNodeOptions } from "./_fleet_node.ts";
import { BULK_PORT, ECHO_PORT, SIM_VERSION } from "./_places.ts";
import type { Traffic, TrafficEnd } from "./traffic.ts";

export interface VisorNodeOptions extends FleetNodeOptions {
  readonly network: DmsgNetwork;
  readonly traffic: Traffic;
  readonly sessionsMin: number;
}

export class VisorNode extends FleetNode implements TrafficEnd {
  readonly #options: VisorNodeOptions;
  #joined: NetworkClient | undefined;
  #serving: Promise<void>[] = [];

  constructor(options: VisorNodeOptions) {
    super(options);
    this.#options = options;
  }

  /** The client of the running program. */
  get client(): DmsgClient {
    if (this.#joined === undefined) throw new TypeError(`${this.name} was never started`);
    return this.#joined.dmsg;
  }

  openBulk({ publicKey }: TrafficEnd): Promise<DmsgStream> {
    return this.client.dial({ publicKey, port: BULK_PORT });
  }

  protected override boot(world: World): Promise<void> {
    const { network, sessionsMin, traffic } = this.#options;
    this.#joined = joinNetwork({
      world,
      local: this.keys,
      network,
      log: this.log,
      userAgent: `skyctl/${SIM_VERSION}`,
      sessionsMin,
      clientType: "visor",
    });
    this.#serving = [
      serveStreams(this.client, ECHO_PORT, echo),
      serveStreams(this.client, BULK_PORT, (stream) => traffic.answer(stream, this)),
    ];
    return Promise.resolve();
  }

  protected override async shutdown(): Promise<void> {
    await this.#joined!.close();
    await Promise.all(this.#serving);
  }
}

/** Gives each stream on `port` to `serve`, which never rejects; resolves after the client's close. */
async function serveStreams(
  client: DmsgClient,
  port: number,
  serve: (stream: DmsgStream) => Promise<void>,
): Promise<void> {
  await serveAll(client.listen(port), serve);
}

/** Gives each connection to `serve`, which never rejects; resolves after the listener's close. */
export async function serveAll<C>(
  listener: { accept(): Promise<C | null> },
  serve: (stream: C) => Promise<void>,
): Promise<void> {
  const serving = new Set<Promise<void>>();
  for (let stream = await listener.accept(); stream !== null; stream = await listener.accept()) {
    const served = serve(stream).finally(() => serving.delete(served));
    serving.add(served);
  }
  await Promise.all(serving);
}

async function echo(stream: DmsgStream): Promise<void> {
  try {
    for (let bytes = await stream.read(); bytes !== null; bytes = await stream.read()) {
      await stream.write(bytes.slice());
    }
  } catch {
    // Whoever asked has gone, or its server: nobody is left to be told.
  } finally {
    stream.close();
  }
}
