/** What `conf pull` can end with, besides what is wrong with the file. @module */
import { CallerError, describeError, WorldError } from "../../base/mod.ts";

/** Without a server and the discovery's key there is no way to ask over dmsg. */
export class NoBootstrapError extends CallerError {
  readonly code = "NO_BOOTSTRAP";
  constructor(missing: "servers" | "discovery") {
    super(
      missing === "servers"
        ? "no embedded dmsg servers to bootstrap from"
        : "no dmsg address of the discovery to fetch the servers from",
      { hint: "name a deployment that has both with --deployment FILE" },
    );
  }
}

/** No session with any server that is known. */
export class DirectClientError extends WorldError {
  readonly code = "DIRECT_CLIENT";
  constructor(cause: unknown) {
    super(`start direct dmsg client: ${describeError(cause)}`, {
      hint: "check this machine's network, or name a deployment whose servers run with --deployment FILE",
    });
  }
}

/** There is a session, and the discovery gave no list that can be used. */
export class ServerListError extends WorldError {
  readonly code = "SERVER_LIST";
  constructor(cause: unknown) {
    super(`fetch all_servers over dmsg: ${describeError(cause)}`, {
      hint: "try again, with --verbose to see each step, or with a larger --timeout",
    });
  }
}
