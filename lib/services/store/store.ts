/** What every store of a service is, whatever it keeps. @module */
import { CallerError, type SkyErrorOptions, WorldError } from "../../base/mod.ts";

export interface Store extends AsyncDisposable {
  /** Asks for nothing. Rejects with {@link StoreError} when the store cannot be asked now. */
  check(): Promise<void>;
}

/** A setting names no store: an empty name, a URL that is none of Redis. Never shows it: it may hold a password. */
export class InvalidStoreNameError extends CallerError {
  readonly code = "INVALID_STORE_NAME";
}

/** The store cannot be opened or asked: no such folder, no Redis there, disk full. */
export class StoreError extends WorldError {
  readonly code = "STORE_UNAVAILABLE";
  constructor(message: string, options: SkyErrorOptions = {}) {
    super(message, options);
  }
}
