/**
 * One field of a configuration set: typed, validated against the whole, every other byte kept.
 *
 * @module
 */
import { CallerError } from "../../base/mod.ts";
import { type PublicKey, SecretKey } from "../../crypto/mod.ts";
import { ConfigError, parseConfigText } from "../../deployment/mod.ts";
import { applyEdits, type Edit, parseJsonPath, setValueEdit } from "../../deployment/edit/mod.ts";
import { pathIn, refuseOtherKind, whatever } from "../config/mod.ts";
import { checkConfig, type Finding } from "./check.ts";
import { nearestField, rowOf } from "./known_fields.ts";
import { namesPasscode, shownAt } from "./show.ts";

/** A secret key in the place of another value, or most of one (public keys have 66 digits). */
const SECRET_SHAPE = /(?<![0-9a-f])(?![0-9a-f]{66}(?![0-9a-f]))[0-9a-f]{48,}/i;
/** In the place of a secret key: the visor makes one at every start. */
const NO_SECRET_KEY = /^0+$/;
/** As Go writes that there is none. */
const NO_PUBLIC_KEY = "0".repeat(66);

/** No field has this name. */
export class UnknownFieldError extends CallerError {
  readonly code = "UNKNOWN_FIELD";
  /** `otherwise` is the hint where no name is near. */
  constructor(readonly field: string, otherwise = "skyctl conf show --all lists the fields") {
    const meant = nearestField(field);
    super(`No field is called ${JSON.stringify(field.slice(0, 200))}`, {
      hint: meant === undefined || meant === field ? otherwise : `is ${meant} meant?`,
    });
  }
}

/** What setting a field does to a text. */
export interface FieldSet {
  readonly field: string;
  readonly edits: readonly Edit[];
  /** Before and after, as they may be shown; null: it was not there. */
  readonly before: unknown;
  readonly after: unknown;
  readonly isChanged: boolean;
}

/**
 * The edits that give `field` what `given` says. Unknown fields need `force`, and take JSON, or else text. With `sk`
 * goes `pk`: of zeros none. Errors: `UnknownFieldError`; `ConfigError` for a value that the field, or a configuration
 * with it, cannot have, and for a file of another kind.
 */
export function setField(
  text: string,
  file: string,
  { field: named, given, force = false }: {
    readonly field: string;
    readonly given: string;
    readonly force?: boolean;
  },
): FieldSet {
  const raw = parseConfigText(text, file);
  refuseOtherKind(raw, file);
  const field = pathIn(raw, named);
  const path = parseJsonPath(field);
  const row = rowOf(field);
  if (path === undefined || (row === undefined && !force)) {
    throw new UnknownFieldError(named, "skyctl conf show --all lists the fields; --force sets any");
  }
  const value = (row?.type ?? whatever()).fromText(given);
  if (value === undefined) {
    const isHidden = row?.type.isSecret === true || SECRET_SHAPE.test(given) || namesPasscode(given);
    const shown = isHidden ? "(not shown)" : JSON.stringify(given.slice(0, 80));
    throw new ConfigError(file, field, `value ${shown}: it must be ${row?.type.rule}`);
  }
  let edits = [setValueEdit(text, path, value, file)];
  let after = applyEdits(text, edits);
  const isNone = field === "sk" && NO_SECRET_KEY.test(String(value));
  if (field === "sk") {
    const publicKey = isNone ? NO_PUBLIC_KEY : publicKeyOf(String(value), file);
    after = applyEdits(after, [setValueEdit(after, ["pk"], publicKey, file)]);
    edits = [{ start: 0, end: text.length, text: after }];
  }
  const isGiven = (at: string) => at === field || isBelow(at, field);
  // Items of a list may have moved: what was wrong of one is nothing new then.
  const saying = ({ severity, field: at, problem }: Finding) =>
    `${severity === "warning" && isBelow(at, field) ? at.replace(/\[\d+\]/g, "[]") : at} ${problem}`;
  const known = new Set(checkConfig(text, file).map(saying));
  const worse = checkConfig(after, file).find((finding) =>
    (finding.severity === "error" || (finding.severity === "warning" && isGiven(finding.field) && !isNone)) &&
    !known.has(saying(finding))
  );
  if (worse !== undefined) {
    // The remedy of a file that has it already would empty what this one has there.
    const isAround = isGiven(worse.field) && rowOf(worse.field) === undefined;
    throw new ConfigError(file, worse.field, worse.problem, {
      hint: isAround ? "it takes an object; skyctl conf show --all lists the fields in it" : worse.remedy,
    });
  }
  return {
    field,
    edits,
    before: shownAt(raw, path),
    after: shownAt(parseConfigText(after, file), path),
    isChanged: after !== text,
  };
}

function isBelow(at: string, field: string): boolean {
  return at.startsWith(`${field}.`) || at.startsWith(`${field}[`);
}

function publicKeyOf(secret: string, file: string): PublicKey {
  try {
    return SecretKey.parse(secret).publicKey;
  } catch {
    // The parser's own message names neither file nor field.
    throw new ConfigError(file, "sk", "value (not shown): it is no secret key, for it is out of range", {
      hint: "skyctl keys gen --show-secret makes one",
    });
  }
}
