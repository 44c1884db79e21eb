/** A store of uptimes with as many visors as a test wants, and what was asked of it. */
import assert from "node:assert/strict";
import type { PublicKey } from "../../lib/crypto/mod.ts";
import type { BodyReader } from "../../lib/http/mod.ts";
import { VirtualClock } from "../../lib/runtime/simulated/mod.ts";
import type { Answer, Question } from "../../lib/services/hosting/mod.ts";
import { DAY_MS, dayOf, SLOTS_OF_DAY, type UptimeStore } from "../../lib/services/store/mod.ts";
import { HISTORY_DAYS, PART_VISORS } from "../../lib/services/uptimes/mod.ts";

export const NOON_MS = Date.UTC(2026, 10, 20, 12);
export const DAYS = HISTORY_DAYS + 1;
/** Five parts and a little more. */
export const COUNT = 5 * PART_VISORS + 7;

/** As many visors as wanted, each with eight days: what is asked of it is written down. */
export class ManyVisors {
  keys: PublicKey[];
  /** Of everybody. */
  readings = 0;
  /** Visors whose days were asked for at once. */
  readonly pages: number[] = [];
  failure: Error | undefined;

  constructor(readonly clock: VirtualClock, count: number) {
    this.keys = Array.from({ length: count }, (_, at) => keyOf(2 * at));
  }

  nowMs(): Promise<number> {
    return Promise.resolve(this.clock.wallMs());
  }

  presentMs(): Promise<number> {
    return this.nowMs();
  }

  clockAheadMs(): Promise<number> {
    return Promise.resolve(0);
  }

  visors(keys?: readonly PublicKey[]) {
    if (keys === undefined) this.readings++;
    if (this.failure !== undefined) return Promise.reject(this.failure);
    const found = keys?.filter((key) => this.keys.includes(key)) ?? this.keys;
    return Promise.resolve(found.map((key) => this.visor(key)));
  }

  days(first: string, last: string, keys: readonly PublicKey[] = this.keys) {
    this.pages.push(keys.length);
    const names = this.names().filter((day) => first <= day && day <= last);
    return Promise.resolve(
      keys.flatMap((key) => names.map((day) => ({ key, day, ...this.counted(key, day) }))),
    );
  }

  names(): string[] {
    return Array.from({ length: DAYS }, (_, at) => dayOf(this.clock.wallMs() - (HISTORY_DAYS - at) * DAY_MS));
  }

  visor(key: PublicKey) {
    const at = numberOf(key);
    return {
      key,
      version: at % 3 === 0 ? undefined : `v1.3.${at % 5}`,
      lastSeenMs: this.clock.wallMs() - (this.isOn(key) ? 0 : DAY_MS),
    };
  }

  isOn(key: PublicKey): boolean {
    return numberOf(key) % 4 === 0;
  }

  counted(key: PublicKey, day: string) {
    const seed = numberOf(key) + Number(day.slice(-2));
    const slots = Uint8Array.from({ length: SLOTS_OF_DAY / 8 }, (_, at) => seed * 31 + at * 7);
    return { beats: seed % 289, slots };
  }

  /** The list as it is to be, by the book. */
  listed(version: "v1" | "v2" | "v3", keys = this.keys, beatsOfDay = 288): string {
    const list = keys.map((key) => {
      const on = this.isOn(key);
      if (version === "v1") return { key, online: on };
      const days = this.names().map((day) => [day, this.counted(key, day)] as const);
      return {
        pk: key,
        on,
        version: this.visor(key).version,
        daily: Object.fromEntries(
          days.map(([day, { beats }]) => [day, Math.min(100, 100 * beats / beatsOfDay).toFixed(2)]),
        ),
        timeline: version === "v2"
          ? undefined
          : Object.fromEntries(days.map(([day, { slots }]) => [day, lineOf(slots)])),
      };
    });
    return `${JSON.stringify(list)}\n`;
  }

  get store(): UptimeStore {
    return this as unknown as UptimeStore;
  }
}

/** A long text is not put out. */
export function same(told: string, expected: string): void {
  if (told === expected) return;
  const at = [...expected].findIndex((character, place) => character !== told[place]);
  assert.equal(told.slice(at, at + 80), expected.slice(at, at + 80), `at ${at} of ${told.length}`);
  assert.equal(told.length, expected.length);
}

export const keyOf = (at: number) => `02${at.toString(16).padStart(64, "0")}` as PublicKey;
export const numberOf = (key: string) => parseInt(key.slice(-8), 16);

function lineOf(slots: Uint8Array): string {
  const bits = [...slots].map((byte) => byte.toString(2).padStart(8, "0")).join("");
  return bits.replaceAll("0", " ").replaceAll("1", ".");
}

/** What comes of it while turns of the event loop pass, and no time. */
export async function soon<T>(clock: VirtualClock, work: Promise<T>): Promise<T> {
  const [settled] = await Promise.allSettled([work, clock.advance(0)]);
  if (settled.status === "rejected") throw settled.reason;
  return settled.value;
}

export async function partsOf(reader: BodyReader): Promise<string[]> {
  const parts: string[] = [];
  for (let view = await reader.read(); view !== null; view = await reader.read()) {
    parts.push(new TextDecoder().decode(view));
  }
  return parts;
}

export const whole = async ({ parts, body }: Answer) =>
  parts === undefined ? body : (await partsOf(parts())).join("");

export const question = (path: string, query = ""): Question => ({
  method: "GET",
  path,
  query,
  header: () => undefined,
  bytes: () => Promise.resolve(new Uint8Array()),
  remote: "203.0.113.7:1",
});
