/** What `skyctl route rm` may meet. @module */
import { CallerError } from "../../lib/base/mod.ts";

/** The visor's routing table has no rules of these ids. */
export class RuleNotFoundError extends CallerError {
  readonly code = "RULE_NOT_FOUND";
  constructor(readonly ids: readonly number[]) {
    super(ids.map((id) => `Rule ${id} is not found`).join("; "), { hint: "skyctl route ls" });
  }
}
