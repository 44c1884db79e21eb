/** What keeps a visor from starting or serving. @module */
import { CallerError, WorldError } from "../base/mod.ts";

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

/** What should be served is no folder. */
export class NotAFolderError extends CallerError {
  readonly code = "NOT_A_FOLDER";
  constructor(readonly path: string) {
    super(`Cannot serve ${path}: it is not a folder`);
  }
}
