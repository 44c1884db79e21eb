/** Where on earth an address is, asked of a service that knows (services.md 6). @module */
import type { AskService } from "../dmsg/mod.ts";
import { jsonOf, refused } from "./_answers.ts";
import { type Place, readLocation } from "./place.ts";

/** Errors of its call: `ServiceUnreachableError`, `ServiceRefusedError`, `ServiceAnswerError`. */
export class LocationClient {
  readonly #ask: AskService;
  readonly #path: string;

  /** `path` without a query: `/`. */
  constructor(ask: AskService, { path = "/" }: { readonly path?: string } = {}) {
    this.#ask = ask;
    this.#path = path;
  }

  /** The place of a public IP address; undefined when the service does not know it. */
  async placeOf(address: string, signal?: AbortSignal): Promise<Place | undefined> {
    const answer = await this.#ask(
      { method: "GET", path: `${this.#path}?ip=${encodeURIComponent(address)}` },
      signal,
    );
    if (answer.status !== 200) throw refused(SERVICE, "to tell a place", answer);
    return readLocation(jsonOf(SERVICE, answer));
  }
}

const SERVICE = "location service";
