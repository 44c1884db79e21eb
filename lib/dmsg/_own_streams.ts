/**
 * Streams to a server's own key, as a client has them to its own: who listens on which port, and the answer.
 *
 * @module
 */
import type { Scope } from "../base/mod.ts";
import { PortTable } from "./_port_table.ts";
import { acceptRequest, type RespondOptions, type StreamAsked } from "./_respond.ts";
import { DmsgError } from "./errors.ts";
import { Listener } from "./listener.ts";

export type OwnStreamsOptions = Omit<RespondOptions, "ports" | "timeoutMs" | "signal"> & {
  /** Ends every listener. */
  readonly scope: Scope;
};

export class OwnStreams {
  readonly #options: OwnStreamsOptions;
  readonly #ports = new PortTable();

  constructor(options: OwnStreamsOptions) {
    this.#options = options;
    options.scope.signal.addEventListener("abort", () => {
      for (const listener of this.#ports.listeners()) listener.close();
    });
  }

  /** Takes streams on a dmsg port. Errors: 400 when the port is taken, 200 when the scope has ended. */
  listen(port: number): Listener {
    if (this.#options.scope.signal.aborted) throw new DmsgError(200);
    const listener = new Listener(port, (closed) => this.#ports.unbind(closed));
    this.#ports.bind(listener);
    return listener;
  }

  /** Whether somebody listens there. */
  takes(port: number): boolean {
    return this.#ports.listener(port) !== undefined;
  }

  /** Answers a request for one. Errors: those of `acceptRequest`. */
  accept(asked: StreamAsked): Promise<void> {
    const { local } = this.#options;
    return acceptRequest(asked, local.publicKey, { ...this.#options, ports: this.#ports });
  }
}
