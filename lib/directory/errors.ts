/** Errors of asking. @module */
import { CallerError } from "../base/mod.ts";

/** A URL that names no host that can be asked. */
export class BadUrlError extends CallerError {
  readonly code = "BAD_URL";
}
