/**
 * A visor's session with the resolver, from the proved key on: what it says, in order, and what it is told. The
 * messages are in `transport/sudph/messages.ts`.
 *
 * @module
 */
import { type Conn, MalformedError } from "../../base/mod.ts";
import type { PublicKey } from "../../crypto/mod.ts";
import { type Clock, withTimeout } from "../../runtime/mod.ts";
import { JsonFrames } from "../../transport/mod.ts";
import { HEARTBEAT, renderAnnouncement, UNBIND } from "../../transport/sudph/mod.ts";
import { withDeadlines } from "../../wire/mod.ts";
import { type Listener, readListener } from "./_binding.ts";
import { BIND_BYTES_MAX } from "./settings.ts";

/** Pushes that a session has not taken yet; further ones are dropped: a dialler asks again. */
export const PUSHES_MAX = 16;

// How messages begin.
const [BRACE, H, D] = [0x7b, 0x68, 0x64];

export type SessionMessage =
  | { readonly type: "bind"; readonly listener: Listener }
  | { readonly type: "heartbeat" }
  | { readonly type: "unbind" };

export interface UdpSessionOptions {
  readonly clock: Clock;
  readonly key: PublicKey;
  /** `ip:port` that its datagrams come from. */
  readonly address: string;
  /** Longest wait for the first message. */
  readonly firstMs: number;
  /** Longest silence after that. */
  readonly silenceMaxMs: number;
}

/** Owns `conn`, whose peer has proved its key. */
export class UdpSession {
  readonly key: PublicKey;
  readonly address: string;
  /** What it bound last, and when that was stored, if it was. */
  bound: { readonly listener: Listener; storedAtMs: number | undefined } | undefined;
  readonly #options: UdpSessionOptions;
  readonly #conn: Conn;
  readonly #frames: JsonFrames;
  #isFirst = true;
  #pushes = 0;

  constructor(conn: Conn, options: UdpSessionOptions) {
    this.key = options.key;
    this.address = options.address;
    this.#options = options;
    this.#conn = withDeadlines(conn, options.clock, { readIdleMs: options.silenceMaxMs });
    this.#frames = new JsonFrames(this.#conn);
  }

  /** The next message; undefined at the end. Errors: `MalformedError`, `LimitError`, `TruncatedError`, the Conn's. */
  next(): Promise<SessionMessage | undefined> {
    if (!this.#isFirst) return this.#next();
    this.#isFirst = false;
    const { clock, firstMs } = this.#options;
    return withTimeout(clock, { what: "A visor's first message", afterMs: firstMs }, (signal) => {
      signal.addEventListener("abort", () => this.close(signal.reason));
      return this.#next();
    });
  }

  /** Tells it of a dial. False when it takes nothing any more. Does not wait. */
  push(dialer: PublicKey, address: string): boolean {
    if (this.#pushes >= PUSHES_MAX) return false;
    this.#pushes++;
    const push = new TextEncoder().encode(renderAnnouncement(dialer, address));
    this.#conn.write(push).then(() => this.#pushes--, () => {}); // its loop sees the end
    return true;
  }

  close(reason?: unknown): void {
    this.#conn.close(reason);
  }

  async #next(): Promise<SessionMessage | undefined> {
    const first = await this.#frames.peek();
    if (first === undefined) return undefined;
    if (first === BRACE) {
      const text = await this.#frames.readObject("a bind", BIND_BYTES_MAX);
      const listener = readListener(new TextEncoder().encode(text));
      if (listener === undefined) throw new MalformedError("Cannot read a bind: no port and addresses");
      return { type: "bind", listener };
    }
    const word = first === H ? HEARTBEAT : first === D ? UNBIND : "";
    const bytes = await this.#frames.readExactly(word.length, "a message of a visor");
    if (word === "" || new TextDecoder().decode(bytes) !== word) {
      throw new MalformedError("Cannot read a message of a visor: no bind, no heartbeat, no delBind");
    }
    return { type: word === HEARTBEAT ? "heartbeat" : "unbind" };
  }
}
