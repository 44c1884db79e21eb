/** Bounds of a transport setup node (services.md 11). @module */

/** The body of a request: two keys and a type. */
export const REQUEST_BYTES_MAX = 4 * 1024;
/** Visors asked at once; further requests are refused. */
export const REQUESTS_MAX = 64;
/** A dial and a call: the visor itself may take 30 s to dial the other one. */
export const REQUEST_TIMEOUT_MS = 60_000;
