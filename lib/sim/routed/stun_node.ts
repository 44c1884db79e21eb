/** A STUN server of a fleet: tells visors what their NAT box makes of their address. @module */
import type { DatagramSocket, World } from "../../runtime/mod.ts";
import { answerBindingRequest } from "../../transport/sudph/mod.ts";
import { FleetNode, type FleetNodeOptions } from "../_fleet_node.ts";

export const STUN_PORT = 3_478;

export interface StunNodeOptions extends FleetNodeOptions {
  /** As servers of RFC 5389 answer; else as those of RFC 3489 do. */
  readonly isMasked: boolean;
}

export class StunNode extends FleetNode {
  readonly #isMasked: boolean;
  #socket: DatagramSocket | undefined;
  #serving: Promise<void> = Promise.resolve();

  constructor({ isMasked, ...options }: StunNodeOptions) {
    super(options);
    this.#isMasked = isMasked;
  }

  /** As a configuration names it. */
  get address(): string {
    return `${this.name}:${STUN_PORT}`;
  }

  protected override async boot(world: World): Promise<void> {
    const socket = await world.network.datagrams({ hostname: "0.0.0.0", port: STUN_PORT });
    this.#socket = socket;
    this.#serving = this.#serve(socket);
  }

  protected override async shutdown(): Promise<void> {
    this.#socket!.close();
    await this.#serving;
  }

  async #serve(socket: DatagramSocket): Promise<void> {
    for (let got = await socket.receive(); got !== null; got = await socket.receive()) {
      const answer = answerBindingRequest(got.bytes, got.from, { isMasked: this.#isMasked });
      if (answer !== undefined) await socket.send(answer, got.from);
    }
  }
}
