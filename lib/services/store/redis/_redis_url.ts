/** The URL of a Redis: what of it goes to the driver, what is ours, what may be shown. @module */
import { InvalidStoreNameError } from "../store.ts";

export interface RedisPlace {
  /** For the driver: without our settings and the number. Holds the password. */
  readonly url: string;
  /** Host, port and number, without name and password. */
  readonly shown: string;
  /** Of the data base: keys of one are not those of another, but every channel is heard in all of them. */
  readonly database: number;
  /** Before every key and channel, with its colon; empty where none is set. */
  readonly prefix: string;
  readonly isTls: boolean;
}

/** Characters of a prefix at most: it is in every key. */
const PREFIX_CHARS_MAX = 64;

/** Throws {@link InvalidStoreNameError} for what is no URL of a Redis; it does not show the text. */
export function parseRedisUrl(text: string): RedisPlace {
  const url = readUrl(text);
  const database = /^\/?([0-9]{0,6})$/.exec(url.pathname)?.[1];
  if (database === undefined) {
    throw new InvalidStoreNameError("The data base of a Redis is no number", { hint: HINT });
  }
  const prefix = url.searchParams.get("prefix") ?? undefined;
  for (const name of url.searchParams.keys()) {
    if (name === "prefix" && url.searchParams.getAll(name).length === 1) continue;
    throw new InvalidStoreNameError("The URL of a Redis has a setting that is no prefix, or two of them", {
      hint: HINT,
    });
  }
  if (prefix !== undefined && !(/^[A-Za-z0-9._-]+$/.test(prefix) && prefix.length <= PREFIX_CHARS_MAX)) {
    throw new InvalidStoreNameError(
      `The prefix of a Redis is not 1 to ${PREFIX_CHARS_MAX} letters, digits, dots, lines`,
      { hint: HINT },
    );
  }
  const setting = prefix === undefined ? "" : `?prefix=${prefix}`;
  const shown = `${url.protocol}//${url.host}${url.pathname}${setting}`;
  url.pathname = url.search = url.hash = "";
  return {
    url: url.href,
    shown,
    database: Number(database),
    prefix: prefix === undefined ? "" : `${prefix}:`,
    isTls: url.protocol === "rediss:",
  };
}

function readUrl(text: string): URL {
  try {
    const url = new URL(text);
    decodeURIComponent(url.username + url.password); // as the driver will do
    if (url.host !== "") return url;
  } catch {
    // said below, without the text, which may hold a password
  }
  throw new InvalidStoreNameError("Not the URL of a Redis (not shown: it may hold a password)", {
    hint: HINT,
  });
}

const HINT =
  "write redis://[:password@]host[:port][/number][?prefix=name], with %-escapes in the password, rediss:// for TLS";
