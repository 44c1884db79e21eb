/** Bounds of a config bootstrapper (services.md 8). @module */

/** Where the services are over dmsg is asked anew after it. */
export const GATHERED_MS = 5 * 60_000;
/** The same while one of them could not be asked. */
export const INCOMPLETE_MS = 15_000;
