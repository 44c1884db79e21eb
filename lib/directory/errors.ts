/** Errors of asking. @module */
import { CallerError, PeerError } from "../base/mod.ts";

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

/** A service answered, and the answer is no. */
export class ServiceRefusedError extends PeerError {
  readonly code = "SERVICE_REFUSED";
  constructor(readonly service: string, what: string, readonly status: number, readonly reason: string) {
    super(`The ${service} refused ${what} with status ${status}: ${reason}`);
  }
}

/** A service answered something that it cannot mean. */
export class ServiceAnswerError extends PeerError {
  readonly code = "SERVICE_ANSWER";
}
