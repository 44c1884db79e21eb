/**
 * A service that runs: plain HTTP, dmsg port 80, or both with the same answers (SV-1).
 *
 * @module
 */
import { describeError, type Log } from "../../base/mod.ts";
import type { DmsgAddress } from "../../dmsg/mod.ts";
import { type RawHandler, serveHttp } from "../../http/mod.ts";
import { renderSocketAddress, type SocketAddress, type World } from "../../runtime/mod.ts";
import type { ServiceApi } from "./answers.ts";
import type { DmsgStatus } from "./health.ts";
import { handlerOf } from "./http.ts";
import { noticed } from "./noticed.ts";
import { type RefusalCounts, Refusals } from "./refusals.ts";
import { type RequestCount, RequestCounts } from "./request_counts.ts";
import { InvalidServiceSettingError, type ServiceMode } from "./settings.ts";

/**
 * Opens a stream to a dmsg address and closes it again: rejects when nobody takes it. Undefined where this side cannot
 * look just now, for it has no session: that says nothing about the other.
 */
export type ReachOverDmsg = (address: DmsgAddress, signal: AbortSignal) => Promise<void> | undefined;

/** The dmsg side of a running service. Disposing it joins everything that it started. */
export interface ServiceDmsgSide extends AsyncDisposable {
  /** Settles when it is served no more, by its end or by itself. Never rejects. */
  readonly closed: Promise<void>;
  status(): DmsgStatus;
  /** Undefined: this side only serves. */
  readonly reach?: ReachOverDmsg;
}

/** Starts the dmsg side: serves `handler` on dmsg port 80. Returns at once; sessions come by and by. */
export type AttachService = (handler: RawHandler) => ServiceDmsgSide;

export interface RunServiceOptions {
  readonly world: Pick<World, "clock" | "ledger" | "network">;
  readonly log: Log;
  /** For the log: "transport discovery". */
  readonly name: string;
  readonly mode: ServiceMode;
  /** Where plain HTTP listens; port 0 takes any free one. Unused in mode `dmsg`. */
  readonly address: SocketAddress;
  /** Needed by modes `dmsg` and `dual`, unused by `http`. */
  readonly dmsg?: AttachService;
  /** Makes the service. It is told how to learn what its dmsg side is, what was refused, and who is reached over dmsg. */
  readonly api: (
    dmsgStatus: () => DmsgStatus | undefined,
    refused: () => RefusalCounts,
    reach: ReachOverDmsg,
  ) => ServiceApi;
  /** What the service holds, its store for one: ended last, and also when the start fails. */
  readonly holds: AsyncDisposable;
  /** What is kept now, by kind: `{ transports: 12 }`. Default: nothing is. */
  readonly kept?: () => Promise<KeptCounts>;
}

/** Entries that a service keeps, by kind. */
export type KeptCounts = Readonly<Record<string, number>>;

/** A way on which a service is served; `operator's HTTP` is a listener for its operator alone. */
export type Plane = "HTTP" | "dmsg" | "UDP" | "operator's HTTP";

export interface RunningService extends AsyncDisposable {
  /** Where plain HTTP is bound; undefined in mode `dmsg`. */
  readonly address: SocketAddress | undefined;
  /** Settles when it is closed, or when the first of its planes ends by itself. Never rejects. */
  readonly closed: Promise<void>;
  /** The dmsg side as it is now; undefined without one. */
  dmsgStatus(): DmsgStatus | undefined;
  /** The plane that ended by itself, once one did. */
  lostPlane(): Plane | undefined;
  /** It is served over `plane`, too, until `closed` settles, which a close may bring about. */
  alsoServedOver(plane: Plane, closed: Promise<unknown>): void;
  /** What was refused so far, over HTTP and dmsg. */
  refused(): RefusalCounts;
  /** What was answered so far, over HTTP and dmsg. */
  requests(): RequestCount[];
  /** What is kept now, by kind. Errors: `StoreError`. */
  kept(): Promise<KeptCounts>;
  /** Accepts no more, lets requests in progress end, ends the dmsg side, frees what it holds. May be repeated. */
  close(): Promise<void>;
}

/**
 * Starts a service; it answers when this resolves. Errors: `InvalidServiceSettingError`, those of
 * `Network.listen`. Nothing is left open then.
 */
