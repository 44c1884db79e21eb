/** What is wrong with a deployment file. @module */
import { CallerError } from "../base/mod.ts";
import { placeOfProblem, shown } from "./_shown.ts";

/** A deployment file cannot be used: the field, what it holds, and what to write instead. */
export class DeploymentError extends CallerError {
  readonly code = "BAD_DEPLOYMENT";
  readonly #value: unknown;
  /**
   * `field` is the path from the top, for instance `prod.dmsg_servers[2].static`, empty for the whole text. `value`
   * is shown shortened, and without secret keys; `remedy` completes "… must be".
   */
  constructor(
    readonly field: string,
    value: unknown,
    readonly remedy: string,
    { file, ...options }: ErrorOptions & { readonly file?: string } = {},
  ) {
    const named = field === "" ? "Deployment" : `Deployment field ${field}`;
    const holds = value instanceof NotJson ? value.text : value === undefined ? "missing" : shown(value);
    super(`${file === undefined ? "" : `${file}: `}${named} must be ${remedy}, not ${holds}`, {
      ...options,
      hint: field === "" ? `write ${remedy}` : `set ${field} to ${remedy}`,
    });
    this.#value = value;
  }

  /** The same, with the file's name. */
  of(file: string): DeploymentError {
    return new DeploymentError(this.field, this.#value, this.remedy, { cause: this.cause, file });
  }
}

/** A text that is no JSON: of it only the place is shown. */
export class NotJson {
  readonly text: string;
  constructor(text: string) {
    this.text = text.trim() === "" ? "an empty file" : `text that is no JSON${placeOfProblem(text)}`;
  }
}
