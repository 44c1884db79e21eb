/** What is wrong with a deployment file. @module */
import { CallerError } from "../base/mod.ts";

/** A deployment file cannot be used: the field, what it holds, and what to write instead. */
export class DeploymentError extends CallerError {
  readonly code = "BAD_DEPLOYMENT";
  /**
   * `field` is the path from the top, for instance `prod.dmsg_servers[2].static`, empty for the whole text. `value`
   * is shown shortened; `remedy` completes "… must be".
   */
  constructor(readonly field: string, value: unknown, readonly remedy: string, options: ErrorOptions = {}) {
    const named = field === "" ? "Deployment" : `Deployment field ${field}`;
    super(`${named} must be ${remedy}, not ${show(value)}`, {
      ...options,
      hint: field === "" ? `write ${remedy}` : `set ${field} to ${remedy}`,
    });
  }
}

function show(value: unknown): string {
  if (value === undefined) return "missing";
  const text = JSON.stringify(value);
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
