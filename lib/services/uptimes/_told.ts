/** A visor with what was counted of it. @module */
import type { PublicKey } from "../../crypto/mod.ts";
import type { SeenVisor } from "../store/mod.ts";
import type { CountedDay, PackedDays } from "./_packed_days.ts";

export interface ToldVisor<Key extends string = PublicKey> extends SeenVisor<Key> {
  readonly isOnline: boolean;
  /** The oldest first. */
  readonly days: readonly CountedDay[];
}

/** The days are unpacked when they are asked for: of everybody at once they are some hundred MB. */
export class PackedVisor<Key extends string> implements ToldVisor<Key> {
  readonly key: Key;
  readonly version: string | undefined;
  readonly lastSeenMs: number;
  readonly isOnline: boolean;
  readonly #days: PackedDays<Key>;

  constructor({ key, version, lastSeenMs }: SeenVisor<Key>, isOnline: boolean, days: PackedDays<Key>) {
    this.key = key;
    this.version = version;
    this.lastSeenMs = lastSeenMs;
    this.isOnline = isOnline;
    this.#days = days;
  }

  get days(): readonly CountedDay[] {
    return this.#days.of(this.key);
  }
}
