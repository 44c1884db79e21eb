/** Bounds of what is told of uptimes. @module */

/** Days before today that are kept and told of (services.md 7.3). */
export const HISTORY_DAYS = 7;
/** Months before this one whose addresses are kept. */
export const HISTORY_MONTHS = 12;
/** Figures of days are read anew after it: of everybody for a week they are up to 400,000 rows. */
export const DAYS_CACHE_MS = 5 * 60_000;
/** Visors register each 90 s; what a registration stands for where they count (services.md 3.3). */
export const REGISTRATION_BEAT_MS = 90_000;
/** One that comes a little early completes its interval; what was wanting is taken off the next one. */
export const REGISTRATION_EARLY_MS = 5_000;
/** Of a whole day: 960. */
export const REGISTRATION_BEATS_OF_DAY = 24 * 60 * 60_000 / REGISTRATION_BEAT_MS;
/** Of the work of long lists, until whatever else there is has its turn. */
export const TURN_MS = 5;
/** Visors whose days are read from a store, or told of, without a look at that: some ms of work, at most 0.7 MB. */
export const PART_VISORS = 256;
/** What is read of everybody, where they are more than that, is told again for so long. */
export const LIST_KEPT_MS = 10_000;
/** Of the text of long lists that is kept for whoever asks again, together: v1 and v2 of all visors are 19 MB. */
export const TEXT_KEPT_BYTES_MAX = 32 * 1024 * 1024;
/**
 * Visors with uptimes: of more the one not seen for longest is forgotten. Of all of them 15 MB of days are in memory; a
 * list of them for a week is 14 MB, and 136 MB with timelines.
 */
export const VISORS_KEPT_MAX = 50_000;
/** Between two looks at what is too old. */
export const TIDY_MS = 60 * 60_000;
/** Keys in one question; further ones are passed over. */
export const ASKED_KEYS_MAX = 512;
