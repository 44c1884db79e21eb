/**
 * `RequestSigner`: requests that name their sender where the connection proves no key (services.md 2).
 *
 *     SW-Public: <key>   SW-Nonce: <decimal>   SW-Sig: <signature of body bytes || decimal nonce>
 *
 * The service counts requests per key: each must carry the number that it expects, and only an answer of exactly
 * 200 raises it. So there is one signer per service and key in a process, and its requests go one by one.
 *
 * @module
 */
import { type KeyPair, sign, toHex } from "../crypto/mod.ts";
import { ServiceAnswerError } from "./errors.ts";

/** What a service answered. */
export interface ServiceAnswer {
  readonly status: number;
  readonly text: string;
}

/** One request, as the signer needs it. */
export interface SignedExchange {
  /** Exactly as it is sent. */
  readonly body: string | undefined;
  /** Sends it with these headers besides. */
  readonly exchange: (headers: readonly (readonly [string, string])[]) => Promise<ServiceAnswer>;
  /** GETs the path that tells the nonce. */
  readonly askNonce: (path: string) => Promise<ServiceAnswer>;
}

export interface RequestSignerOptions {
  /**
   * Signs nothing until a request without headers was refused for it: for a connection that proves the key by
   * itself, at a service of before 2026, which does not look at that. Default false.
   */
  readonly onlyWhenAsked?: boolean;
}

export class RequestSigner {
  readonly #local: KeyPair;
  #isNeeded: boolean;
  /** The number that the service expects next; undefined: ask. */
  #nonce: bigint | undefined;
  #last: Promise<void> = Promise.resolve();

  constructor(local: KeyPair, { onlyWhenAsked = false }: RequestSignerOptions = {}) {
    this.#local = local;
    this.#isNeeded = !onlyWhenAsked;
  }

  /**
   * Sends one request in its turn. Errors: those of the exchange; `ServiceAnswerError` when the service tells no
   * nonce; the signal's reason while it waits for its turn.
   */
  async send(request: SignedExchange, signal?: AbortSignal): Promise<ServiceAnswer> {
    if (!this.#isNeeded) {
      const answer = await request.exchange([]);
      if (answer.status !== 401) return answer;
      this.#isNeeded = true;
    }
    const leave = await this.#enter(signal);
    try {
      const answer = await this.#once(request);
      if (answer.status !== 401 || !answer.text.includes(NONCE_TEXT)) return answer;
      this.#nonce = undefined; // somebody else counted, or the service forgot: once more, with its own number
      return await this.#once(request);
    } catch (error) {
      this.#nonce = undefined; // whether the service counted this one is not known
      throw error;
    } finally {
      leave();
    }
  }

  async #once({ body, exchange, askNonce }: SignedExchange): Promise<ServiceAnswer> {
    const { publicKey, secretKey } = this.#local;
    this.#nonce ??= nonceIn(await askNonce(`/security/nonces/${publicKey}`));
    const nonce = this.#nonce;
    const signature = sign(encoder.encode(`${body ?? ""}${nonce}`), secretKey);
    const answer = await exchange([
      ["SW-Public", publicKey],
      ["SW-Nonce", `${nonce}`],
      ["SW-Sig", toHex(signature)],
    ]);
    if (answer.status === 200) this.#nonce = nonce + 1n;
    return answer;
  }

  /** Waits for the requests before this one; gives what ends its turn. */
  async #enter(signal: AbortSignal | undefined): Promise<() => void> {
    const before = this.#last;
    let leave!: () => void;
    const mine = new Promise<void>((resolve) => leave = resolve);
    this.#last = before.then(() => mine);
    if (signal === undefined) {
      await before;
      return leave;
    }
    let onAbort!: () => void;
    const aborted = new Promise<never>((_, reject) => {
      onAbort = () => reject(signal.reason);
      signal.addEventListener("abort", onAbort, { once: true });
      if (signal.aborted) onAbort();
    });
    try {
      await Promise.race([before, aborted]);
      return leave;
    } catch (reason) {
      leave(); // the turn passes on to the next as soon as it comes
      throw reason;
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
  }
}

/** One signer per service of one key: two would count apart. */
export class RequestSigners {
  readonly #local: KeyPair;
  readonly #signers = new Map<string, RequestSigner>();

  constructor(local: KeyPair) {
    this.#local = local;
  }

  /** The signer for the service at `origin`; its options are those of the first call. */
  of(origin: string, options: RequestSignerOptions = {}): RequestSigner {
    const known = this.#signers.get(origin);
    if (known !== undefined) return known;
    const signer = new RequestSigner(this.#local, options);
    this.#signers.set(origin, signer);
    return signer;
  }
}

/** Read as text: the number has 64 bits. */
function nonceIn({ status, text }: ServiceAnswer): bigint {
  const digits = status === 200 ? /"next_nonce"\s*:\s*([0-9]{1,20})(?![0-9])/.exec(text)?.[1] : undefined;
  if (digits !== undefined) return BigInt(digits);
  throw new ServiceAnswerError(`The service tells no nonce: status ${status}`);
}

/** Of the 401 that another number would have avoided (services.md 2.4). */
const NONCE_TEXT = "SW-Nonce does not match";
const encoder = new TextEncoder();
