/** Bounds of what is told of uptimes. @module */

/** Days before today that are kept and told of (services.md 7.3). */
export const HISTORY_DAYS = 7;
/** Months before this one whose addresses are kept. */
export const HISTORY_MONTHS = 12;
/** Figures of days are read anew after it: a list of everybody for a week is some thousands of rows. */
export const DAYS_CACHE_MS = 5 * 60_000;
/** Keys in one question; further ones are passed over. */
export const ASKED_KEYS_MAX = 512;
