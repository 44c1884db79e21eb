/**
 * `World`: the only door to what is outside of the program. Types only; `system/` and `simulated/` implement it.
 *
 * Nothing above `runtime/` opens a socket, reads a clock, draws a random number or touches a file by itself:
 * it takes a World, or the part of it that it needs.
 *
 * @module
 */
import type { Conn, Ledger } from "../base/mod.ts";

/** A timer that was set. Cancelling it twice, or after it fired, does nothing. */
export interface Timer {
  cancel(): void;
}

export interface Clock {
  /** Unix time in milliseconds; may be wrong and may jump. For what peers read, never for durations. */
  wallMs(): number;
  /** Milliseconds since some start; never goes back. For durations and deadlines. */
  monotonicMs(): number;
  /** Calls `fire` once after `delayMs` (at least 0). Keeps the process alive until then. */
  timer(delayMs: number, fire: () => void): Timer;
}

export interface Random {
  /** `length` unpredictable bytes (from the seed, in the simulated world). */
  bytes(length: number): Uint8Array;
}

/** Where a socket is. `hostname` is an IP address once connected, without brackets. */
export interface SocketAddress {
  readonly hostname: string;
  readonly port: number;
}

/** A Conn that is a socket, TCP or its simulation. */
export interface SocketConn extends Conn {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
}

export interface DialOptions {
  /** Ends the dial, never the Conn that it returned. */
  readonly signal?: AbortSignal;
  /** TLS with the system's certificate authorities. Default false. */
  readonly tls?: boolean;
  /** As of `ListenOptions`; not together with TLS. */
  readonly canReset?: boolean;
}

export interface ListenOptions {
  /**
   * `close(reason)` resets the connection, so that its peer never takes what was lost for an orderly end. What
   * carries somebody's own protocol needs it (a proxy's sockets); ours tell ends by themselves. Default false.
   */
  readonly canReset?: boolean;
}

/** A bound TCP port. */
export interface SocketListener {
  readonly address: SocketAddress;
  /** The next connection, or null once the listener is closed. One accept at a time. */
  accept(): Promise<SocketConn | null>;
  close(): void;
}

/** A bound UDP port. */
export interface DatagramSocket {
  readonly address: SocketAddress;
  /** Sends one datagram; may be lost in silence. */
  send(bytes: Uint8Array, to: SocketAddress): Promise<void>;
  /** The next datagram, or null once closed. The view is valid until the next receive. One at a time. */
  receive(): Promise<{ readonly bytes: Uint8Array; readonly from: SocketAddress } | null>;
  close(): void;
}

export interface Network {
  /** TCP without delay. Errors: `UnreachableError`, the signal's reason. */
  dial(to: SocketAddress, options?: DialOptions): Promise<SocketConn>;
  /** Port 0 takes any free one. Errors: `AddressInUseError`, `NotPermittedError`, `BadAddressError`. */
  listen(at: SocketAddress, options?: ListenOptions): Promise<SocketListener>;
  /** UDP. Errors as `listen`. */
  datagrams(at: SocketAddress): Promise<DatagramSocket>;
  /** IP addresses of this machine's interfaces, loopback among them, as they are now. */
  addresses(): readonly string[];
}

export interface FileInfo {
  readonly isFile: boolean;
  readonly isDirectory: boolean;
  readonly bytes: number;
  /** Unix time in milliseconds of the last change. */
  readonly modifiedMs: number;
  /** Permission bits, e.g. 0o600; 0 where the system has none. */
  readonly mode: number;
}

/** A file open for reading in pieces. */
export interface ReadableFile {
  readonly bytes: number;
  /** Fills the front of `into`; the number of bytes read, 0 at the end. Goes on where the last read ended. */
  read(into: Uint8Array): Promise<number>;
  /** The next read begins at `position`, in bytes from the start. */
  seek(position: number): Promise<void>;
  close(): void;
}

/** A file being written beside its final name; `commit` puts it in place, `discard` leaves nothing behind. */
export interface WritableFile {
  write(bytes: Uint8Array): Promise<void>;
  commit(): Promise<void>;
  discard(): Promise<void>;
}

