/**
 * The dmsg discovery, asked over HTTP: over plain TCP or over dmsg, whichever `fetch` it is given (dmsg.md 9).
 *
 * @module
 */
import { PeerError, type SkyErrorOptions } from "../base/mod.ts";
import type { PublicKey } from "../crypto/mod.ts";
import type { Discovery } from "./discovery.ts";
import { type Entry, parseEntries, parseEntry, renderEntry } from "./entry.ts";

/** How every discovery says that a key has no entry, and that it knows no server (dmsg.md 9.1). */
const NO_ENTRY_TEXT = "entry of public key is not found";
const NONE_TEXTS: ReadonlySet<string> = new Set([
  NO_ENTRY_TEXT,
  "no delegated dmsg servers available for remote",
]);
/** The text by which every discovery reports a sequence that is not above the stored one (dmsg.md 8.3, row 9). */
const SEQUENCE_TEXT = "sequence field of new entry is not sequence of old entry + 1";
/** By these it reports a time that is not within its window, or before that of the stored entry (rows 7 and 10). */
const CLOCK_TEXTS = [
  "advertised entry has outdated timestamp",
  "advertised entry timestamp is not greater than previous",
];

/** The discovery answered, and the answer is no. */
export class EntryRefusedError extends PeerError {
  readonly code = "ENTRY_REFUSED";
  constructor(readonly status: number, readonly reason: string, options: SkyErrorOptions = {}) {
    const isClock = CLOCK_TEXTS.some((text) => reason.includes(text));
    const remark = isClock ? " (the clock of this machine or that of the discovery is wrong)" : "";
    super(`The discovery refused the entry with status ${status}: ${reason}${remark}`, {
      ...(isClock ? { hint: "compare the date and time of this machine with those of another" } : {}),
      ...options,
    });
    this.isClock = isClock;
  }
  /** True when the entry's time does not suit the discovery: this machine's clock is wrong, or that one's. */
  readonly isClock: boolean;
  /** True when the stored entry has this sequence or a later one. */
  get isSequence(): boolean {
    return this.reason.includes(SEQUENCE_TEXT);
  }
}

/** The discovery answered something that it cannot mean. */
export class DiscoveryAnswerError extends PeerError {
  readonly code = "DISCOVERY_ANSWER";
}

/** One request to a service: path and method in, status and text out. Errors: unreachable, timed out. */
export type AskService = (
  request: {
    readonly method: string;
    readonly path: string;
    readonly body?: string;
    /** Besides those of every request. */
    readonly headers?: readonly (readonly [name: string, value: string])[];
    /** Names its sender: signed where the way itself proves no key (services.md 2). */
    readonly isSigned?: boolean;
    /** No time for one way after the other: every way is asked at once, and the first answer counts. */
    readonly isUrgent?: boolean;
    /** The answer is about everything: it may be far larger than others, and its body takes its time. */
    readonly isLarge?: boolean;
  },
  signal?: AbortSignal,
) => Promise<{ readonly status: number; readonly text: string }>;

export class HttpDiscovery implements Discovery {
  readonly #ask: AskService;
  constructor(ask: AskService) {
    this.#ask = ask;
  }

  async entry(key: PublicKey, signal?: AbortSignal): Promise<Entry | undefined> {
    const answer = await this.#ask({ method: "GET", path: `/dmsg-discovery/entry/${key}` }, signal);
    if (answer.status === 404 && messageOf(answer.text) === NO_ENTRY_TEXT) return undefined;
    if (answer.status !== 200) throw refused(`the look-up of ${key}`, answer);
    const entry = parseEntry(answer.text);
    if (entry.static !== key) {
      throw new DiscoveryAnswerError(`Asked for ${key}, got the entry of ${entry.static}`);
    }
    return entry;
  }

  async availableServers(signal?: AbortSignal): Promise<Entry[]> {
    return await this.#servers("/dmsg-discovery/available_servers", signal);
  }

  async allServers(signal?: AbortSignal): Promise<Entry[]> {
    return await this.#servers("/dmsg-discovery/all_servers", signal);
  }

  async post(entry: Entry, signal?: AbortSignal): Promise<void> {
    const body = renderEntry(entry);
    const answer = await this.#ask({ method: "POST", path: "/dmsg-discovery/entry/", body }, signal);
    if (answer.status !== 200) throw new EntryRefusedError(answer.status, messageOf(answer.text));
  }

  async remove(entry: Entry, signal?: AbortSignal): Promise<void> {
    const body = renderEntry(entry);
    const question = { method: "DELETE", path: "/dmsg-discovery/entry", body, isUrgent: true };
    const answer = await this.#ask(question, signal);
    if (answer.status !== 200) throw new EntryRefusedError(answer.status, messageOf(answer.text));
  }

  /** 404 with its text is how a discovery says "none"; any other 404 comes from something else. */
  async #servers(path: string, signal: AbortSignal | undefined): Promise<Entry[]> {
    const answer = await this.#ask({ method: "GET", path }, signal);
    if (answer.status === 404 && NONE_TEXTS.has(messageOf(answer.text))) return [];
    if (answer.status !== 200) throw refused("the list of servers", answer);
    return parseEntries(answer.text).filter((entry) => entry.server !== undefined);
  }
}

function refused(what: string, { status, text }: { status: number; text: string }): DiscoveryAnswerError {
  return new DiscoveryAnswerError(`The discovery answered ${what} with status ${status}: ${messageOf(text)}`);
}

/** The `message` of an error body, else the start of the text; one line, bounded. */
function messageOf(text: string): string {
  try {
    const body = JSON.parse(text);
    if (typeof body === "object" && body !== null && typeof body.message === "string") {
      return body.message.slice(0, 300);
    }
  } catch {
    // Not JSON: the text itself says what it is.
  }
  return text.slice(0, 200).replace(/\s+/g, " ").trim() || "no text";
}
