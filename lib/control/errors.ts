/** What a control call can end with. @module */
import { CallerError, PeerError, shellWord, SkyError, type SkyErrorOptions } from "../base/mod.ts";

/** The hint of whoever waited in vain for the visor of `home`: its process may be stopped, and the doctor sees that. */
export function doctorHint(home: string): string {
  return `skyctl visor doctor --home ${shellWord(home)}`;
}

/** The token of a control call is missing or wrong. */
export class ControlTokenError extends CallerError {
  readonly code = "CONTROL_TOKEN";
  constructor() {
    super("The token is missing or wrong", {
      hint: "send Authorization: Bearer and the token of control.json",
    });
  }
}

/** There is no such call, or not by that method. */
export class ControlCallError extends CallerError {
  readonly code = "CONTROL_CALL";
  constructor(method: string, path: string, readonly allowed: readonly string[]) {
    super(`${method} ${path} is no call${allowed.length === 0 ? "" : `, ${allowed.join(" and ")} is`}`, {
      hint: "GET /v1/schema lists them",
    });
  }
}

/** What goes into a call is not what its schema says. */
export class ControlInputError extends CallerError {
  readonly code = "CONTROL_INPUT";
}

/** The visor answered what it cannot mean: another version of it, or another program at that port. */
export class ControlAnswerError extends PeerError {
  readonly code = "CONTROL_ANSWER";
}

/** Whose fault the visor says a failure is; `defect` is its own. */
export type ControlFault = SkyError["fault"];

/** The visor's failure at a call, under the code and the fault that it has there. */
export class ControlError extends SkyError {
  constructor(
    message: string,
    readonly status: number,
    readonly code: string,
    readonly fault: ControlFault,
    options: SkyErrorOptions = {},
  ) {
    super(message, options);
  }
}
