/**
 * What ends a call: the other side's word, or the end of the connection.
 *
 * @module
 */
import { PeerError, SkyError, WorldError } from "../../base/mod.ts";

/** The other side answered a call with an error; its text is what it said, cut to {@link ERROR_TEXT_CHARS_MAX}. */
export class RpcError extends PeerError {
  readonly code = "RPC_REFUSED";
  constructor(readonly method: string, readonly text: string) {
    super(text);
  }
}

/** The connection of a client is at its end: calls are not begun, and those under way have no answer. */
export class RpcShutDownError extends WorldError {
  readonly code = "RPC_SHUT_DOWN";
  constructor(cause?: unknown) {
    super("connection is shut down", { cause });
  }
}

/** Characters of an error's text that are kept and sent: whoever reads a log needs no more. */
export const ERROR_TEXT_CHARS_MAX = 4_096;

/** An error of a handler whose text goes to the caller as it is, whatever its message says to ours. */
export interface WithRpcText {
  readonly rpcText: string;
}

/**
 * The text by which a caller is told of an error: its `rpcText`, or the message of a SkyError. Undefined for a
 * defect, whose message is nobody else's business.
 */
export function rpcTextOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { rpcText } = error as Partial<WithRpcText>;
  const text = typeof rpcText === "string" ? rpcText : error instanceof SkyError ? error.message : undefined;
  return text?.slice(0, ERROR_TEXT_CHARS_MAX);
}