export async function runService(options: RunServiceOptions): Promise<RunningService> {
  const { world, log, name, mode, address, dmsg, holds, kept = () => Promise.resolve({}) } = options;
  let http: HttpPlane | undefined;
  let bound: SocketAddress | undefined;
  let side: ServiceDmsgSide | undefined;
  const [refusals, requests] = [new Refusals(), new RequestCounts()];
  try {
    checkServiceMode(options);
    const reach: ReachOverDmsg = (to, signal) => side?.reach?.(to, signal);
    const handler = handlerOf(options.api(() => side?.status(), () => refusals.counts(), reach), {
      log,
      clock: world.clock,
      counts: { refusals, requests },
    });
    if (mode !== "dmsg") {
      const listener = await world.network.listen(address);
      bound = listener.address;
      const socket = noticed(listener);
      const bounds = { closeMs: CLOSE_REQUESTS_MS, handlerEndMs: HANDLER_END_MS };
      const server = serveHttp(socket.listener, { raw: handler }, { world, log, ...bounds });
      http = { ended: socket.ended, close: () => server.close() };
    }
    if (mode !== "http") side = attached(dmsg!, handler, { mode, log, name });
  } catch (error) {
    await http?.close();
    await holds[Symbol.asyncDispose]();
    throw error;
  }
  log.info("Service is serving", { service: name, mode, address: bound && renderSocketAddress(bound) });
  return new Running(bound, { http, side, holds, refusals, requests, kept }, (plane) => {
    log.error("A service lost one of its planes", { service: name, plane });
  });
}

/** Requests in progress may take so long to end with the service: Ctrl-C has 2 s for everything. */
export const CLOSE_REQUESTS_MS = 1_000;
/** And then so long to notice: one that waits for a store that is silent learns it from the end of that. */
export const HANDLER_END_MS = 250;

/** Refuses an address that cannot be listened on, before a store is made beside it. Errors: of `Network.listen`. */
export async function checkServiceAddress(
  { network }: Pick<World, "network">,
  { mode, address }: Pick<RunServiceOptions, "mode" | "address">,
): Promise<void> {
  if (mode !== "dmsg" && address.port !== 0) (await network.listen(address)).close();
}

/** Refuses a mode that needs dmsg where there is none, before anything is opened for it. */
export function checkServiceMode(
  { name, mode, dmsg }: Pick<RunServiceOptions, "name" | "mode"> & { readonly dmsg?: unknown },
): void {
  if (mode !== "http" && dmsg === undefined) {
    throw new InvalidServiceSettingError(`Mode ${mode} needs a secret key, and there is none`, {
      hint: `give the ${name} a secret key, or use http`,
    });
  }
}

/** A failed dmsg start must not stop HTTP (services.md 13.1); `/health` shows that there is no dmsg side. */
function attached(
  attach: AttachService,
  handler: RawHandler,
  { mode, log, name }: { mode: ServiceMode; log: Log; name: string },
): ServiceDmsgSide | undefined {
  try {
    return attach(handler);
  } catch (error) {
    if (mode === "dmsg") throw error;
    log.error("A service is not served over dmsg", { service: name, cause: describeError(error) });
    return undefined;
  }
}

interface HttpPlane {
  /** Nobody new can connect. */
  readonly ended: Promise<void>;
  close(): Promise<void>;
}

interface Parts {
  readonly http: HttpPlane | undefined;
  readonly side: ServiceDmsgSide | undefined;
  readonly holds: AsyncDisposable;
  readonly refusals: Refusals;
  readonly requests: RequestCounts;
  readonly kept: () => Promise<KeptCounts>;
}

class Running implements RunningService {
  readonly closed: Promise<void>;
  readonly #parts: Parts;
  readonly #onLost: (plane: Plane) => void;
  #closing: Promise<void> | undefined;
  #lost: Plane | undefined;
  #onClosed!: () => void;

  constructor(
    readonly address: SocketAddress | undefined,
    parts: Parts,
    onLost: (plane: Plane) => void,
  ) {
    this.#parts = parts;
    this.#onLost = onLost;
    this.closed = new Promise((resolve) => this.#onClosed = resolve);
    if (parts.http !== undefined) this.alsoServedOver("HTTP", parts.http.ended);
    if (parts.side !== undefined) this.alsoServedOver("dmsg", parts.side.closed);
  }

  /** The first that ends is the end of all, so that a service that is half dead does not look healthy. */
  alsoServedOver(plane: Plane, closed: Promise<unknown>): void {
    void closed.then(() => {
      if (this.#closing !== undefined || this.#lost !== undefined) return;
      this.#lost = plane;
      this.#onLost(plane);
      this.#onClosed();
    });
  }

  dmsgStatus(): DmsgStatus | undefined {
    return this.#parts.side?.status();
  }

  lostPlane(): Plane | undefined {
    return this.#lost;
  }

  refused(): RefusalCounts {
    return this.#parts.refusals.counts();
  }

  requests(): RequestCount[] {
    return this.#parts.requests.counts();
  }

  kept(): Promise<KeptCounts> {
    return this.#parts.kept();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { http, side, holds } = this.#parts;
    await Promise.all([http?.close(), side?.[Symbol.asyncDispose]()]);
    await holds[Symbol.asyncDispose](); // last: requests in progress still needed it
    this.#onClosed();
  }
}
