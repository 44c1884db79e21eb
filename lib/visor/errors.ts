/** What keeps a visor from starting or serving. @module */
import { CallerError, PeerError, WorldError } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";

/** One home, one visor. */
export class VisorRunningError extends WorldError {
  readonly code = "VISOR_RUNNING";
  constructor(home: string, controlFile: string, readonly pid: number | undefined) {
    super(
      `A visor runs with home ${home} already${pid === undefined ? "" : ` (process ${pid})`}: ${controlFile}`,
      {
        hint: "skyctl visor stop, or give this one a home of its own with --home DIR",
      },
    );
  }
}

/** The control API would be open to other machines. */
export class ControlNotLocalError extends CallerError {
  readonly code = "CONTROL_NOT_LOCAL";
  constructor(address: string) {
    super(`Cannot offer the control API (cli_addr, --control) on ${address}: it is for this machine alone`, {
      hint: "give it 127.0.0.1 or [::1]; from elsewhere, come through a tunnel such as ssh -L",
    });
  }
}

/** What should be served is no folder. */
export class NotAFolderError extends CallerError {
  readonly code = "NOT_A_FOLDER";
  constructor(readonly path: string) {
    super(`Cannot serve ${path}: it is not a folder`);
  }
}

/** A dmsg port of this visor serves something else already. */
export class DmsgPortTakenError extends CallerError {
  readonly code = "DMSG_PORT_TAKEN";
  /** `folder`: what is served there, where it is one. */
  constructor(
    readonly port: number,
    { folder, ...options }: ErrorOptions & { readonly folder?: string } = {},
  ) {
    super(`Cannot serve on dmsg port ${port}: ${folder ?? "something else of this visor"} is served there`, {
      ...options,
      hint:
        "choose another --port, or end the skyctl dmsg serve that has it; skyctl visor status lists what is served",
    });
  }
}

/** A visor is asked to reach itself. */
export class OwnKeyError extends CallerError {
  readonly code = "OWN_KEY";
  /** `act` as in "Cannot ping this visor itself". */
  constructor(act: string) {
    super(`Cannot ${act} this visor itself: the key is its own`, {
      hint: "give another visor's key; skyctl visor status shows this one's, --home asks another visor",
    });
  }
}

/** Another visor or service does not give its log. */
export class LogRefusedError extends PeerError {
  readonly code = "LOG_REFUSED";
  constructor(readonly key: PublicKey, readonly status: number) {
    super(`${key} gives its log to none but those whom it trusts, or has none (status ${status})`, {
      hint: status === 401
        ? "its operator lists this visor's key in survey_whitelist: skyctl visor status shows it"
        : undefined,
    });
  }
}
