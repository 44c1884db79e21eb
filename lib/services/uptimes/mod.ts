/**
 * Uptimes as services tell of them: three versions of one list, from a store of beats.
 *
 * ```ts
 * import { Ledger } from "../../base/mod.ts";
 * import { VirtualClock } from "../../runtime/simulated/mod.ts";
 * import { openUptimeStore } from "../store/mod.ts";
 * import { answerUptimes, Uptimes } from "./mod.ts";
 *
 * const clock = new VirtualClock();
 * await using store = await openUptimeStore("memory", { clock, ledger: new Ledger() });
 * const uptimes = new Uptimes({ store, clock, beatsOfDay: 288, online: 360_000 });
 * console.log((await answerUptimes(uptimes, "v=v2")).body); // []
 * ```
 *
 * @module
 */
export { KeptText, TextRoom } from "./_kept_text.ts";
export type { CountedDay } from "./_packed_days.ts";
export { type ListText, wholeText } from "./_parts.ts";
export type { ToldVisor } from "./_told.ts";
export * from "./settings.ts";
export * from "./uptimes.ts";
