/** What keeps an app from starting, or from being removed. @module */
import { CallerError, type SkyErrorOptions } from "../../base/mod.ts";

/** No app has this name. */
export class AppNotFoundError extends CallerError {
  readonly code = "APP_NOT_FOUND";
  constructor(name: string) {
    super(`app not found: ${name}`, { hint: "skyctl app ls" });
  }
}

/** The configuration has an app that this program does not have. */
export class AppNotBuiltInError extends CallerError {
  readonly code = "APP_NOT_BUILT_IN";
  constructor(name: string, known: readonly string[]) {
    super(`Cannot start ${name}: the app is not built in, only ${known.join(", ")} are`, {
      hint: "skyctl app ls",
    });
  }
}

/** The arguments of an app cannot be used. */
export class AppArgumentsError extends CallerError {
  readonly code = "APP_ARGUMENTS";
  constructor(app: string, problem: string, options: SkyErrorOptions = {}) {
    super(`Cannot start ${app}: ${problem}`, options);
  }
}

/** An app of the configuration cannot be forgotten: it would be there again with the next start of the visor. */
export class AppConfiguredError extends CallerError {
  readonly code = "APP_CONFIGURED";
  constructor(name: string) {
    super(`Cannot remove ${name}: the visor's configuration has the app`, {
      hint: `skyctl app stop ${name} stops it; take it out of the configuration to be rid of it`,
    });
  }
}
