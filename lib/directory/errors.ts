/** Errors of asking. @module */
import { CallerError } from "../base/mod.ts";

/** A URL that names no host that can be asked. */
export class BadUrlError extends CallerError {
  readonly code = "BAD_URL";
}

/** A deployment file without a way to its dmsg discovery. */
export class NoDiscoveryError extends CallerError {
  readonly code = "NO_DISCOVERY";
  constructor(readonly file: string) {
    super(`${file}: field dmsg_discovery is missing, and so is dmsg_discovery_dmsg`, {
      hint: "name one of them; skyctl visor run --local writes such a file",
    });
  }
}
