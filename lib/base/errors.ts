/**
 * The family of every error that skyctl raises on purpose.
 *
 * Whose fault decides the branch: the caller's ({@link CallerError}), the peer's ({@link PeerError}) or the
 * world's ({@link WorldError}). Our own bugs are no SkyErrors: they crash.
 *
 * @module
 */

import { oneLine } from "./one_line.ts";

/** Options of every SkyError: the cause below it and the next command to try. */
export interface SkyErrorOptions extends ErrorOptions {
  readonly hint?: string;
}

/** What every failure of ours carries: a code to match, a cause to read, a next step. */
export abstract class SkyError extends Error {
  /** Stable, documented in ERRORS.md, never translated. */
  abstract readonly code: string;
  /** Whose fault it is; decides the exit code of a command. */
  abstract readonly fault: "caller" | "peer" | "world";
  /** What to try next. */
  readonly hint: string | undefined;
  constructor(message: string, options: SkyErrorOptions = {}) {
    super(message, options);
    this.name = new.target.name;
    this.hint = options.hint;
  }
}

/** The caller gave something that cannot be used: an argument, a setting, a key. Exit code 2. */
export abstract class CallerError extends SkyError {
  readonly fault = "caller";
}

/** The peer broke the protocol, refused, or cannot do what was asked. Exit code 4. */
export abstract class PeerError extends SkyError {
  readonly fault = "peer";
}

/** Nobody misbehaved: unreachable, timed out, closed, no such file. Exit code 3. */
export abstract class WorldError extends SkyError {
  readonly fault = "world";
}

/** A connection is closed on our side; `cause` is the reason that was given to the close. */
export class ConnClosedError extends WorldError {
  readonly code = "CONN_CLOSED";
  constructor(reason?: unknown, message = "Connection is closed") {
    super(message, { cause: reason });
  }
}

/** The peer reset the connection, or the network did: both halves are gone. */
export class ConnResetError extends WorldError {
  readonly code: string = "CONN_RESET";
  constructor(message = "Connection was reset by the peer", options: SkyErrorOptions = {}) {
    super(message, options);
  }
}

/** The peer's bytes ended inside a frame. */
export class TruncatedError extends PeerError {
  readonly code = "TRUNCATED";
  constructor(what: string, options: SkyErrorOptions = {}) {
    super(`Connection ended inside ${what}`, options);
  }
}

/** The peer sent bytes that the protocol does not allow. */
export class MalformedError extends PeerError {
  readonly code = "MALFORMED";
}

/** Something did not happen within its bound. */
export class TimedOutError extends WorldError {
  readonly code = "TIMED_OUT";
  constructor(what: string, readonly afterMs: number, options: SkyErrorOptions = {}) {
    super(`${what} did not finish within ${Math.ceil(afterMs)} ms`, options); // it may be what is left of a longer time
  }
}

/** One of our bounds is reached: a queue, a table, a number of sessions. The peer that filled it is cut off. */
export class LimitError extends PeerError {
  readonly code = "LIMIT_REACHED";
}

/** True for the error that an aborted signal throws, whatever its reason. */
export function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === "AbortError";
}

/** A one-line text of an error and its causes, for logs: never a stack, never a secret. Never throws. */
export function describeError(error: unknown): string {
  const parts: string[] = [];
  let current: unknown = error;
  for (let depth = 0; depth < 6 && current !== undefined && current !== null; depth++) {
    parts.push(oneLine(textOf(current)));
    current = current instanceof Error ? current.cause : undefined;
  }
  return parts.length > 0 ? parts.join(": ") : "unknown error";
}

/** An error without a message says at least what it is. */
function textOf(error: unknown): string {
  try {
    return error instanceof Error ? error.message || error.name : String(error);
  } catch {
    return "an object without a text"; // its own conversion throws
  }
}
