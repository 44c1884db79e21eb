/** Services asked over plain HTTP alone, where no dmsg server needs to know of who asks. @module */
import type { Log } from "../base/mod.ts";
import type { AskService } from "../dmsg/mod.ts";
import type { HttpClient } from "../http/mod.ts";
import type { World } from "../runtime/mod.ts";
import { askOver } from "./ask_service.ts";
import { tcpHttpClient } from "./tcp_http.ts";

export interface HttpServicesOptions {
  readonly world: Pick<World, "clock" | "ledger" | "network">;
  readonly userAgent: string;
  readonly log: Log;
}

/** Nothing is signed: only what anybody may ask is asked this way. */
export class HttpServices implements AsyncDisposable {
  readonly #options: HttpServicesOptions;
  readonly #clients = new Map<boolean, HttpClient>(); // by whether it is TLS; made when something needs it

  constructor(options: HttpServicesOptions) {
    this.#options = options;
  }

  /** How the service at `origin`, `http://host[:port]` or `https://...`, is asked; `name` for logs and errors. */
  askService(name: string, origin: string): AskService {
    const { world, userAgent, log } = this.#options;
    const tls = origin.startsWith("https:");
    const client = this.#clients.get(tls) ?? tcpHttpClient(world, userAgent, { tls });
    this.#clients.set(tls, client);
    const way = { name: "http", origin: origin.replace(/\/+$/, ""), client, isReady: () => true };
    return askOver(name, [way], world.clock, log);
  }

  /** Ends what is under way. */
  async close(): Promise<void> {
    await Promise.all([...this.#clients.values()].map((client) => client.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}
