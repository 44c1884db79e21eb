/**
 * What an app is to the visor: a program that is given its arguments and a network, and runs until it is closed.
 * What it needs it loads when it starts: a visor whose apps do not begin by themselves starts without.
 *
 * @module
 */
import type { Conn, Log } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import type { World } from "../../runtime/mod.ts";

/** An app of the configuration (`launcher.apps[]`), or one that was started by name. */
export interface AppEntry {
  readonly name: string;
  /** As configured: which app it is, unless the arguments begin with `app <name>`. */
  readonly binary: string;
  readonly args: readonly string[];
  readonly autoStart: boolean;
  /** Where it listens in the network, when it does; 0: the app's own. */
  readonly port: number;
}

/** A stream from another visor, whose key is proved. */
export type AppConn = Conn & { readonly remote: { readonly publicKey: PublicKey } };

/** A port of this visor in the network. Null: it is closed. */
export interface AppListener {
  accept(): Promise<AppConn | null>;
  close(): void;
}

/** The network as apps see it: ports of visors. */
export interface AppNetwork {
  dial(
    to: { readonly publicKey: PublicKey; readonly port: number },
    options: {
      /** One hop over a transport to that visor, made when there is none: no route finder, no setup node. */
      readonly direct?: boolean;
      /** Hops of the route, at least. */
      readonly minHops?: number;
      readonly signal: AbortSignal;
    },
  ): Promise<Conn>;
  /** Throws when the port is taken. */
  listen(port: number): AppListener;
}

export interface AppContext {
  readonly name: string;
  readonly port: number;
  readonly world: Pick<World, "clock" | "random" | "network" | "ledger" | "outside">;
  readonly network: AppNetwork;
  readonly log: Log;
}

/** What a skysocks client says of itself. */
export interface ProxyState {
  readonly server: PublicKey;
  /** `host:port` where SOCKS is spoken. */
  readonly address: string;
  readonly direct: boolean;
  readonly connected: boolean;
  readonly connections: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Null without a session. */
  readonly latencyMs: number | null;
  /** Sessions with the server since the app started: more than one means that it healed. */
  readonly sessions: number;
  readonly lastFailure?: string;
}

/** Skywire's numbers of these are 0, 1, 2, 3 (visor.md 4.1). */
export type AppStatus = "stopped" | "running" | "errored" | "starting";

/** What an app offers to everybody, for the service discovery. */
export interface AppOffer {
  /** As the network knows it: `skysocks`. */
  readonly type: string;
  readonly port: number;
}

/** An app that listens, or does whatever makes it an app. */
export interface AppInstance {
  /** Undefined: nothing, or not to everybody. */
  readonly offer?: AppOffer;
  /** Settles when it runs no more, by `close` or by itself. Never rejects. */
  readonly ended: Promise<void>;
  /** Computed when asked for. */
  state(): { readonly status: AppStatus; readonly detailedStatus: string; readonly proxy?: ProxyState };
  /** Ends it and waits until nothing of it is left. May be called again. */
  close(): Promise<void>;
}

/**
 * A built-in app: takes its arguments apart, then starts as often as needed. The first step throws
 * `AppArgumentsError`; the second rejects with what kept the app from listening.
 */
export type AppProgram = (args: readonly string[]) => (context: AppContext) => Promise<AppInstance>;
