/** The other end of `fetch.ts`: frames as an answer of HTTP. @module */
import { TimedOutError, TruncatedError } from "../base/mod.ts";
import { type BodyReader, HeaderFields, HttpResponse, type ResponseBody } from "../http/mod.ts";
import type { Clock } from "../runtime/mod.ts";
import { ControlAnswerError, type ControlError } from "./errors.ts";
import { fetchHeadSchema, FRAME, FRAME_HEAD_BYTES, FRAME_TEXT_BYTES_MAX } from "./fetch.ts";
import { STREAM_SILENCE_MS } from "./streams.ts";

/** Where frames come from, and what to do about them. */
export interface FramesOptions {
  readonly clock: Clock;
  /** For whoever is told that the visor is silent. */
  readonly hint: string;
  /** Ends the call. */
  readonly leave: (reason: unknown) => void;
  /** Why it was ended; undefined: it was not. */
  readonly left: () => unknown;
  /** Called once, when nothing more comes. */
  readonly onDone: () => void;
  /** The failure that an error frame tells. */
  readonly failureOf: (text: string) => ControlError | ControlAnswerError;
}

/**
 * The answer whose frames `source` has, its head read. Errors: what the visor says that failed, `ControlAnswerError`,
 * `TruncatedError` where the visor ends in the middle, `TimedOutError` for one that is silent. Its body fails likewise.
 */
export async function fetchedAnswer(
  url: string,
  source: BodyReader,
  options: FramesOptions,
): Promise<HttpResponse> {
  const body = new FetchedBody(source, options);
  const { status, reason, headers } = await body.head();
  const fields = new HeaderFields();
  for (const [name, value] of headers) fields.append(name.toLowerCase(), value);
  return new HttpResponse({ url, status, reason, headers: fields, body });
}

class FetchedBody implements ResponseBody {
  readonly #source: BodyReader;
  readonly #options: FramesOptions;
  /** What came and was not looked at. */
  #bytes = new Uint8Array(0);
  /** Of the data frame that is being read. */
  #left = 0;
  #end: { readonly failure?: unknown } | undefined;

  constructor(source: BodyReader, options: FramesOptions) {
    this.#source = source;
    this.#options = options;
  }

  async head(): Promise<ReturnType<typeof fetchHeadSchema.parse>> {
    return await this.#ending(async () => {
      if (await this.#frame() !== FRAME.head) throw noAnswer();
      const head = fetchHeadSchema.safeParse(jsonOf(await this.#text()));
      if (!head.success) throw noAnswer();
      return head.data;
    });
  }

  async read(): Promise<Uint8Array | null> {
    if (this.#end !== undefined) {
      if ("failure" in this.#end) throw this.#end.failure;
      return null;
    }
    return await this.#ending(async () => {
      while (this.#left === 0) {
        const kind = await this.#frame();
        if (kind === FRAME.end) {
          this.#finish({});
          return null;
        }
        if (kind !== FRAME.data) throw noAnswer();
      }
      if (this.#bytes.length === 0) await this.#more();
      const view = this.#bytes.subarray(0, this.#left);
      this.#bytes = this.#bytes.subarray(view.length);
      this.#left -= view.length;
      return view;
    });
  }

  discard(): void {
    if (this.#end !== undefined) return;
    const reason = new DOMException("Nobody reads on", "AbortError");
    this.#options.leave(reason);
    this.#finish({ failure: reason });
  }

  /** The kind of the next frame that is no beat; of an error frame that error is thrown. */
  async #frame(): Promise<number> {
    for (;;) {
      await this.#have(FRAME_HEAD_BYTES);
      const kind = this.#bytes[0]!;
      const length = new DataView(this.#bytes.buffer, this.#bytes.byteOffset).getUint32(1);
      this.#bytes = this.#bytes.subarray(FRAME_HEAD_BYTES);
      this.#left = length;
      if (kind === FRAME.data || kind === FRAME.head) return kind;
      if (kind === FRAME.error) throw this.#options.failureOf(await this.#text());
      if (length > 0) throw noAnswer();
      if (kind !== FRAME.beat) return kind;
    }
  }

  /** The whole content of the frame. */
  async #text(): Promise<string> {
    if (this.#left > FRAME_TEXT_BYTES_MAX) throw noAnswer();
    await this.#have(this.#left);
    const text = new TextDecoder().decode(this.#bytes.subarray(0, this.#left));
    this.#bytes = this.#bytes.subarray(this.#left);
    this.#left = 0;
    return text;
  }

  async #have(length: number): Promise<void> {
    while (this.#bytes.length < length) {
      const before = this.#bytes.slice();
      await this.#more();
      if (before.length === 0) continue;
      const both = new Uint8Array(before.length + this.#bytes.length);
      both.set(before);
      both.set(this.#bytes, before.length);
      this.#bytes = both;
    }
  }

  /** The next bytes in place of those that were looked at. */
  async #more(): Promise<void> {
    const { clock, hint, leave } = this.#options;
    const silence = new TimedOutError("Call dmsgFetch of the visor", STREAM_SILENCE_MS, { hint });
    const timer = clock.timer(STREAM_SILENCE_MS, () => leave(silence));
    try {
      const view = await this.#source.read();
      if (view === null) throw new TruncatedError("an answer of the visor");
      this.#bytes = view as Uint8Array<ArrayBuffer>;
    } finally {
      timer.cancel();
    }
  }

  async #ending<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const failure = this.#options.left() ?? error;
      this.#options.leave(failure);
      this.#finish({ failure });
      throw failure;
    }
  }

  #finish(end: { readonly failure?: unknown }): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    this.#options.onDone();
  }
}

function noAnswer(): ControlAnswerError {
  return new ControlAnswerError("The visor answered call dmsgFetch with what is none of its answers", {
    hint: "stop it, and run one of this version",
  });
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
