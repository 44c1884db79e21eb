/** What every store of a service is, whatever it keeps. @module */
import { CallerError, type SkyErrorOptions, WorldError } from "../../base/mod.ts";

export interface Store extends AsyncDisposable {
  /**
   * Asks for nothing, and finds out whether writes are taken. Rejects with {@link StoreError} when the store cannot be
   * asked now, or takes none.
   */
  check(): Promise<void>;
}

/** A setting names no store: an empty name, a URL that is none of Redis. Never shows it: it may hold a password. */
export class InvalidStoreNameError extends CallerError {
  readonly code = "INVALID_STORE_NAME";
}

/** Another process has the SQLite file of the store. */
export class StoreInUseError extends WorldError {
  readonly code = "STORE_IN_USE";
  constructor(readonly file: string, cause: unknown) {
    super(`Cannot open the store ${file}: another process has it open, and a file is for one process alone`, {
      cause,
      hint:
        "end the other process, name another file, or give all of them one Redis: --redis redis://host:port",
    });
  }
}

/** What is wrong with a store: it cannot be asked; or it can be, and takes no writes. */
export type StoreState = "unavailable" | "full" | "read-only" | "unwritable";

/** The store cannot be opened, asked or written to: no such folder, no Redis there, disk full. */
export class StoreError extends WorldError {
  readonly code = "STORE_UNAVAILABLE";
  /** As `Store.check` found it; of every other failure `unavailable`. */
  readonly state: StoreState;
  constructor(
    message: string,
    { state = "unavailable", ...options }: SkyErrorOptions & { readonly state?: StoreState } = {},
  ) {
    super(message, options);
    this.state = state;
  }
}
