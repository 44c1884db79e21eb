/**
 * Settlement: both ends agree which transport a fresh connection is (protocol: transport, section 7).
 *
 *     initiator ── signed entry, one JSON line ──▶ responder       its own signature set, the other one zeros
 *     initiator ◀── one byte ───────────────────── responder       1: agreed
 *
 * The initiator says nothing more before the byte came.
 *
 * @module
 */
import { type Conn, SkyError, withPrefix } from "../base/mod.ts";
import type { KeyPair, PublicKey } from "../crypto/mod.ts";
import type { Clock } from "../runtime/mod.ts";
import { ConnReader } from "../wire/mod.ts";
import { parseJson } from "./_json.ts";
import { Told, within } from "./_within.ts";
import {
  isSameTransport,
  isSignedBy,
  parseSignedEntry,
  renderSignedEntry,
  SIGNED_ENTRY_BYTES_MAX,
  signEntry,
  transportEntry,
} from "./entry.ts";
import { SettlementError } from "./errors.ts";

/** The whole step, on both sides. */
export const SETTLEMENT_TIMEOUT_MS = 20_000;

/** Wire: the responder's byte. */
export const SettlementReply = { rejected: 0, agreed: 1, signatureError: 2, invalidEntry: 3 } as const;
export type SettlementReply = (typeof SettlementReply)[keyof typeof SettlementReply];

export interface SettlementOptions {
  readonly clock: Clock;
  readonly local: KeyPair;
  /** As the handshake below proved it. */
  readonly remote: PublicKey;
  /** The name on the wire. */
  readonly type: string;
  /** Ends the settlement, never the connection that it returned. */
  readonly signal?: AbortSignal;
}

/** A second connection of a transport that must stay as it is. */
export class DuplicateLinkError extends SettlementError {
  constructor() {
    super("a routing rule uses the transport that is there, or our own dial crossed it");
  }
}

/** What the byte means in Skywire's words; undefined: agreed. */
export function settlementRefusal(reply: number): string | undefined {
  switch (reply) {
    case SettlementReply.agreed:
      return undefined;
    case SettlementReply.rejected:
      return "transport settlement rejected by remote";
    case SettlementReply.signatureError:
      return "signature error";
    case SettlementReply.invalidEntry:
      return "invalid entry";
    default:
      return "invalid remote response";
  }
}

/**
 * The dialler's side. Owns `conn`: on failure it is closed. Errors: `SettlementError`, `TruncatedError`,
 * `TimedOutError`, the signal's reason, the Conn's own.
 */
export function settleAsInitiator(
  conn: Conn,
  { clock, local, remote, type, label, signal }: SettlementOptions & { readonly label: string },
): Promise<Conn> {
  return within(conn, { clock, what: WHAT, afterMs: SETTLEMENT_TIMEOUT_MS, signal }, async () => {
    const entry = transportEntry(local.publicKey, remote, { type, label });
    const signed = signEntry({ entry, signatures: [undefined, undefined] }, local);
    await conn.write(new TextEncoder().encode(renderSignedEntry(signed)));
    const reader = new ConnReader(conn);
    const [reply] = await reader.readExactly(1, "a settlement");
    const refusal = settlementRefusal(reply!);
    if (refusal !== undefined) throw new SettlementError(refusal);
    return withPrefix(conn, reader.rest());
  });
}

/**
 * The acceptor's side; gives the label that the initiator chose. `isWelcome` is asked when everything else is
 * right. Owns `conn`: on failure the peer is told by a byte, and it is closed. Errors as above.
 */
export function settleAsResponder(
  conn: Conn,
  { clock, local, remote, type, signal, isWelcome = () => true }: SettlementOptions & {
    readonly isWelcome?: () => boolean;
  },
): Promise<{ readonly conn: Conn; readonly label: string }> {
  return within(conn, { clock, what: WHAT, afterMs: SETTLEMENT_TIMEOUT_MS, signal }, async () => {
    const reader = new ConnReader(conn);
    const line = await reader.readUntil(LINE_END, {
      bytesMax: SIGNED_ENTRY_BYTES_MAX,
      what: "the entry of a settlement",
    });
    let label: string;
    try {
      label = checkedLabel(new TextDecoder().decode(line), { local, remote, type });
    } catch (error) {
      if (!(error instanceof SkyError)) throw error;
      await conn.write(Uint8Array.of(SettlementReply.invalidEntry));
      throw new Told(error);
    }
    if (!isWelcome()) {
      await conn.write(Uint8Array.of(SettlementReply.rejected));
      throw new Told(new DuplicateLinkError());
    }
    await conn.write(Uint8Array.of(SettlementReply.agreed));
    return { conn: withPrefix(conn, reader.rest()), label };
  });
}

/**
 * The label of a line that is the entry of both keys and `type`, signed by `remote`. Errors: `MalformedError`,
 * `SettlementError`.
 */
export function checkedLabel(
  line: string,
  { local, remote, type }: Pick<SettlementOptions, "local" | "remote" | "type">,
): string {
  const signed = parseSignedEntry(parseJson(line, "a settlement"));
  const { label } = signed.entry;
  if (!isSameTransport(signed.entry, transportEntry(local.publicKey, remote, { type, label }))) {
    throw new SettlementError("the entry is of another transport");
  }
  if (!isSignedBy(signed, remote)) throw new SettlementError("the entry is not signed by its sender");
  return label;
}

const WHAT = "A settlement";
const LINE_END = 0x0a;
