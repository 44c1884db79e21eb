/**
 * Signs of life that registrations are: of the visor that registers, and of its transports (services.md 3.3, SV-7).
 *
 * A visor earns uptime by registering transports and by nothing else. A heartbeat counts for one that has registered
 * itself before, while one of its transports lives; who only says that he is there is not in the list.
 *
 * @module
 */
import type { Log } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import type { TransportRecord } from "../../directory/mod.ts";
import type { Clock } from "../../runtime/mod.ts";
import { StoreFailures } from "../hosting/mod.ts";
import { slotOf, StoreError, type TransportStore, type UptimeStore } from "../store/mod.ts";
import { REGISTRATION_BEAT } from "../uptimes/mod.ts";
import { BEATEN_MAX, TRANSPORTS_KEPT_MAX } from "./settings.ts";

/** What a transport discovery knows of uptimes. */
export interface UptimeStores {
  readonly visors: UptimeStore;
  /** By id. What is told of one is its {@link aboutTransport}. */
  readonly transports: UptimeStore<string>;
}

export class Beats {
  readonly #stores: UptimeStores;
  readonly #transports: Pick<TransportStore, "byEdges">;
  readonly #failures: StoreFailures;
  /** When each transport beat last, as the store knows: its other edge registers it as often. */
  readonly #beaten = new Map<string, Beaten>();

  constructor(
    stores: UptimeStores,
    { transports, clock, log }: {
      readonly transports: Pick<TransportStore, "byEdges">;
      readonly clock: Pick<Clock, "monotonicMs">;
      readonly log: Log;
    },
  ) {
    this.#stores = stores;
    this.#transports = transports;
    this.#failures = new StoreFailures(log, clock, "Uptimes cannot be kept");
  }

  /** `key` has registered `records`, and they are stored. Uptimes that cannot be kept cost nobody a registration. */
  async registered(
    key: PublicKey,
    records: readonly TransportRecord[],
    version: string | undefined,
  ): Promise<void> {
    try {
      if (records.length === 0) return await this.alive(key, version);
      await this.#registered(key, records, version);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      this.#failures.tell(error);
    }
  }

  /** `key` says that it is there. Rejects with `StoreError` when that cannot be kept: there is nothing else to it. */
  async alive(key: PublicKey, version: string | undefined): Promise<void> {
    const { visors } = this.#stores;
    if ((await visors.visors([key])).length === 0) return; // it never registered a transport
    if ((await this.#transports.byEdges([key])).length === 0) return; // or has none now
    await visors.beat({ ...REGISTRATION_BEAT, key, version });
  }

  async #registered(
    key: PublicKey,
    records: readonly TransportRecord[],
    version: string | undefined,
  ): Promise<void> {
    const { visors, transports } = this.#stores;
    await visors.beat({ ...REGISTRATION_BEAT, key, version });
    const nowMs = await visors.presentMs(); // as the beat was told: both stores are in one place
    const beats = records.filter(isPeerToPeer).flatMap((record) =>
      this.#timesToTell(record.id, nowMs).map((toldMs) => {
        const about = { key: record.id, agoMs: nowMs - toldMs, version: aboutTransport(record) };
        return { ...TRANSPORT_BEAT, ...about };
      })
    );
    if (beats.length === 0) return;
    await transports.beats(beats);
    for (const { key: id } of beats) this.#remember(id, nowMs);
  }

  /**
   * What a store is told of a beat of a transport, by the store's own clock. One that comes soon after another, in the
   * same slot, is held back until the next one that is not: told together they count as if each had been told, and
   * cost one write.
   */
  #timesToTell(id: string, nowMs: number): number[] {
    const beaten = this.#beaten.get(id);
    if (beaten === undefined) return [nowMs];
    const isSoon = nowMs >= beaten.toldMs && nowMs - beaten.toldMs < HELD_BACK_MS;
    if (!isSoon || slotOf(nowMs) !== slotOf(beaten.toldMs)) {
      return beaten.heldMs === undefined ? [nowMs] : [beaten.heldMs, nowMs];
    }
    beaten.heldMs = nowMs;
    return [];
  }

  #remember(id: string, toldMs: number): void {
    this.#beaten.delete(id); // and to the end
    this.#beaten.set(id, { toldMs, heldMs: undefined });
    if (this.#beaten.size > BEATEN_MAX) this.#beaten.delete(this.#beaten.keys().next().value!);
  }
}

/** Those that need no dmsg server, and lead to somebody else. */
export function isPeerToPeer({ type, edges }: Pick<TransportRecord, "type" | "edges">): boolean {
  return type !== "dmsg" && edges[0] !== edges[1];
}

/** What an uptime of a transport is kept with: `<type> <edge> <edge>`. */
export function aboutTransport({ type, edges }: Pick<TransportRecord, "type" | "edges">): string {
  return `${type} ${edges[0]} ${edges[1]}`;
}

/** What {@link aboutTransport} wrote. */
export function readAboutTransport(text: string): Pick<TransportRecord, "type" | "edges"> {
  const [type, first, second] = text.split(" ") as [string, PublicKey, PublicKey];
  return { type, edges: [first, second] };
}

interface Beaten {
  readonly toldMs: number;
  /** The last one since then that no store was told of. */
  heldMs: number | undefined;
}

/** All that came within one interval is one stretch of time, so that the last of it tells all. */
const HELD_BACK_MS = REGISTRATION_BEAT.intervalMs - REGISTRATION_BEAT.earlyMs;
const TRANSPORT_BEAT = { ...REGISTRATION_BEAT, visorsMax: TRANSPORTS_KEPT_MAX } as const;
