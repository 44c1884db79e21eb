/** What `skyctl route rm` may meet. @module */
import { CallerError } from "../../lib/base/mod.ts";

/** The visor's routing table has no rule of that id. */
export class RuleNotFoundError extends CallerError {
  readonly code = "RULE_NOT_FOUND";
  constructor(readonly id: number) {
    super(`Rule ${id} is not found`, { hint: "skyctl route ls" });
  }
}
