/**
 * Links that peers open, until they are transports: settled side by side, a bounded number of them, and refused where
 * a transport would be one too many or would take the place of one in use (protocol: transport, sections 8.4 and 9).
 *
 *     take ──▶ may it replace what is there? is there room? ──▶ settlement ──▶ a transport, or the new connection of one
 *
 * @module
 */
import { type Conn, ConnResetError, describeError, type Log, type Scope } from "../base/mod.ts";
import type { KeyPair, PublicKey } from "../crypto/mod.ts";
import type { Clock } from "../runtime/mod.ts";
import { ipBlock } from "../wire/mod.ts";
import type { LiveTransports } from "./_live_transports.ts";
import type { Precedence } from "./_precedence.ts";
import { Settlements, type Settling } from "./_settlements.ts";
import type { RefusalCounters, RefusalReason } from "./counters.ts";
import { TransportsFullError } from "./errors.ts";
import { type TransportId, transportId } from "./id.ts";
import { DuplicateLinkError, settleAsResponder } from "./settlement.ts";
import type { TransportType } from "./types.ts";

/**
 * Live transports that nobody here asked for: keys cost nothing. Public visors of the original take 1,000 and are
 * told so by their configuration (`public_visor.max_transports`).
 */
export const UNASKED_TRANSPORTS_MAX = 1_024;
/** The same from one address (IPv4) or one network of 64 bits (IPv6): addresses do cost something. */
export const UNASKED_OF_ADDRESS_MAX = 128;

export interface AcceptedLinksOptions {
  readonly clock: Clock;
  readonly local: KeyPair;
  /** The settlements run in it. */
  readonly scope: Scope;
  readonly live: LiveTransports;
  readonly precedence: Precedence;
  /** Configured, or being dialled just now: finds room always. */
  readonly isWanted: (id: TransportId) => boolean;
  /** Live transports that peers opened, at most. */
  readonly unaskedMax: number;
  /** The same from one address, where it is known. */
  readonly unaskedOfAddressMax: number;
  readonly refusals: RefusalCounters;
  readonly log: Log;
}

export class AcceptedLinks {
  readonly #options: AcceptedLinksOptions;
  readonly #settlements = new Settlements();
  /** Live, and nobody here asked for them; with the address block that each came from. */
  readonly #unasked = new Map<TransportId, string | undefined>();
  readonly #unaskedOf = new Map<string, number>(); // by address block

  constructor(options: AcceptedLinksOptions) {
    this.#options = options;
    options.live.onClosed(({ id }) => this.asked(id));
  }

  /** Somebody here wants the transport, whoever opened it, or it is gone: it takes no place of strangers any more. */
  asked(id: TransportId): void {
    const block = this.#unasked.get(id);
    if (!this.#unasked.delete(id) || block === undefined) return;
    const left = this.#unaskedOf.get(block)! - 1;
    if (left === 0) this.#unaskedOf.delete(block);
    else this.#unaskedOf.set(block, left);
  }

  /** Takes a link that a carrier accepted; `remote` proved its key. `from`: the IP address, where it is known. */
  take(type: TransportType, conn: Conn, remote: PublicKey, from?: string): void {
    const { scope, local, live, refusals, log } = this.#options;
    if (scope.signal.aborted) return conn.close(scope.signal.reason);
    if (remote === local.publicKey) return live.addFarEnd(type, conn);
    const block = from === undefined ? undefined : ipBlock(from);
    const settling = { conn, remote, block };
    if (this.#settlements.enter(settling) !== undefined) refusals.add("busy");
    scope.spawn("settle a transport", async (signal) => {
      try {
        await this.#accept(type, settling, signal);
      } catch (error) {
        conn.close(error);
        if (!this.#settlements.leave(settling)) return; // counted when it had to make room
        refusals.add(refusalOf(error));
        log.info("Refused a transport", { type, remote, cause: describeError(error) });
      } finally {
        this.#settlements.leave(settling);
      }
    });
  }

  async #accept(
    type: TransportType,
    { conn, remote, block }: Settling,
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, local, live, precedence, isWanted } = this.#options;
    const id = transportId(local.publicKey, remote, type);
    const lost = await precedence.lost(id, signal);
    const isWelcome = () => (lost !== undefined && live.byId.get(id) === lost) || precedence.mayReplace(id);
    if (!isWelcome()) throw new DuplicateLinkError();
    this.#checkRoom(id, block);
    const settled = await settleAsResponder(conn, { clock, local, remote, type, signal, isWelcome });
    if (signal.aborted) return settled.conn.close(signal.reason);
    const hasPlace = lost !== undefined && live.byId.get(id) === lost; // and nobody takes it between the two
    const isUnasked = hasPlace ? this.#unasked.has(id) : !isWanted(id);
    lost?.close(new ConnResetError("The peer connected anew, and does not answer on the old connection"));
    const existing = live.byId.get(id);
    if (existing !== undefined) return existing.replaceConn(settled.conn, { isInitiator: false });
    if (!hasPlace) this.#checkRoom(id, block); // others have settled meanwhile
    if (isUnasked) this.#noteUnasked(id, block);
    live.add(type, remote, { label: settled.label, conn: settled.conn, isInitiator: false });
  }

  #noteUnasked(id: TransportId, block: string | undefined): void {
    this.#unasked.set(id, block);
    if (block !== undefined) this.#unaskedOf.set(block, (this.#unaskedOf.get(block) ?? 0) + 1);
  }

  /** Throws `TransportsFullError` where a transport that a peer opens would be one too many. */
  #checkRoom(id: TransportId, block: string | undefined): void {
    const { live, isWanted, unaskedMax, unaskedOfAddressMax } = this.#options;
    if (isWanted(id) || live.byId.has(id)) return;
    if (this.#unasked.size >= unaskedMax) throw new TransportsFullError(unaskedMax);
    if (block === undefined || (this.#unaskedOf.get(block) ?? 0) < unaskedOfAddressMax) return;
    throw new TransportsFullError(unaskedOfAddressMax, block);
  }
}

/** Under which reason a link that did not become a transport is counted. */
function refusalOf(error: unknown): RefusalReason {
  if (error instanceof DuplicateLinkError) return "duplicate";
  return error instanceof TransportsFullError ? "full" : "settlement";
}