/** How a file is replaced, or made. */
export interface WriteOptions {
  /** Permission bits. Default: those of the file that is replaced, to the bit; of a new one 0o644, less the umask. */
  readonly mode?: number;
  /**
   * Whose the new file is: "kept", owner and group of what it replaces, or nothing is written; "tried", those where the
   * system lets us; "own", of whoever writes. Default: "tried" without a mode, "own" with one: what is written for its
   * owner alone is not given to whoever left a file there.
   */
  readonly owner?: "kept" | "tried" | "own";
}

/** Nobody else has it, in this process or another one. It ends with its process, however that ends. */
export interface FileLock {
  /** Gives it back; a second time does nothing. */
  release(): Promise<void>;
}

/** Errors: `FileNotFoundError`, `NotPermittedError`, `FileError`. */
export interface Files {
  read(path: string): Promise<Uint8Array>;
  /** The path from the root on, for whoever works in another folder. */
  absolute(path: string): string;
  /** The absolute path behind every link on the way to what is there. Errors: `FileNotFoundError` and so on. */
  realPath(path: string): Promise<string>;
  /**
   * Replaces the file atomically: another reader sees the old or the new content, whole. Where the system does not let
   * mode or owner be kept, that is a `NotPermittedError`, and nothing has changed.
   */
  write(path: string, bytes: Uint8Array, options?: WriteOptions): Promise<void>;
  /** Undefined when nothing is there. */
  info(path: string): Promise<FileInfo | undefined>;
  /** Names in a directory, sorted. */
  list(path: string): Promise<string[]>;
  makeDirectory(path: string, options?: { readonly mode?: number }): Promise<void>;
  remove(path: string): Promise<void>;
  openRead(path: string): Promise<ReadableFile>;
  /** As `write`, in pieces. */
  openWrite(path: string, options?: WriteOptions): Promise<WritableFile>;
  /**
   * The lock of a file, which may be missing, for those who ask for it: reading and writing go on without. Undefined
   * when somebody has it.
   */
  tryLock(path: string): Promise<FileLock | undefined>;
  /** Adds to the end of a file, making it when missing. For logs. */
  append(path: string, bytes: Uint8Array, options?: { readonly mode?: number }): Promise<void>;
}

export interface Signals {
  /** Calls `handler` at each Ctrl-C or request to end (SIGINT, SIGTERM, Windows' SIGBREAK). Returns the undo. */
  onInterrupt(handler: () => void): () => void;
}

/** Bytes of this process. */
export interface MemoryFigures {
  /** Held in main memory, code and buffers included. */
  readonly residentBytes: number;
  /** Taken by the garbage collector's heap, and used of it. */
  readonly heapBytes: number;
  readonly heapUsedBytes: number;
  /** Buffers outside of the heap. */
  readonly externalBytes: number;
}

/** What the runtime tells of this process. */
export interface Diagnostics {
  /** What it runs on, by Go's names: `linux`, `amd64`. */
  readonly platform: { readonly os: string; readonly architecture: string };
  memory(): MemoryFigures;
  /**
   * Where the time goes, for so long, as the JSON of a `.cpuprofile`. One at a time. Errors: the runtime's, where it
   * allows none; the signal's reason.
   */
  cpuProfile(durationMs: number, signal?: AbortSignal): Promise<string>;
}

/** Everything outside, passed in. */
export interface World {
  readonly clock: Clock;
  readonly random: Random;
  readonly network: Network;
  readonly files: Files;
  readonly signals: Signals;
  readonly diagnostics: Diagnostics;
  /** Counts what is alive. Every implementation counts its own timers, sockets and listeners in it. */
  readonly ledger: Ledger;
  /**
   * Runs work that waits outside of the event loop's own events (WebCrypto, files). The simulated world holds
   * virtual time until it is done, and hands results in call order.
   */
  outside<T>(work: () => Promise<T>): Promise<T>;
}
