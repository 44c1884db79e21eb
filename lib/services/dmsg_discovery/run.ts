/**
 * A dmsg discovery that runs: a store, plain HTTP, and in mode `dual` the same answers on dmsg port 80.
 *
 * @module
 */
import { describeError, type Log } from "../../base/mod.ts";
import { type HttpServer, type RawHandler, serveHttp } from "../../http/mod.ts";
import {
  renderSocketAddress,
  type SocketAddress,
  type SocketListener,
  type World,
} from "../../runtime/mod.ts";
import { type EntryStore, openEntryStore } from "../store/mod.ts";
import { createDmsgDiscovery } from "./api.ts";
import type { DmsgStatus } from "./_health.ts";
import {
  CLIENT_TTL_MAX_MS,
  CLIENT_TTL_MIN_MS,
  CLIENT_TTL_MS,
  type DmsgDiscoverySettings,
  InvalidServiceSettingError,
  type ServiceMode,
} from "./settings.ts";

export interface RunDmsgDiscoverySettings extends DmsgDiscoverySettings {
  /** Where plain HTTP listens. Port 0 takes any free one. */
  readonly address: SocketAddress;
  /** `memory`, the path of a SQLite file, or a `redis://` URL. */
  readonly store: string;
  /** `dmsg` alone is refused (DD-1). */
  readonly mode: ServiceMode;
}

/** The dmsg side of a running discovery. Disposing it joins everything that it started. */
export interface DmsgSide extends AsyncDisposable {
  status(): DmsgStatus;
}

/** Starts the dmsg side: serves `handler` on dmsg port 80. Returns at once; sessions come by and by (DD-2). */
export type AttachDmsg = (options: { readonly handler: RawHandler; readonly store: EntryStore }) => DmsgSide;

export interface RunDmsgDiscoveryOptions {
  readonly world: World;
  readonly log: Log;
  readonly settings: RunDmsgDiscoverySettings;
  /** Needed by mode `dual`, unused by mode `http`. */
  readonly dmsg?: AttachDmsg;
}

export interface RunningDmsgDiscovery extends AsyncDisposable {
  /** Where plain HTTP is bound. */
  readonly address: SocketAddress;
  /** Settles when plain HTTP is served no more, by a close or by itself. Never rejects. */
  readonly closed: Promise<void>;
  /** Accepts no more, lets requests in progress end, ends the dmsg side, closes the store. May be repeated. */
  close(): Promise<void>;
}

/**
 * Starts a discovery; it answers when this resolves. Errors: `InvalidServiceSettingError`, `StoreError`, and
 * those of `Network.listen`. Nothing is left open then.
 */
export async function runDmsgDiscovery(
  { world, log, settings, dmsg }: RunDmsgDiscoveryOptions,
): Promise<RunningDmsgDiscovery> {
  const attach = attachmentFor(settings.mode, dmsg);
  checkClientTtl(settings.clientTtlMs);
  const store = await openEntryStore(settings.store, world);
  let listener: SocketListener;
  try {
    listener = await world.network.listen(settings.address);
  } catch (error) {
    await store[Symbol.asyncDispose]();
    throw error;
  }
  let side: DmsgSide | undefined;
  const discovery = createDmsgDiscovery({ store, world, log, settings, dmsgStatus: () => side?.status() });
  const http = serveHttp(listener, discovery, { world, log });
  try {
    side = attach?.({ handler: discovery.raw, store });
  } catch (error) {
    // A failed dmsg start must not stop HTTP (services.md 13.1); `/health` shows that there is no dmsg side.
    log.error("The discovery is not served over dmsg", { cause: describeError(error) });
  }
  log.info("Discovery is serving", { address: renderSocketAddress(listener.address), mode: settings.mode });
  return new Running(listener.address, { http, side, store });
}

interface Parts {
  readonly http: HttpServer;
  readonly side: DmsgSide | undefined;
  readonly store: EntryStore;
}

class Running implements RunningDmsgDiscovery {
  readonly closed: Promise<void>;
  readonly #parts: {
    readonly http: HttpServer;
    readonly side: DmsgSide | undefined;
    readonly store: EntryStore;
  };
  #closing: Promise<void> | undefined;

  constructor(readonly address: SocketAddress, parts: Parts) {
    this.#parts = parts;
    this.closed = parts.http.closed;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    const { http, side, store } = this.#parts;
    await Promise.all([http.close(), side?.[Symbol.asyncDispose]()]);
    await store[Symbol.asyncDispose](); // last: requests in progress still needed it
  }
}

function checkClientTtl(ms = CLIENT_TTL_MS): void {
  if (ms >= CLIENT_TTL_MIN_MS && ms <= CLIENT_TTL_MAX_MS) return;
  throw new InvalidServiceSettingError(`A client's entry cannot live for ${ms} ms`, {
    hint: "give it between 1 s and 366 days",
  });
}

function attachmentFor(mode: ServiceMode, dmsg: AttachDmsg | undefined): AttachDmsg | undefined {
  switch (mode) {
    case "http":
      return undefined;
    case "dmsg":
      throw new InvalidServiceSettingError(
        "A dmsg discovery cannot run in mode dmsg: whoever joins the network needs it before dmsg works",
        { hint: "use dual, or http" },
      );
    case "dual":
      if (dmsg !== undefined) return dmsg;
      throw new InvalidServiceSettingError("Mode dual needs a secret key, and there is none", {
        hint: "give the discovery a secret key, or use http",
      });
  }
}
