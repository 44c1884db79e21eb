/** What is wrong with kept uptime. @module */
import { type SkyErrorOptions, WorldError } from "../../base/mod.ts";

/** The file of an earlier run cannot be used; counting begins anew. */
export class UptimeFileError extends WorldError {
  readonly code = "BAD_UPTIME_FILE";
  constructor(problem: string, options: SkyErrorOptions = {}) {
    super(`Cannot use the kept uptime: ${problem}`, options);
  }
}
