/** What keeps an app from starting. @module */
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
